"""What the home page shows: the five steps to the first dashboard, then the person's numbers and what needs them."""

from __future__ import annotations

from typing import Any

from babel.dates import format_skeleton
from flask import Flask, Response, current_app, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..accounts.actor import Actor, maybe_actor
from ..accounts.permissions import can
from ..automation.models import DecisionTableRow, RuleRow
from ..core import attention, clock, i18n, incidents, nav, settings
from ..core.db import only_reading, read, write
from ..forms import catalog, query
from ..forms.importing.models import Import
from ..forms.query import Query, Record
from ..sales import follow_ups, pool, tasks
from ..sales.builtin import CLOSED_STAGES
from . import shell

RECENT = 5
SHOWN = 8
"""Rows of each block; the page that a block leads to has all of them."""

attention.register(
    "incidents", _l("出错待处理"), "alert-triangle", "web.notices", lambda _actor: incidents.count(), "admin", order=10
)

settings.declare("home.customers_seen", False, "customers seen", "boolean")
settings.declare("home.dashboard_seen", False, "dashboard seen", "boolean")
settings.declare("home.steps_closed", False, "steps closed", "boolean")


class Step(Struct, frozen=True):
    """One step of the first day: ``done`` is what really is, not what was clicked."""

    title: str
    text: str
    done: bool
    action: str
    url: str


class Figure(Struct, frozen=True):
    label: str
    value: str
    hint: str
    icon: str
    url: str


def init_app(app: Flask) -> None:
    app.after_request(_remember)


def steps() -> list[Step]:
    """The way to the first dashboard."""
    return [
        Step(
            _("填写公司名称和时区"),
            _("名称显示在每一页上，时区决定一天从几点算起。"),
            bool(settings.get("company.name")),
            _("去填写"),
            url_for("settings.company"),
        ),
        Step(
            _("导入订单"),
            _("淘宝、抖音等平台导出的 Excel 或 CSV 可以直接用，新买家会自动建档。"),
            _any("order"),
            _("导入订单"),
            url("imports.start", "order") or _list_url("order"),
        ),
        Step(
            _("看看您的客户"),
            _("每位客户的消费、标签和动态都在同一页上。"),
            settings.get("home.customers_seen") and _any("customer"),
            _("查看客户"),
            _list_url("customer"),
        ),
        Step(
            _("启用打标规则"),
            _("每天自动把客户分成高价值核心粉、潜力消费粉和低价值围观粉。"),
            _any_rule(),
            _("查看规则"),
            _first("automation"),
        ),
        Step(
            _("打开看板"),
            _("销售、客户分层、渠道和品类，一页看完。"),
            settings.get("home.dashboard_seen") and _any("order"),
            _("打开看板"),
            _first("reports"),
        ),
    ]


def finished(every: list[Step]) -> bool:
    return settings.get("home.steps_closed") or all(step.done for step in every)


def url(endpoint: str, form_key: str) -> str | None:
    """The page of a form at ``endpoint``, ``None`` when it is not served."""
    return url_for(endpoint, form_key=form_key) if endpoint in current_app.view_functions else None


def _list_url(form_key: str) -> str:
    return url(shell.LIST, form_key) or url_for("web.home")


def _first(group: str) -> str:
    entry = next((e for e in nav.entries() if e.group == group and e.endpoint in current_app.view_functions), None)
    return url_for(entry.endpoint, **entry.values) if entry else url_for("web.home")


def _any(form_key: str) -> bool:
    form = catalog.all_forms().get(form_key)
    if form is None:
        return False
    with read():
        return bool(form.table.select(form.col("id")).where(form.col("deleted_at").is_null()).limit(1).tuples())


def _any_rule() -> bool:
    with read():
        return any(m.select().where(m.enabled, m.deleted_at.is_null()).exists() for m in (RuleRow, DecisionTableRow))


# -- the day ----------------------------------------------------------------------------------------------------------


class Due(Struct):
    """Somebody to be followed up, and when that was agreed on."""

    record: Record
    at: int


class MyDay(Struct):
    """What the person has to do. A block that is ``None`` is not theirs to see. ``more``: how many open tasks are not shown."""

    now: int
    overdue: list[Record] | None = None
    today: list[Record] | None = None
    more: int = 0
    due: list[Due] | None = None
    leads: list[Record] | None = None
    pooled: int = 0
    """Leads that lie in the person's pools; counting stops at a thousand."""


def my_day(actor: Actor) -> MyDay:
    """A fixed number of queries, each by an index on whose a record is."""
    found = MyDay(clock.now())
    if can(actor, "see", "task"):
        day, counts = tasks.day_of(actor, limit=SHOWN), tasks.counts(actor)
        found.overdue, found.today = day.overdue, day.today
        found.more = counts.overdue + counts.today - len(day.overdue) - len(day.today)
    forms = [catalog.get(key) for key in follow_ups.ABOUT if can(actor, "see", key)]
    if forms:
        found.due = sorted((one for form in forms for one in _due(form, actor)), key=lambda one: one.at)[:SHOWN]
    if can(actor, "see", "lead"):
        new = Query(catalog.get("lead"), actor).where({"all": [_MINE, {"field": "stage", "op": "eq", "value": "new"}]})
        found.leads = new.page(SHOWN, fields=("name", "phone", "channel", "interest", "next_follow_up_at")).records
        found.pooled = pool.count(actor, catalog.get("lead")) if pool.is_open("lead") else 0
    return found


_MINE = {"field": "owner", "op": "eq", "value": {"me": True}}


def _due(form: catalog.Form, actor: Actor) -> list[Due]:
    """Whom the person should follow up until tonight."""
    clear = {"owner", "next_follow_up_at"} <= set(query.clear(form, actor))
    if not clear:
        return []
    mine = Query(form, actor).where(_MINE).only(form.col("next_follow_up_at") < tasks.end_of_today())
    if form.key == "lead":
        mine = mine.where({"field": "stage", "op": "not_in", "value": list(CLOSED_STAGES)})
    rows = mine.sort("next_follow_up_at").page(SHOWN, fields=("phone", "next_follow_up_at")).records
    return [Due(record, record.values["next_follow_up_at"]) for record in rows]


class Waiting(Struct, frozen=True):
    """One sort of thing that needs a person."""

    label: str
    count: int
    icon: str
    url: str


def waiting(actor: Actor) -> list[Waiting]:
    """What needs the person: each room has said how it counts (``core.attention``)."""
    out = []
    for kind in attention.kinds():
        if kind.endpoint not in current_app.view_functions or not shell.may(actor, kind.right):
            continue
        count = kind.count(actor)
        if count:
            out.append(Waiting(i18n.label(kind.label), count, kind.icon, url_for(kind.endpoint, **kind.values)))
    return out


# -- numbers ----------------------------------------------------------------------------------------------------------


def figures(actor: Actor) -> list[Figure]:
    """Customers, orders and sales of this month, as far as ``actor`` sees them. Fetched after the page is shown."""
    forms = catalog.all_forms()
    found = _mine(actor)
    if "customer" in forms and can(actor, "see", "customer"):
        count = Query(forms["customer"], actor).count()
        found.append(Figure(_("客户"), shell.number(count), "", "users", _list_url("customer")))
    if "order" in forms and can(actor, "see", "order"):
        found += _orders(actor, forms["order"])
    return found


def _mine(actor: Actor) -> list[Figure]:
    """How many follow-ups the person wrote and tasks they did this month."""
    out = []
    if can(actor, "see", "follow_up"):
        form = catalog.get("follow_up")
        month: dict[str, Any] = {"field": "created_at", "op": "this", "value": "month"}
        count = Query(form, actor).where({"all": [_MINE, month]}).count()
        out.append(Figure(_("我本月的跟进"), shell.number(count), "", "message-2", _list_url("follow_up")))
    if can(actor, "see", "task"):
        done: dict[str, Any] = {"field": "done_at", "op": "this", "value": "month"}
        count = Query(catalog.get("task"), actor).where({"all": [tasks.MINE, done]}).count()
        out.append(Figure(_("我本月完成的任务"), shell.number(count), "", "checkbox", url_for("sales.my_day")))
    return out


def _orders(actor: Actor, form: catalog.Form) -> list[Figure]:
    month = {
        "all": [
            {"field": "paid_at", "op": "this", "value": "month"},
            {"field": "status", "op": "ne", "value": "cancelled"},
        ]
    }
    row = _month(actor, form, month)
    today = clock.today(settings.tz())
    hint = _("%(day)s至今", day=format_skeleton("MMMd", today.replace(day=1), locale=i18n.current()))
    link = _list_url("order")
    return [
        Figure(_("本月付款订单"), shell.number(row.get("orders") or 0), hint, "shopping-cart", link),
        Figure(_("本月付款金额"), shell.yuan(int(row.get("paid") or 0)), hint, "currency-yuan", link),
    ]


def _month(actor: Actor, form: catalog.Form, where: dict[str, Any]) -> dict[str, Any]:
    measures = [{"agg": "count", "as": "orders"}, {"agg": "sum", "of": "amount", "minus": "refunded", "as": "paid"}]
    rows = Query(form, actor).where(where).aggregate([], measures)
    return rows[0] if rows else {}


def imports(actor: Actor) -> list[Import]:
    """The last imports that went past their draft: one's own, the administrator sees all."""
    query = Import.select().where(Import.status != "draft").order_by(Import.id.desc()).limit(RECENT)
    with read():
        return list(query if actor.is_admin else query.where(Import.actor_id == actor.id))


def quick(actor: Actor) -> list[shell.Link]:
    """What people do most: the rooms' actions, then a new record of the forms they may add to."""
    return [
        shell.Link(label_of(e), url_for(e.endpoint, **e.values), e.icon)
        for e in nav.actions()
        if shell.allowed(actor, e) and e.endpoint in current_app.view_functions
    ]


def label_of(entry: nav.Entry) -> str:
    return shell.i18n.label(entry.label)


def _remember(response: Response) -> Response:
    """Notes the first time somebody really looked at the customers and at a dashboard: steps three and five."""
    if response.status_code != 200 or request.method != "GET" or maybe_actor() is None or only_reading.get():
        return response
    key = _looked_at()
    if key and not settings.get(key):
        with write():
            settings.set(key, True)
    return response


def _looked_at() -> str | None:
    if request.endpoint == shell.LIST and (request.view_args or {}).get("form_key") == "customer":
        return "home.customers_seen" if _any("customer") else None
    if request.blueprint == "reports" and request.endpoint:
        return "home.dashboard_seen" if _any("order") else None
    return None
