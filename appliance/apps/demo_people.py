"""People of the sample company worth looking at: its best customer with a story, and two who turn out to be one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ..accounts.actor import SYSTEM
from ..core import clock, settings
from ..core.db import read
from ..customers import consents
from ..forms import catalog, duplicates, query, records
from ..forms.hooks import Cause

CAUSE = Cause("import")


def tell() -> None:
    """Gives the best customer a birthday soon, a promise, tasks, consents and a second record; and names two others at once."""
    customer = catalog.get("customer")
    with read():
        best, second, third = query.Query(customer, SYSTEM).sort("-total_paid").page(3).records
    _story(best)
    _make("customer", name=best.title, wechat="guke_fan_1", city=best.get("city"), remark="从直播间私信来的")
    _make("customer", name=second.title, identities={"bilibili_id": ["80023317"]})
    order = {"number": "GK-2IN1", "channel": "wechat", "amount": 89, "status": "completed", "paid_at": _at(-3, 21), "ordered_at": _at(-3, 21),
             "customer": {"bilibili_id": "80023317", "phone": second.get("phone")}}  # fmt: skip
    _make("order", **order)
    _make("task", title="节前问候", customer=third.id, due_at=_at(2, 10))
    duplicates.ask(customer, SYSTEM)


def _story(best: query.Record) -> None:
    birthday = clock.today(settings.tz()) + dt.timedelta(days=5)
    if (birthday.month, birthday.day) == (2, 29):
        birthday += dt.timedelta(days=1)
    values = {"birthday": birthday.replace(year=1992).isoformat(), "wechat": "guke_fan_1", "tags": {"add": ["敏感肌"]}}
    with read():
        records.update(best.form, best.id, values, SYSTEM, cause=CAUSE)
        consents.record(
            best.id, "marketing", ["sms", "wechat"], consents.GRANTED, "phone", SYSTEM, evidence="通话中同意"
        )
    talk = "电话里说换季皮肤偏干，想要补水的套装，喜欢大瓶装；对香精敏感，推荐时避开。"
    _make("follow_up", customer=best.id, kind="phone", content=talk, next_at=_at(1, 10))
    _make("task", title="回访：面膜用完了没有", customer=best.id, due_at=_at(-2, 10), priority="high")
    _make("task", title="寄新品试用装", customer=best.id, due_at=_at(3, 10))


def _make(form_key: str, **values: Any) -> int:
    with read():
        return records.create(catalog.get(form_key), values, SYSTEM, cause=CAUSE)


def _at(days: int, hour: int) -> str:
    tz = settings.tz()
    day = clock.today(tz) + dt.timedelta(days=days)
    return dt.datetime.combine(day, dt.time(hour), tz).isoformat()
