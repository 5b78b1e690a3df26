"""What to do for a customer now: what is due, and what their figures suggest.

Rooms add theirs::

    @next_steps.source(20)
    def coupons(customer: Record, actor: Actor) -> list[Step]:
        return [Step("ticket", _("优惠券 3 天后到期"), url=…)]
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from msgspec import Struct

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, settings
from ..forms import catalog, duplicates, query, record_pages
from ..forms.models import Duplicate
from ..forms.query import Query, Record, clear
from . import insight

MOST = 6
BIRTHDAY_SOON = 14
WAITING = 7
"""Days in which an order that waits for its payment is worth a word."""


class Button(Struct, frozen=True):
    """``method``: ``get`` opens the URL, ``dialog`` loads it into a dialog, ``post`` sends it."""

    label: str
    url: str
    method: str = "post"


class Step(Struct, frozen=True):
    """``tone``: red for what is late, amber for what is due, blue else. ``url``: where to read more."""

    icon: str
    title: str
    detail: str = ""
    tone: str = "blue"
    url: str | None = None
    button: Button | None = None


Source = Callable[[Record, Actor], list[Step]]
_sources: list[tuple[int, Source]] = []


def source(order: int) -> Callable[[Source], Source]:
    """Registers what else may be to do. ``order``: earlier ones stand above at the same tone."""

    def add(fn: Source) -> Source:
        _sources.append((order, fn))
        _sources.sort(key=lambda pair: pair[0])
        return fn

    return add


def of(customer: Record, actor: Actor) -> list[Step]:
    """The steps, what is late first. The caller has made sure that the customer may be seen."""
    found = [step for _order, fn in _sources for step in fn(customer, actor)]
    return sorted(found, key=lambda step: ("red", "amber", "blue").index(step.tone))[:MOST]


def new_task(customer: Record, actor: Actor, title: str) -> Button | None:
    """A button that opens a new task about the customer."""
    if not permissions.can(actor, "create", "task"):
        return None
    url = url_for("forms.new_record", form_key="task", dialog=1, customer=customer.id, title=title)
    return Button(_("建任务"), url, "dialog")


# -- what is due --------------------------------------------------------------------------------------------------------


@source(10)
def tasks(customer: Record, actor: Actor) -> list[Step]:
    """The open tasks about the customer, the most urgent first."""
    form = catalog.all_forms().get("task")
    if form is None or not permissions.can(actor, "see", "task"):
        return []
    seen = clear(form, actor)
    if not {"customer", "status", "due_at", "title"} <= seen.keys():
        return []
    wanted = {"field": "status", "op": "in", "value": ["open", "doing"]}
    rows = Query(form, actor).only(form.col("customer") == customer.id).where(wanted).sort("due_at")
    may = record_pages.editable(form, form.fields["status"], actor)
    out = []
    for task in rows.page(MOST, fields=["title", "due_at", "assignee", "status"]).records:
        due = task.get("due_at")
        late, today = due is not None and due < clock.now(), due is not None and _day(due) == clock.today(settings.tz())
        words = _due_words(due) if due is not None else ""
        out.append(
            Step(
                "checkbox", task.title, " · ".join(filter(None, [words, task.text("assignee")])),
                "red" if late else "amber" if today else "blue",
                url_for("forms.show_record", form_key="task", record_id=task.id),
                Button(_("完成"), url_for("customer_page.finish_task", record_id=customer.id, task_id=task.id)) if may else None,
            )
        )  # fmt: skip
    return out


def _day(at: int) -> dt.date:
    return clock.local(at, settings.tz()).date()


def _due_words(at: int) -> str:
    days = (_day(at) - clock.today(settings.tz())).days
    hour = clock.local(at, settings.tz()).strftime("%H:%M")
    if days == 0:
        return _("今天 %(time)s 到期", time=hour)
    if days < 0:
        return ngettext("已过期 %(num)d 天", "已过期 %(num)d 天", -days)
    return ngettext("%(num)d 天后到期", "%(num)d 天后到期", days)


@source(20)
def next_follow_up(customer: Record, actor: Actor) -> list[Step]:
    """When somebody promised to be in touch again."""
    at = customer.values.get("next_follow_up_at")
    if not isinstance(at, int) or "next_follow_up_at" not in clear(customer.form, actor):
        return []
    days = (_day(at) - clock.today(settings.tz())).days
    if days < 0:
        return [
            Step(
                "phone", _("该跟进了"), ngettext("约好的时间已过 %(num)d 天", "约好的时间已过 %(num)d 天", -days), "red"
            )
        ]
    if days == 0:
        return [Step("phone", _("今天跟进"), clock.local(at, settings.tz()).strftime("%H:%M"), "amber")]
    title = _("明天跟进") if days == 1 else ngettext("%(num)d 天后跟进", "%(num)d 天后跟进", days)
    return [Step("phone", title, customer.text("next_follow_up_at"))]


# -- what the figures suggest ------------------------------------------------------------------------------------------


@source(30)
def birthday(customer: Record, actor: Actor) -> list[Step]:
    born = _date(customer, "birthday", actor)
    if born is None:
        return []
    today = clock.today(settings.tz())
    days = next(n for n in range(366) if (born.month, born.day) == _month_day(today + dt.timedelta(days=n), born))
    if days > BIRTHDAY_SOON:
        return []
    title = (
        _("今天生日")
        if days == 0
        else _("明天生日")
        if days == 1
        else ngettext("生日在 %(num)d 天后", "生日在 %(num)d 天后", days)
    )
    age = _("%(month)d 月 %(day)d 日", month=born.month, day=born.day)
    return [
        Step(
            "cake",
            title,
            age,
            "amber",
            button=new_task(customer, actor, _("祝 %(name)s 生日快乐", name=customer.title)),
        )
    ]


def _month_day(day: dt.date, born: dt.date) -> tuple[int, int]:
    """Who was born on a 29th of February has their birthday on the 28th in other years."""
    if (born.month, born.day) == (2, 29) and (day.month, day.day) == (2, 28):
        leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
        return (2, 28) if leap else (2, 29)
    return day.month, day.day


def _date(customer: Record, key: str, actor: Actor) -> dt.date | None:
    value = customer.values.get(key)
    if not isinstance(value, str) or key not in clear(customer.form, actor):
        return None
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None


@source(40)
def overdue_purchase(customer: Record, actor: Actor) -> list[Step]:
    """Longer without an order than is usual for this customer."""
    if not insight.seen_orders(actor):
        return []
    orders = insight.bought(customer.id, actor)
    usual = insight.cycle([one.paid_at for one in orders])
    if usual is None:
        return []
    days = insight.days_since(orders[0].paid_at)
    if days <= usual * 1.2 or days > usual * insight.LOST_AFTER * 2:
        return []
    title = ngettext("%(num)d 天未购", "%(num)d 天未购", days)
    detail = ngettext("通常 %(num)d 天买一次", "通常 %(num)d 天买一次", usual)
    return [
        Step(
            "shopping-cart",
            title,
            detail,
            "amber",
            button=new_task(customer, actor, _("回访 %(name)s", name=customer.title)),
        )
    ]


@source(50)
def unpaid(customer: Record, actor: Actor) -> list[Step]:
    """An order of these days that waits for its payment."""
    form = catalog.get("order")
    if not insight.seen_orders(actor):
        return []
    since = clock.now() - WAITING * clock.DAY
    mine = Query(form, actor).only(
        (form.col("customer") == customer.id) & form.col("paid_at").is_null()
        & (form.col("status") == "pending") & (form.col("created_at") >= since)
    )  # fmt: skip
    rows = mine.page(1, fields=["number", "amount"]).records
    return [
        Step("receipt", _("订单待付款"), " · ".join(filter(None, [one.title, one.text("amount")])), "amber",
             url_for("forms.show_record", form_key="order", record_id=one.id))
        for one in rows
    ]  # fmt: skip


@source(60)
def nobodys(customer: Record, actor: Actor) -> list[Step]:
    """Nobody looks after the customer."""
    if customer.values.get("owner") is not None or "owner" not in clear(customer.form, actor):
        return []
    return [Step("user-question", _("还没有负责人"))]


@source(70)
def twice(customer: Record, actor: Actor) -> list[Step]:
    """Another record may be the same person."""
    if not permissions.can(actor, "edit", "customer"):
        return []
    rows = list(
        Duplicate.select()
        .where(
            Duplicate.form_id == customer.form.id, Duplicate.decided_at.is_null(),
            (Duplicate.one_id == customer.id) | (Duplicate.other_id == customer.id),
        )
        .order_by(Duplicate.likeness.desc())
        .limit(1)
    )  # fmt: skip
    out = []
    for row in rows:
        other = row.one_id + row.other_id - customer.id
        names = query.titles(customer.form, [other], actor)
        why = [words for one in row.why.split("|") if (words := duplicates.why_words(customer.form, one, actor))]
        if other in names and why:
            url = url_for("forms.merge_page", form_key="customer", a=customer.id, b=other)
            out.append(
                Step(
                    "users",
                    _("可能与「%(name)s」是同一位", name=names[other]),
                    why[0],
                    "blue",
                    url,
                    Button(_("核对"), url, "get"),
                )
            )
    return out
