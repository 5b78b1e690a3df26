"""Gives records an owner: one person, in turn, to whom has least, or by what a field says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...accounts import people
from ...core import dialect
from ...core.db import db
from ...forms import records
from ...forms.catalog import Form
from ...forms.conditions import Context
from .base import Action, ActionError, Effect, Work

WAYS = {
    "to": _l("指定一人"),
    "round_robin": _l("轮流"),
    "least_loaded": _l("给手上最少的人"),
    "by": _l("按字段的值"),
}


class Assign(Action):
    """``{to: user}``, ``{round_robin: [users]}``, ``{least_loaded: [users]}`` or ``{by: field, map: {value:
    user|[users]}, else: …}``.

    Users are named by login, id or name. In turn and by load, a record that one of these people has already stays.
    """

    name = "assign"
    label = _l("分配负责人")
    icon = "user-check"
    template = "automation/actions/assign.html"
    ways = WAYS

    @classmethod
    def suits(cls, form: Form) -> bool:
        return cls.owner_of(form) is not None

    @staticmethod
    def owner_of(form: Form) -> str | None:
        """The field that names a record's owner: ``owner``, else the first person."""
        found = [key for key, f in form.columns.items() if f.value_input == "person" and not f.readonly]
        return "owner" if "owner" in found else (found[0] if found else None)

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        way = values.get(f"{slot}.way", "to")
        doc: dict[str, Any] = {"action": cls.name}
        if way == "by":
            pairs = zip(values.getlist(f"{slot}.when"), values.getlist(f"{slot}.who"), strict=False)
            doc |= {"by": values.get(f"{slot}.by", ""), "map": {when: who for when, who in pairs if when and who}}
            if values.get(f"{slot}.else"):
                doc["else"] = values[f"{slot}.else"]
        elif way == "to":
            doc["to"] = values.get(f"{slot}.to", "")
        else:
            doc[way if way in WAYS else "round_robin"] = values.getlist(f"{slot}.users")
        return doc

    @property
    def way(self) -> str:
        return next((way for way in WAYS if way in self.doc), "to")

    def check(self) -> None:
        if sum(way in self.doc for way in WAYS) != 1:
            raise ActionError(_("请选择一种分配方式：to、round_robin、least_loaded 或 by。"))
        if self.way != "by":
            self._people(self.doc[self.way], self.way)
            return
        field = self.form.columns.get(self.doc["by"])
        if field is None:
            raise ActionError(_("请选择按哪个字段分配。"), "by")
        chosen = self.doc.get("map")
        if not isinstance(chosen, dict) or not chosen:
            raise ActionError(_("请写明字段的每个值分给谁。"), "map")
        for value, who in chosen.items():
            try:
                field.parse(value)
            except ValueError as error:
                raise ActionError(str(error), f"map.{value}") from error
            self._people(who, f"map.{value}")
        if self.doc.get("else") is not None:
            self._people(self.doc["else"], "else")

    def _people(self, named: Any, path: str) -> list[int]:
        """Ids of the people whom a parameter names. Raises :class:`ActionError`."""
        wanted = named if isinstance(named, list) else [named]
        if not [who for who in wanted if who]:
            raise ActionError(_("请选择人员。"), path)
        active = {user_id for user_id, _name in people.active()}
        ids = []
        for who in wanted:
            found = people.find(who) if isinstance(who, (int, str)) else None
            if found is None or found not in active:
                raise ActionError(_("没有叫「%(name)s」的在职人员。", name=str(who)[:40]), path)
            ids.append(found)
        return ids

    def _names(self, named: Any) -> str:
        wanted = named if isinstance(named, list) else [named]
        found = [(people.find(who), who) for who in wanted]
        return _("、").join(people.name(user_id) if user_id else str(who) for user_id, who in found)

    def words(self) -> str:
        named = self.doc.get(self.way)
        if self.way == "to":
            return _("分配给%(people)s", people=self._names(named))
        if self.way == "round_robin":
            return _("轮流分配给%(people)s", people=self._names(named))
        if self.way == "least_loaded":
            return _("分配给%(people)s中手上最少的人", people=self._names(named))
        field = self.form.columns.get(str(named))
        pairs = [
            _("%(value)s给%(people)s", value=field._word(value) if field else value, people=self._names(who))
            for value, who in (self.doc.get("map") or {}).items()
        ]
        if self.doc.get("else"):
            pairs.append(_("其他给%(people)s", people=self._names(self.doc["else"])))
        return _("按「%(field)s」分配：%(pairs)s", field=field.label if field else named, pairs=_("，").join(pairs))

    def pending(self, ctx: Context) -> Any:
        column = self.form.col(self.owner_of(self.form) or "owner")
        if self.way == "to":
            return dialect.differs(column, self._people(self.doc["to"], "to")[0])
        if self.way == "by":
            return None
        return column.is_null() | column.not_in(self._people(self.doc[self.way], self.way))

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        owner = self.owner_of(work.form)
        assert owner is not None
        chosen = self._choose(ids, owner, work)
        written = records.update_many(
            work.form, {i: {owner: user} for i, user in chosen.items()}, work.actor, work.cause, parsed=True
        )
        order = list(chosen)
        failed = {order[n]: _("；").join(e.values()) for n, e in written.errors.items() if "_missing" not in e}
        return Effect(written.changed, failed)

    def _choose(self, ids: Sequence[int], owner: str, work: Work) -> dict[int, int]:
        if self.way == "to":
            return dict.fromkeys(ids, self._people(self.doc["to"], "to")[0])
        current = self._column(ids, owner, work)
        if self.way != "by":
            users = self._people(self.doc[self.way], self.way)
            free = [i for i in ids if current.get(i) not in users]
            if self.way == "least_loaded":
                return self._least(free, users, owner, work)
            return self._turns(free, users, "", work)
        field = work.form.columns[self.doc["by"]]
        values = self._column(ids, field.key, work)
        by_value = {field.parse(value): who for value, who in self.doc["map"].items()}
        groups: dict[Any, list[int]] = {}
        for i in ids:
            if i in values:
                groups.setdefault(values[i] if values[i] in by_value else None, []).append(i)
        chosen: dict[int, int] = {}
        for value, members in groups.items():
            who = by_value.get(value, self.doc.get("else"))
            if who is not None:
                users = self._people(who, "map")
                chosen |= self._turns([i for i in members if current.get(i) not in users], users, str(value), work)
        return chosen

    @staticmethod
    def _turns(ids: Sequence[int], users: list[int], turn: str, work: Work) -> dict[int, int]:
        start = int(work.memory.get(turn, 0))
        work.memory[turn] = (start + len(ids)) % len(users)
        return {i: users[(start + n) % len(users)] for n, i in enumerate(ids)}

    @staticmethod
    def _least(ids: Sequence[int], users: list[int], owner: str, work: Work) -> dict[int, int]:
        form = work.form
        column = form.col(owner)
        counted = (
            form.table.select(column, fn.COUNT(form.col("id")))
            .where(column.in_(users), form.col("deleted_at").is_null())
            .group_by(column)
        )
        load = Counter(dict.fromkeys(users, 0))
        load.update(dict(counted.tuples().execute(db)))
        chosen = {}
        for i in ids:
            user = min(users, key=lambda u: load[u])
            load[user] += 1
            chosen[i] = user
        return chosen

    @staticmethod
    def _column(ids: Sequence[int], key: str, work: Work) -> dict[int, Any]:
        form = work.form
        rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), ids))
        return dict(rows.tuples().execute(db))
