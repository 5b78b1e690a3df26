"""The pool (公海): leads and customers that nobody owns. What of it a person sees, claiming, and giving back.

A person may be let see no record but their own; what lies in the pool of their department is shown to them all the same,
with contacts masked: only owning a record shows it whole, by the rights they have anyway.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from msgspec import Struct, field

from ..accounts import departments, people, permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, settings
from ..core.db import read, write
from ..core.errors import Forbidden, NotFound, UserError
from ..forms import catalog, conditions, query, records
from ..forms.catalog import Form
from ..forms.fields.base import Field
from ..forms.hooks import Cause
from ..forms.query import Masked, Page, Query, Record
from . import ownership, terms
from .builtin import CLOSED_STAGES
from .models import Ownership

CAUSE = Cause(ownership.CAUSE)
MOST = 200
"""Records that one claim may name."""


class Claimed(Struct):
    """``ids``: what is the person's now. ``refused``: id → why not."""

    ids: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def form_of(form_key: str) -> Form:
    """The form of a pool. Raises NotFound for a form that has none."""
    if form_key not in terms.FORMS:
        raise NotFound()
    return catalog.get(form_key)


def is_open(form_key: str) -> bool:
    return terms.book(form_key).company.open


def open_for(actor: Actor) -> list[Form]:
    """The forms whose pools are open and that the person may see."""
    return [catalog.get(key) for key in terms.FORMS if is_open(key) and permissions.can(actor, "see", key)]


# -- seeing -------------------------------------------------------------------------------------------------------


def members(form: Form, actor: Actor) -> Query:
    """What lies in the pools that the person sees. Raises NotFound when the pool is closed or the form is not theirs."""
    if not is_open(form.key) or not permissions.can(actor, "see", form.key):
        raise NotFound()
    found = Query(form, conditions.seeing_all(actor)).only(form.col("owner").is_null())
    if form.key == "lead":
        found = found.where({"field": "stage", "op": "not_in", "value": list(CLOSED_STAGES)})
    reach = _reach(form, actor)
    if reach is not None:
        # What has no owner stands together in the index of owners; the departments are looked at there.
        column = dialect.unindexed(form.col("department"))
        mine = form.col("department").is_null()
        found = found.only((mine | column.in_(sorted(reach))) if reach else mine)
    for denied in _denied(form, actor):
        found = found.where({"not": denied})
    return found


def _reach(form: Form, actor: Actor) -> set[int] | None:
    """The departments whose pools the person sees, besides the company's own; ``None``: all."""
    if actor.is_admin or terms.book(form.key).company.reach == "all":
        return None
    found = departments.reach_of(actor.id)
    for department_id in departments.of_user(actor.id):
        # What lies with a department above is there for the teams in it.
        while department_id:
            found = found | {department_id}
            department_id = departments.get(department_id).parent_id or 0
    return found


def _denied(form: Form, actor: Actor) -> list[dict[str, Any]]:
    if actor.is_admin:
        return []
    return [dict(role.on(form.key).deny) for role in permissions.rights_of(actor) if role.on(form.key).deny]


def columns(form: Form, actor: Actor) -> list[str]:
    """The fields that the pool shows: those of the form's list, as far as the person may see them at all."""
    seen = query.readable(form, actor)
    wanted = form.options.get("columns") or list(form.fields)[:8]
    return [key for key in wanted if key in seen and key not in ("owner", "next_follow_up_at")][:9]


def page(
    form: Form,
    actor: Actor,
    cursor: str | None = None,
    search: str = "",
    department: int | None = None,
    limit: int = 50,
) -> Page:
    """A page of the pool, contacts masked. ``search``: in the title alone, for a contact must not be found out by trying."""
    found = members(form, actor)
    if search.strip() and form.title:
        found = found.where({"field": form.title.key, "op": "contains", "value": search.strip()})
    if department:
        found = found.where({"field": "department", "op": "eq", "value": department})
    wanted = columns(form, actor)
    result = found.page(limit, cursor, wanted)
    _veil(form, result.records, actor, wanted)
    return result


def _veil(form: Form, found: list[Record], actor: Actor, wanted: list[str]) -> None:
    """Masks what tells how somebody is reached, and what the person sees masked anyway; the rest of the records goes."""
    clear, readable = query.clear(form, actor), query.readable(form, actor)
    shown = {key for key in (*wanted, form.title_field) if key in readable}
    masked = {key for key in shown if key and (_is_contact(form.fields[key]) or key not in clear)}
    for record in found:
        record.values = {key: value for key, value in record.values.items() if key in shown}
        for key in masked:
            f, value = form.fields[str(key)], record.values.get(str(key))
            if value is not None:
                record.values[f.key] = Masked(f.format(value)) if f.column else None


def _is_contact(f: Field) -> bool:
    """Whether a value tells how somebody is reached."""
    return f.group == "contact" or f.key in ("wechat", "identities") or bool(f.options.get("personal"))


# -- claiming -----------------------------------------------------------------------------------------------------


class Room(Struct, frozen=True):
    """What a person may still claim; ``None``: no limit. ``today``, ``held``: what they have claimed and hold."""

    today: int
    held: int
    per_day: int
    most: int

    @property
    def left(self) -> int | None:
        rest = [most - used for most, used in ((self.per_day, self.today), (self.most, self.held)) if most]
        return max(0, min(rest)) if rest else None


def room(form: Form, actor: Actor) -> Room:
    own = terms.book(form.key).of_user(actor.id or 0)
    begin = clock.start_of(clock.today(settings.tz()), settings.tz())
    with read():
        today = (
            Ownership.select()
            .where(
                Ownership.owner_id == actor.id, Ownership.from_at >= begin, Ownership.form_id == form.id,
                Ownership.how == "claimed",
            )
            .count()
        )  # fmt: skip
        held = _held(form, actor)
    return Room(today, held, own.per_day, own.held)


def _held(form: Form, actor: Actor) -> int:
    mine = Query(form, SYSTEM).only(form.col("owner") == actor.id)
    if form.key == "lead":
        mine = mine.where({"field": "stage", "op": "not_in", "value": list(CLOSED_STAGES)})
    return mine.count()


def may_claim(form: Form, actor: Actor) -> bool:
    return actor.id is not None and permissions.can(actor, "edit", form.key)


def claim(form: Form, ids: Collection[int], actor: Actor) -> Claimed:
    """Makes records of the pool the person's. Of two who claim the same one at once the second is told that it is gone.

    Raises Forbidden, and UserError when a limit leaves no room for any of them.
    """
    if not may_claim(form, actor):
        raise Forbidden(_("您没有修改「%(form)s」的权限，不能领取。", form=form.label))
    wanted = list(dict.fromkeys(ids))[:MOST]
    done = Claimed()
    with write():
        there = set(_among(members(form, actor), wanted))
        own = terms.book(form.key).of_user(actor.id or 0)
        cooling = _cooling(form, there, actor, own.cooldown_days)
        space = room(form, actor)
        if space.left == 0:
            raise UserError(_full(space))
        for record_id in wanted:
            if record_id not in there:
                done.refused[record_id] = _("已被别人领走，或不在公海里。")
            elif record_id in cooling:
                done.refused[record_id] = _("您刚退回或失去它，%(days)d 天内不能再领。", days=own.cooldown_days)
            elif space.left is not None and len(done.ids) >= space.left:
                done.refused[record_id] = _full(space)
            else:
                done.ids.append(record_id)
        if done.ids:
            with ownership.doing("claimed"):
                written = records.update_many(
                    form, {i: {"owner": actor.id} for i in done.ids}, conditions.seeing_all(actor), CAUSE
                )
            for place, errors in written.errors.items():
                done.refused[done.ids[place]] = next(iter(errors.values()))
            done.ids = [i for i in done.ids if i not in done.refused]
    return done


def _among(found: Query, ids: Collection[int]) -> list[int]:
    return [record.id for record in found.get_many(ids, [])]


def _cooling(form: Form, ids: Collection[int], actor: Actor, days: int) -> set[int]:
    """Those that the person lost or gave back only lately."""
    if not days or not ids:
        return set()
    rows = Ownership.select(Ownership.record_id).where(
        Ownership.form_id == form.id, Ownership.record_id.in_(list(ids)), Ownership.owner_id == actor.id,
        Ownership.to_at > clock.now() - days * clock.DAY, Ownership.ended.in_(["returned", "expired"]),
    )  # fmt: skip
    return {i for (i,) in rows.tuples()}


def _full(space: Room) -> str:
    if space.most and space.held >= space.most:
        return _("您已持有 %(count)d 条，达到上限，请先退回或转化一些。", count=space.held)
    return _("您今天已领取 %(count)d 条，达到每日上限，请明天再来。", count=space.today)


def assign(form: Form, ids: Collection[int], user_id: int, actor: Actor) -> Claimed:
    """Gives records of the pool to a colleague; needs the right to set the owner. Raises Forbidden, UserError."""
    if not may_assign(form, actor):
        raise Forbidden(_("您没有分配的权限。需要时请联系管理员。"))
    if not people.is_active(user_id):
        raise UserError(_("请选择一位能登录的同事。"), "user")
    wanted = list(dict.fromkeys(ids))[:MOST]
    with write():
        there = _among(members(form, actor), wanted)
        with ownership.doing("assigned"):
            records.update_set(form, {"owner": user_id}, there, conditions.seeing_all(actor), CAUSE)
    gone = {i: _("已被别人领走，或不在公海里。") for i in wanted if i not in there}
    return Claimed(there, gone)


def may_assign(form: Form, actor: Actor) -> bool:
    """Whether the person may say whose a record is: an administrator, or the head of a department."""
    if not permissions.can(actor, "edit", form.key) or permissions.field_access(actor, form.key, "owner") != "edit":
        return False
    return actor.is_admin or bool(departments.headed_by(actor.id or 0))


# -- giving back --------------------------------------------------------------------------------------------------


def may_return(record: Record, actor: Actor) -> bool:
    """Whether the person may put a record back: its owner, or who may assign it."""
    owner = record.values.get("owner")
    if owner is None or not is_open(record.form.key) or not permissions.can(actor, "edit", record.form.key):
        return False
    return owner == actor.id or may_assign(record.form, actor)


def give_back(form: Form, ids: Collection[int], reason: str, actor: Actor) -> int:
    """Puts records back into the pool of their department. Returns how many. Raises UserError without a reason."""
    reason = reason.strip()[:500]
    if not reason:
        raise UserError(_("请写明为什么退回，接手的同事会看到。"), "reason")
    with write():
        found = Query(form, actor, verb="edit").get_many(list(dict.fromkeys(ids))[:MOST], ["owner", "department"])
        mine = [r for r in found if may_return(r, actor)]
        with ownership.doing("returned", reason):
            put_back(form, {r.id: (r.values["owner"], r.values.get("department")) for r in mine}, actor)
    return len(mine)


def put_back(form: Form, whose: dict[int, tuple[int, int | None]], actor: Actor) -> records.Written:
    """Takes the owners away; what has no department falls to the owner's. Only inside ``write()`` and ``doing()``."""
    rows: dict[int, dict[str, Any]] = {}
    for record_id, (owner_id, department_id) in whose.items():
        values: dict[str, Any] = {"owner": None}
        held = departments.of_user(owner_id)
        if department_id is None and held:
            values["department"] = held[0]
        rows[record_id] = values
    everywhere = SYSTEM if actor is SYSTEM else conditions.seeing_all(actor)
    return records.update_many(form, rows, everywhere, CAUSE)


def count(actor: Actor, form: Form) -> int:
    """How many lie in the pools that the person sees; counting stops at a thousand."""
    return members(form, actor).count(cap=999)


def in_words(done: Claimed) -> str:
    """What a claim came to, as one sentence."""
    said = ngettext("已领取 %(num)d 条。", "已领取 %(num)d 条。", len(done.ids)) if done.ids else ""
    return said + (next(iter(done.refused.values())) if done.refused else "")
