"""The terms of the pool: after how many days what nobody follows up goes back, who may claim how much, what never goes.

The company has its terms for leads and for customers; a department may have its own numbers, which also hold for the
departments below it that have none.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import asdict, replace

from ..accounts import audit, departments
from ..accounts.actor import Actor
from ..accounts.cache import Cache, forget
from ..core import clock
from ..core.db import read, write
from ..core.errors import FieldErrors
from ..forms import catalog, conditions
from ..forms.catalog import Form
from .models import PoolTerms

FORMS = ("lead", "customer")
"""The forms that have a pool."""

SIGNALS = {
    "follow_up": _l("写跟进"),
    "task": _l("完成任务"),
    "message": _l("给对方发消息"),
    "order": _l("对方下单"),
}
"""What can count as a follow-up."""

REACH = {"own": _l("本部门的和全公司的"), "all": _l("所有部门的")}
"""Whose pool a person sees."""

MOST = 3650

audit.ACTIONS["pool.changed"] = _l("修改公海规则")
audit.WORDS.update(
    {
        "pool_open": _l("开放公海"), "pool_days": _l("多少天没有跟进退回公海"), "pool_warn_days": _l("提前几天提醒负责人"),
        "pool_tell_days": _l("多少天没有跟进告诉主管"), "pool_protect_days": _l("领取后保护几天"),
        "pool_deal_days": _l("成交后保护几天"), "pool_per_day": _l("每人每天最多领几条"), "pool_held": _l("每人最多持有几条"),
        "pool_cooldown_days": _l("退回后几天内不能再领"), "pool_exempt": _l("永远不退回的"), "pool_inherits": _l("不再单独设置"),
    }
)  # fmt: skip


class Terms(Struct, frozen=True):
    """Days and numbers; 0 turns a term off.

    ``days`` without a follow-up until it goes back; ``warn_days`` before that the owner is warned; ``tell_days`` without a
    follow-up until the owner's manager is told; ``protect_days`` after claiming and ``deal_days`` after an order in which it
    does not go back; ``per_day`` and ``held``: how many a person may claim a day, and hold in all; ``cooldown_days`` in which
    whoever lost or returned it may not claim it again. The rest is the company's alone: ``open`` whether there is a pool,
    ``reach`` whose pool a person sees, ``counts`` what is a follow-up, ``exempt`` a condition on what never goes back.
    """

    open: bool = False
    days: int = 0
    warn_days: int = 3
    tell_days: int = 0
    protect_days: int = 7
    deal_days: int = 90
    per_day: int = 20
    held: int = 200
    cooldown_days: int = 3
    reach: str = "own"
    counts: tuple[str, ...] = ("follow_up", "task", "message", "order")
    exempt: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Terms:
        known = cls.__struct_fields__
        found = {key: value for key, value in doc.items() if key in known}
        if "counts" in found:
            found["counts"] = tuple(found["counts"])
        return cls(**found)

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"counts": list(self.counts)}

    def returns_at(self, touched_at: int, from_at: int, how: str, deal_at: int | None) -> int | None:
        """When it goes back; ``None``: never."""
        if not (self.open and self.days):
            return None
        protected = from_at + self.protect_days * clock.DAY if how == "claimed" else 0
        dealt = deal_at + self.deal_days * clock.DAY if deal_at else 0
        return max(touched_at + self.days * clock.DAY, protected, dealt)

    @property
    def first_look(self) -> int | None:
        """Seconds after a follow-up before which nothing can be due; ``None``: nothing ever is."""
        after = []
        if self.open and self.days:
            after.append(max(0, self.days - self.warn_days) * clock.DAY)
        if self.tell_days:
            after.append(self.tell_days * clock.DAY)
        return min(after) if after else None


NUMBERS = ("days", "warn_days", "tell_days", "protect_days", "deal_days", "per_day", "held", "cooldown_days")
"""What a department may have otherwise."""

STANDARD = {"lead": Terms(open=True), "customer": Terms()}
"""What holds until the company says something: leads that nobody owns can be claimed, nothing goes back by itself."""


class Book(Struct, frozen=True):
    """The terms of one form: the company's, and the numbers of departments."""

    company: Terms
    departments: dict[int, Terms]

    def of_department(self, department_id: int | None) -> Terms:
        """The department's own terms, else those of the nearest one above that has some, else the company's."""
        while department_id:
            if department_id in self.departments:
                return self.departments[department_id]
            department_id = departments.get(department_id).parent_id if departments.exists(department_id) else None
        return self.company

    def of_user(self, user_id: int) -> Terms:
        return self.of_department(next(iter(departments.of_user(user_id)), None))


_books: Cache[Book] = Cache()


def book(form_key: str) -> Book:
    """The terms of a form."""
    return _books.get(form_key, lambda: _load(form_key))


def _load(form_key: str) -> Book:
    with read():
        rows = {row.department_id: row.doc for row in PoolTerms.select().where(PoolTerms.form_key == form_key)}
    company = Terms.read(rows.pop(0)) if 0 in rows else STANDARD[form_key]
    own = {
        department_id: replace(company, **{key: doc[key] for key in NUMBERS if key in doc})
        for department_id, doc in rows.items()
    }
    return Book(company, own)


def save(form_key: str, department_id: int, doc: dict[str, Any], actor: Actor) -> Terms:
    """Keeps the company's terms (department 0) or a department's numbers. Raises FieldErrors."""
    form = catalog.get(form_key)
    new = _checked(form, department_id, doc)
    with write():
        before = _load(form_key).of_department(department_id or None)
        PoolTerms.insert(
            form_key=form_key, department_id=department_id, doc=new, updated_at=clock.now(), updated_by=actor.id
        ).on_conflict(
            conflict_target=[PoolTerms.form_key, PoolTerms.department_id],
            preserve=[PoolTerms.doc, PoolTerms.updated_at, PoolTerms.updated_by],
        ).execute()
        _note(form, department_id, _differences(form, before, new), actor)
        _changed(form_key)
    return _load(form_key).of_department(department_id)


def forget_department(form_key: str, department_id: int, actor: Actor) -> None:
    """The department goes by the terms above it again."""
    with write():
        PoolTerms.delete().where(PoolTerms.form_key == form_key, PoolTerms.department_id == department_id).execute()
        _note(catalog.get(form_key), department_id, {"pool_inherits": True}, actor)
        _changed(form_key)


def _changed(form_key: str) -> None:
    from ..core import jobs

    forget()
    jobs.enqueue("sales.reclock", {"form": form_key}, unique=f"sales.reclock:{form_key}")


def _note(form: Form, department_id: int, what: dict[str, Any], actor: Actor) -> None:
    detail = {"form": form.label} | ({"department": departments.name(department_id)} if department_id else {})
    audit.note("pool.changed", detail | what, actor)


def _differences(form: Form, before: Terms, new: dict[str, Any]) -> dict[str, Any]:
    """What the change is, for the log: a number from and to, the exceptions in words."""
    old = before.document()
    found: dict[str, Any] = {
        f"pool_{key}": [old[key], value]
        for key, value in new.items()
        if key in (*NUMBERS, "open") and old[key] != value
    }
    if "exempt" in new and new["exempt"] != old["exempt"]:
        found["pool_exempt"] = conditions.words(new["exempt"], form) if new["exempt"] else "—"
    return found


def _checked(form: Form, department_id: int, doc: dict[str, Any]) -> dict[str, Any]:
    """The document to keep. Raises FieldErrors."""
    errors: dict[str, str] = {}
    new: dict[str, Any] = {}
    for key in NUMBERS:
        value = doc.get(key, getattr(STANDARD[form.key], key))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
            errors[key] = _("请填写 0 到 %(most)d 的整数，0 表示不限制。", most=MOST)
        else:
            new[key] = value
    if not errors and new["days"] and new["warn_days"] >= new["days"]:
        errors["warn_days"] = _("提前提醒的天数要少于退回的天数。")
    if department_id:
        departments.get(department_id)
    else:
        new |= _of_company(form, doc, errors)
    if errors:
        raise FieldErrors(errors)
    return new


def _of_company(form: Form, doc: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    counts = [key for key in SIGNALS if key in (doc.get("counts") or [])]
    if not counts:
        errors["counts"] = _("请至少选择一种算作跟进的动作。")
    if doc.get("reach", "own") not in REACH:
        errors["reach"] = _("请从列表中选择一项。")
    try:
        conditions.validate(doc.get("exempt") or {}, form)
    except conditions.ConditionError as error:
        errors["exempt"] = error.message
    return {
        "open": bool(doc.get("open")),
        "reach": doc.get("reach", "own"),
        "counts": counts,
        "exempt": doc.get("exempt") or {},
    }
