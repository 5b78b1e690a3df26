"""Gives records an owner: one person, in turn, by weight, to whom has least, or by what a field says; who is away is left out."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...accounts import departments, deputies, people
from ...core import dialect
from ...core.db import db
from ...forms import field_rules, records
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.fields.base import Field
from ...forms.fields.choice import Choice
from .base import Action, ActionError, Effect, Work

WAYS = {
    "to": _l("指定一人"),
    "round_robin": _l("轮流"),
    "weighted": _l("按比例"),
    "least_loaded": _l("给手上最少的人"),
    "by": _l("按字段的值"),
}
DEPARTMENT = "department:"
"""Stands before a department's id or name where people are named."""
HEAVIEST = 1000
HEAD = "head"


class Assign(Action):
    """``{to: user}``, ``{round_robin: [users]}``, ``{weighted: {user: 3, …}}``, ``{least_loaded: [users], except?: {field:
    [values]}}`` or ``{by: field, map: {value: user|[users]}}``, each with ``else?: user|[users]`` and ``when_absent?: "head"``.

    Users are named by login, id or name, whole departments as ``{"department": name}`` or ``"department:name"``. In turn, by
    weight and by load, a record that one of these people has already stays. Who is away or has left is passed over; when
    nobody is there, ``else`` gets the record, or the head of the department, or nobody.
    """

    name = "assign"
    label = _l("分配负责人")
    icon = "user-check"
    template = "automation/actions/assign.html"
    params = frozenset({*WAYS, "map", "else", "except", "when_absent"})
    ways = WAYS

    @classmethod
    def suits(cls, form: Form) -> bool:
        return cls.owner_of(form) is not None

    @staticmethod
    def owner_of(form: Form) -> str | None:
        """The field that names a record's owner: ``owner``, else the first person."""
        found = [key for key, f in form.columns.items() if f.value_input == "person" and not f.readonly]
        return "owner" if "owner" in found else (found[0] if found else None)

    @staticmethod
    def departments() -> list[tuple[str, str]]:
        """The departments as the inputs name them."""
        return [(f"{DEPARTMENT}{i}", name) for i, name in departments.choices()]

    @staticmethod
    def states(form: Form) -> list[Choice]:
        """The fields that say how far a record is: those with a closed state need not count as load."""
        return [f for key in ("stage", "status") if isinstance(f := form.columns.get(key), Choice)]

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        way = values.get(f"{slot}.way", "to")
        doc: dict[str, Any] = {"action": cls.name}
        if way == "by":
            pairs = zip(values.getlist(f"{slot}.when"), values.getlist(f"{slot}.who"), strict=False)
            doc |= {"by": values.get(f"{slot}.by", ""), "map": {when: who for when, who in pairs if when and who}}
        elif way == "to":
            doc["to"] = values.get(f"{slot}.to", "")
        elif way == "weighted":
            pairs = zip(values.getlist(f"{slot}.weigh"), values.getlist(f"{slot}.weight"), strict=False)
            doc["weighted"] = {who: cls._typed(w) for who, w in pairs if who and w.strip() not in ("", "0")}
        else:
            doc[way if way in WAYS else "round_robin"] = values.getlist(f"{slot}.users")
            if way == "least_loaded":
                left_out = {f.key: values.getlist(f"{slot}.except.{f.key}") for f in cls.states(form)}
                if left_out := {key: given for key, given in left_out.items() if given}:
                    doc["except"] = left_out
        if values.get(f"{slot}.else"):
            doc["else"] = values[f"{slot}.else"]
        if values.get(f"{slot}.head") == "1":
            doc["when_absent"] = HEAD
        return doc

    @staticmethod
    def _typed(weight: str) -> Any:
        return int(weight) if weight.strip().isdecimal() else weight.strip()

    @property
    def way(self) -> str:
        return next((way for way in WAYS if way in self.doc), "to")

    # -- who is named -------------------------------------------------------------------------------------------

    @staticmethod
    def _wanted(named: Any) -> list[Any]:
        return (
            named
            if isinstance(named, list)
            else list(named)
            if isinstance(named, dict) and not _is_department(named)
            else [named]
        )

    def _group(self, who: Any, path: str) -> list[int]:
        """The people whom one name stands for: one, or a department's with those below it. Raises :class:`ActionError`."""
        if _is_department(who):
            wanted = who["department"] if isinstance(who, dict) else who.removeprefix(DEPARTMENT)
            found = departments.find(wanted) if isinstance(wanted, (int, str)) else None
            if found is None:
                raise ActionError(_("没有叫「%(name)s」的部门。", name=str(wanted)[:40]), path)
            nodes = [departments.get(one) for one in sorted(departments.below(found))]
            return list(dict.fromkeys(i for node in nodes for i in node.members))
        person = people.find(who) if isinstance(who, (int, str)) else None
        if person is None:
            raise ActionError(_("没有叫「%(name)s」的在职人员。", name=str(who)[:40]), path)
        return [person]

    def _people(self, named: Any, path: str) -> list[int]:
        """All whom the names stand for, in that order."""
        return list(dict.fromkeys(i for who in self._wanted(named) if who for i in self._group(who, path)))

    def _check_people(self, named: Any, path: str) -> None:
        wanted = [who for who in self._wanted(named) if who]
        if not wanted:
            raise ActionError(_("请选择人员。"), path)
        for who in wanted:
            if any(people.is_active(i) for i in self._group(who, path)):
                continue
            if _is_department(who):
                raise ActionError(_("「%(name)s」里没有在职人员。", name=_name_of(who)), path)
            raise ActionError(_("没有叫「%(name)s」的在职人员。", name=str(who)[:40]), path)

    # -- checking -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        if sum(way in self.doc for way in WAYS) != 1:
            known = ", ".join(WAYS)
            raise ActionError(_("请选择一种分配方式：%(known)s。", known=known))
        if self.way == "by":
            self._check_map()
        else:
            self._check_people(self.doc[self.way], self.way)
        if self.way == "weighted":
            self._check_weights(self.doc["weighted"])
        if self.doc.get("else") is not None:
            self._check_people(self.doc["else"], "else")
        if self.doc.get("when_absent") not in (None, HEAD):
            raise ActionError(_("都不在时只能给部门负责人（head），或不写。"), "when_absent")
        self._check_except()

    def _check_map(self) -> None:
        field = self.form.columns.get(str(self.doc["by"]))
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
            self._check_people(who, f"map.{value}")

    @staticmethod
    def _check_weights(weights: Any) -> None:
        if not isinstance(weights, dict):
            raise ActionError(_("请写明每个人的比例，例如 3 和 1。"), "weighted")
        for who, weight in weights.items():
            if type(weight) is not int or not 0 < weight <= HEAVIEST:
                raise ActionError(_("比例要是 1 到 %(max)d 的整数。", max=HEAVIEST), f"weighted.{who}")

    def _check_except(self) -> None:
        left_out = self.doc.get("except")
        if left_out is None:
            return
        if self.way != "least_loaded" or not isinstance(left_out, dict):
            raise ActionError(_("只有“给手上最少的人”可以写不计哪些记录。"), "except")
        for key, given in left_out.items():
            field = self.form.columns.get(key)
            if field is None or not isinstance(given, list):
                raise ActionError(
                    _("「%(form)s」没有字段「%(key)s」。", form=self.form.label, key=key), f"except.{key}"
                )
            try:
                [field.parse(value) for value in given]
            except ValueError as error:
                raise ActionError(str(error), f"except.{key}") from error

    # -- in words -----------------------------------------------------------------------------------------------

    def _names(self, named: Any) -> str:
        return _("、").join(_name_of(who) for who in self._wanted(named))

    def words(self) -> str:
        text = self._way_words(self.doc.get(self.way))
        if self.doc.get("else"):
            others = self._names(self.doc["else"])
            by = self.way == "by"
            text += _("，其他给%(people)s", people=others) if by else _("，都不在时给%(people)s", people=others)
        elif self.doc.get("when_absent") == HEAD:
            text += _("，都不在时给部门负责人")
        return text

    def _way_words(self, named: Any) -> str:
        if self.way == "to":
            return _("分配给%(people)s", people=self._names(named))
        if self.way == "round_robin":
            return _("轮流分配给%(people)s", people=self._names(named))
        if self.way == "weighted":
            shares = [_("%(name)s %(weight)s 份", name=_name_of(who), weight=w) for who, w in (named or {}).items()]
            return _("按比例分配：%(shares)s", shares=_("、").join(shares))
        if self.way == "least_loaded":
            return _("分配给%(people)s中手上最少的人", people=self._names(named))
        field = self.form.columns.get(str(named))
        pairs = [
            _("%(value)s给%(people)s", value=field._word(value) if field else value, people=self._names(who))
            for value, who in (self.doc.get("map") or {}).items()
        ]
        return _("按「%(field)s」分配：%(pairs)s", field=field.label if field else named, pairs=_("，").join(pairs))

    # -- the effect ---------------------------------------------------------------------------------------------

    def pending(self, ctx: Context) -> Any:
        if self.way == "by":
            return None
        column, users = self.form.col(self.owner_of(self.form) or "owner"), self._people(self.doc[self.way], self.way)
        if self.way == "to" and len(users) == 1:
            return dialect.differs(column, users[0]) if self._present(users) == users else None
        return column.is_null() | column.not_in(users)

    @staticmethod
    def _present(users: Sequence[int]) -> list[int]:
        """Those who can be given work now."""
        away = deputies.absent()
        return [i for i in users if people.is_active(i) and i not in away]

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        owner = self.owner_of(work.form)
        assert owner is not None
        current = self._column(ids, owner, work)
        chosen: dict[int, int] = {}
        effect = Effect()
        if self.way == "by":
            self._by_field([i for i in ids if i in current], current, chosen, effect, work)
        else:
            named = self.doc[self.way]
            users = self._people(named, self.way)
            stays = () if self.way == "to" and len(users) == 1 else users
            self._give([i for i in ids if i in current and current[i] not in stays], named, "", chosen, effect, work)
        effect.add(self._write(owner, chosen, current, work))
        return effect

    def _by_field(
        self, ids: list[int], current: dict[int, Any], chosen: dict[int, int], effect: Effect, work: Work
    ) -> None:
        field = work.form.columns[self.doc["by"]]
        values = self._column(ids, field.key, work)
        by_value = {field.parse(value): who for value, who in self.doc["map"].items()}
        groups: dict[Any, list[int]] = defaultdict(list)
        for i in ids:
            groups[values[i] if values[i] in by_value else None].append(i)
        for value, members in groups.items():
            who = by_value.get(value, self.doc.get("else"))
            if who is None:
                effect.skipped |= dict.fromkeys(members, _("「%(field)s」的值没有写明分给谁。", field=field.label))
                continue
            users = self._people(who, "map")
            self._give([i for i in members if current[i] not in users], who, str(value), chosen, effect, work)

    def _give(self, ids: list[int], named: Any, turn: str, chosen: dict[int, int], effect: Effect, work: Work) -> None:
        """Chooses among the people ``named`` who are there; else among those who stand in for all of them."""
        if not ids:
            return
        users = self._people(named, self.way)
        present = self._present(users)
        if present:
            if self.way == "weighted":
                chosen |= self._weighted(ids, work)
            elif self.way == "least_loaded":
                chosen |= self._least(ids, present, work)
            else:
                chosen |= self._turns(ids, users, present, turn, work)
            return
        other = self.doc.get("else")
        instead = self._present(self._people(other, "else")) if other is not None else []
        if not instead and self.doc.get("when_absent") == HEAD:
            instead = self._present(self._heads(named, users))[:1]
        if not instead and self.way == "to" and len(users) == 1 and people.is_active(users[0]):
            # One person by name: whoever stands in for them sees it.
            instead = users
        if instead:
            chosen |= self._turns(ids, instead, instead, f"else:{turn}", work)
        else:
            why = _("%(people)s现在都不在，没有分配。", people=self._names(named))
            effect.skipped |= dict.fromkeys(ids, why)

    def _heads(self, named: Any, users: list[int]) -> list[int]:
        """The heads of the departments that are named, and of those that the people are in."""
        found = []
        for who in self._wanted(named):
            if _is_department(who):
                wanted = who["department"] if isinstance(who, dict) else who.removeprefix(DEPARTMENT)
                department = departments.find(wanted)
                found.append(departments.head_of(department) if department else None)
        found += [departments.manager_of(user) for user in users]
        return list(dict.fromkeys(i for i in found if i is not None))

    @staticmethod
    def _turns(ids: Sequence[int], users: list[int], present: list[int], turn: str, work: Work) -> dict[int, int]:
        """One after the other, going on after whoever was last; who is away is passed over."""
        there, last = set(present), work.memory.get(f"last:{turn}")
        begin = users.index(last) + 1 if last in users else 0
        order = [i for i in (*users[begin:], *users[:begin]) if i in there]
        chosen = {i: order[n % len(order)] for n, i in enumerate(ids)}
        work.memory[f"last:{turn}"] = order[(len(ids) - 1) % len(order)]
        return chosen

    def _weighted(self, ids: Sequence[int], work: Work) -> dict[int, int]:
        """Smooth weighted turns: after any number of records nobody is more than one record away from their share."""
        groups = {who: self._present(self._group(who, "weighted")) for who in self.doc["weighted"]}
        groups = {who: members for who, members in groups.items() if members}
        weights: dict[str, int] = {who: self.doc["weighted"][who] for who in groups}
        owed: dict[str, int] = {who: int(work.memory.get(f"owed:{who}", 0)) for who in groups}
        total, given = sum(weights.values()), defaultdict(list)
        for i in ids:
            for who, weight in weights.items():
                owed[who] += weight
            best = max(owed, key=lambda who: owed[who])
            owed[best] -= total
            given[best].append(i)
        work.memory.update({f"owed:{who}": value for who, value in owed.items()})
        chosen: dict[int, int] = {}
        for who, members in given.items():
            chosen |= self._turns(members, groups[who], groups[who], who, work)
        return chosen

    def _least(self, ids: Sequence[int], users: list[int], work: Work) -> dict[int, int]:
        form = work.form
        column = form.col(self.owner_of(form) or "owner")
        tests = [column.in_(users), form.col("deleted_at").is_null()]
        for key, given in (self.doc.get("except") or {}).items():
            field = form.columns[key]
            tests.append(fn.COALESCE(form.col(key), "").not_in([field.parse(value) for value in given]))
        counted = form.table.select(column, fn.COUNT(form.col("id"))).where(*tests).group_by(column)
        load = Counter(dict.fromkeys(users, 0))
        load.update(dict(counted.tuples().execute(db)))
        queue = [(load[user], place, user) for place, user in enumerate(users)]
        heapq.heapify(queue)
        chosen = {}
        for i in ids:
            held, place, user = queue[0]
            chosen[i] = user
            heapq.heapreplace(queue, (held + 1, place, user))
        return chosen

    @staticmethod
    def _write(owner: str, chosen: dict[int, int], current: dict[int, Any], work: Work) -> Effect:
        chosen = {i: user for i, user in chosen.items() if current[i] != user}
        if field_rules.ruled(work.form):
            # What may be written depends on the record: each says itself why it refuses.
            rows = {i: {owner: user} for i, user in chosen.items()}
            written = records.update_many(work.form, rows, work.actor, work.cause, parsed=True)
            order = list(rows)
            failed = {order[n]: _("；").join(e.values()) for n, e in written.errors.items() if "_missing" not in e}
            return Effect(written.changed, failed)
        groups: dict[int, list[int]] = defaultdict(list)
        for i, user in chosen.items():
            groups[user].append(i)
        changed: set[int] = set()
        for user, ids in groups.items():
            changed |= set(records.update_set(work.form, {owner: user}, ids, work.actor, work.cause))
        return Effect(changed)

    @staticmethod
    def _column(ids: Sequence[int], key: str, work: Work) -> dict[int, Any]:
        form = work.form
        rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), ids))
        return dict(rows.tuples().execute(db))

    # -- for the template ---------------------------------------------------------------------------------------

    def weight_of(self, who: str) -> Any:
        weights = self.doc.get("weighted")
        return weights.get(who, "") if isinstance(weights, dict) else ""

    def splits(self, form: Form) -> list[Field]:
        return [f for f in form.columns.values() if f.type in ("text", "choice")]

    def left_out(self, key: str) -> list[Any]:
        given = self.doc.get("except")
        found = given.get(key) if isinstance(given, dict) else None
        return found if isinstance(found, list) else []


def _is_department(who: Any) -> bool:
    return (isinstance(who, str) and who.startswith(DEPARTMENT)) or (
        isinstance(who, dict) and set(who) == {"department"}
    )


def _name_of(who: Any) -> str:
    if _is_department(who):
        wanted = who["department"] if isinstance(who, dict) else who.removeprefix(DEPARTMENT)
        found = departments.find(wanted)
        return departments.name(found) if found else str(wanted)
    user_id = people.find(who) if isinstance(who, (int, str)) else None
    return people.name(user_id) if user_id else str(who)
