"""What the company allows: quiet hours, how often, how dear, and what is only tried out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import asdict

from ..accounts import audit
from ..accounts.actor import Actor
from ..core import clock, settings
from ..core.db import read, write
from ..core.errors import FieldErrors
from . import outbox, senders
from .models import Message, MessagePolicy

QUIET_FOR = {
    "nobody": _l("不设免打扰时段"),
    "marketing": _l("只管营销信息"),
    "customers": _l("发给客户的都管"),
    "all": _l("都管，内部通知也一样"),
}
PERIODS = {"day": _l("每天"), "week": _l("每周"), "month": _l("每月")}
CONSENT = {"sms": "sms", "email": "email"}
"""The channel of consent that a way out belongs to; the others reach customers through WeChat and its kin."""


def consent_channel(via: str) -> str:
    return CONSENT.get(via, "wechat")


class Policy(Struct, frozen=True):
    """``quiet_from`` and ``quiet_to``: ``HH:MM`` in the company's zone, across midnight if need be; ``quiet_by``: way out →
    its own ``[from, to]``, or ``[]`` for none. ``caps``: purpose → period → how many a customer gets at most (0: any).
    ``budget``: fen a month (0: none). ``test``: ways out that are only tried out. ``keep_days``: how long words are kept.
    """

    quiet_from: str = "22:00"
    quiet_to: str = "08:00"
    quiet_for: str = "customers"
    quiet_by: Mapping[str, list[str]] = field(default_factory=dict)
    caps: Mapping[str, Mapping[str, int]] = field(
        default_factory=lambda: {outbox.MARKETING: {"day": 2, "week": 5, "month": 12}, outbox.SERVICE: {}}
    )
    budget: int = 0
    budget_stops: bool = True
    warn_percent: int = 80
    test_all: bool = False
    test: tuple[str, ...] = ()
    sms_suffix: str = "拒收请回复R"
    site_url: str = ""
    keep_days: int = 730

    @classmethod
    def open(cls, doc: Mapping[str, Any]) -> Policy:
        known = {key: value for key, value in doc.items() if key in cls.__struct_fields__}
        return cls(**(known | {"test": tuple(known.get("test", ()))}))

    # -- quiet hours ------------------------------------------------------------------------------------------------

    def hours(self, via: str, purpose: str, to_customer: bool) -> tuple[str, str] | None:
        """From when until when nothing is sent; ``None``: it may go at any time."""
        covers = {"nobody": False, "marketing": purpose == outbox.MARKETING, "customers": to_customer, "all": True}
        if not covers[self.quiet_for]:
            return None
        own = self.quiet_by.get(via)
        if own is not None:
            return (own[0], own[1]) if own else None
        return self.quiet_from, self.quiet_to

    def allowed_at(self, now: int, via: str, purpose: str, to_customer: bool) -> int:
        """The first moment from ``now`` on at which it may be sent."""
        hours = self.hours(via, purpose, to_customer)
        if hours is None or hours[0] == hours[1]:
            return now
        tz = settings.tz()
        local = clock.local(now, tz)
        start, end = (dt.time.fromisoformat(text) for text in hours)
        moment = local.time().replace(tzinfo=None)
        quiet = start <= moment < end if start < end else moment >= start or moment < end
        if not quiet:
            return now
        day = local.date() + dt.timedelta(days=1 if start > end and moment >= start else 0)
        return max(now, int(dt.datetime.combine(day, end, tzinfo=tz).timestamp()))

    # -- caps -------------------------------------------------------------------------------------------------------

    def caps_of(self, purpose: str) -> dict[str, int]:
        """Period → how many at most, where there is a limit."""
        return {period: n for period, n in self.caps.get(purpose, {}).items() if n and period in PERIODS}


def period_start(period: str, now: int) -> int:
    """When the company's day, week (from Monday) or month began."""
    tz = settings.tz()
    day = clock.local(now, tz).date()
    if period == "week":
        day -= dt.timedelta(days=day.weekday())
    if period == "month":
        day = day.replace(day=1)
    return clock.start_of(day, tz)


def next_month(now: int) -> int:
    tz = settings.tz()
    day = clock.local(now, tz).date()
    return clock.start_of((day.replace(day=1) + dt.timedelta(days=32)).replace(day=1), tz)


def get() -> Policy:
    with read():
        row = MessagePolicy.get_or_none()
    return Policy.open(row.config if row else {})


def save(policy: Policy, actor: Actor) -> None:
    """Keeps the policy; what was held back by the old one is looked at again at once. Raises FieldErrors."""
    _check(policy)
    old = get()
    with write():
        MessagePolicy.delete().execute()
        MessagePolicy.insert(config=asdict(policy)).execute()
        before, after = asdict(old), asdict(policy)
        audit.note(
            "messages.policy", {key: [before[key], after[key]] for key in after if before[key] != after[key]}, actor
        )
        Message.update(state=outbox.RESERVED, due_at=clock.now()).where(
            Message.state == outbox.HELD, Message.why.in_(("quiet", "budget", "connection_off"))
        ).execute()
        outbox.wake()


def _check(policy: Policy) -> None:
    errors: dict[str, str] = {}
    spans = {"quiet": [policy.quiet_from, policy.quiet_to]} | {
        f"quiet.{via}": span for via, span in policy.quiet_by.items()
    }
    for name, span in spans.items():
        if span and (len(span) != 2 or not all(map(_is_time, span))):
            errors[name] = _("请按 24 小时制填写起止时间，例如 22:00 和 08:00。")
    if policy.quiet_for not in QUIET_FOR:
        errors["quiet_for"] = _("请从列表中选择一项。")
    for purpose, caps in policy.caps.items():
        for period, n in caps.items():
            if type(n) is not int or not 0 <= n <= 1000:
                errors[f"caps.{purpose}.{period}"] = _("请填写 0 到 1000 之间的整数，0 表示不限。")
    if not 0 <= policy.budget <= 10**11:
        errors["budget"] = _("预算要是不小于 0 的金额，0 表示不限。")
    if not 1 <= policy.warn_percent <= 100:
        errors["warn_percent"] = _("请填写 1 到 100 之间的整数。")
    if not 1 <= policy.keep_days <= 3650:
        errors["keep_days"] = _("请填写 1 到 3650 之间的整数。")
    if len(policy.sms_suffix) > 30:
        errors["sms_suffix"] = _("最多 %(max)d 个字。", max=30)
    if policy.site_url and not policy.site_url.startswith(("http://", "https://")):
        errors["site_url"] = _("网址要以 http:// 或 https:// 开头。")
    if unknown := [via for via in policy.test if via not in senders.SENDERS]:
        errors["test"] = _("没有「%(name)s」这种发送方式。", name=unknown[0])
    if errors:
        raise FieldErrors(errors)


def _is_time(text: Any) -> bool:
    try:
        return isinstance(text, str) and len(text) == 5 and dt.time.fromisoformat(text) is not None
    except ValueError:
        return False
