"""How many records a rule may change, or send to, without a person having been asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from peewee import SQL, fn

from ..core import clock, settings
from ..core.db import db
from ..forms import conditions
from ..forms.conditions import Context
from .actions import ACTIONS
from .changed import neutral
from .definitions import Subject
from .models import Listener, RuleRun
from .plans import Plan, RulePlan
from .streams import Stream

HOUR = 3600

settings.declare(
    "automation.ask_records", 0, _l("一条规则一小时内改变多少条记录时先问人"), "integer", least=0, most=100_000_000,
    help=_l("0：不问。改变记录的运行都可以整次撤销。"),
)  # fmt: skip
settings.declare(
    "automation.ask_outward", 500, _l("一条规则一小时内向外发送多少次时先问人"), "integer", least=0, most=100_000_000,
    help=_l("0：不问。发出去的消息收不回来。"),
)  # fmt: skip


def of(subject: Subject) -> int:
    """How many effects the definition may have in an hour without asking; 0: any number."""
    limits = [settings.get("automation.ask_records")]
    if any(_outward(doc) for doc in getattr(subject, "do", ())):
        limits.append(settings.get("automation.ask_outward"))
    return min((limit for limit in limits if limit), default=0)


def _outward(doc: Any) -> bool:
    cls = ACTIONS.get(str(doc.get("action"))) if isinstance(doc, dict) else None
    return cls is not None and cls.outward


def above(
    subject: Subject, stream: Stream, plan: Plan, ahead: int | None = None, listeners: Sequence[Listener] = ()
) -> bool:
    """Whether acting on a batch would go beyond the limit: with what the hour has seen, and with what waits behind
    the entry ``ahead``."""
    limit = of(subject)
    if not limit:
        return False
    total = _lately(subject) + len(plan.ids)
    if total <= limit and ahead is not None and isinstance(plan, RulePlan):
        total += _waiting(plan, stream, ahead, listeners)
    return total > limit


def _lately(subject: Subject) -> int:
    """What it has done in the last hour by itself since a person last said yes, and what waits for a person already."""
    mine = (RuleRun.kind == subject.kind) & (RuleRun.subject_id == subject.id)
    mine &= RuleRun.trigger.not_in(("manual", "schedule", "date"))
    asked = RuleRun.select(fn.MAX(RuleRun.decided_at)).where(mine).scalar() or 0
    since = max(clock.now() - HOUR, asked)
    done = RuleRun.select(fn.SUM(RuleRun.changed)).where(
        mine & (RuleRun.started_at >= since) & RuleRun.decided_at.is_null()
    )
    asks = RuleRun.select(fn.SUM(RuleRun.affects)).where(mine & (RuleRun.status == "waiting"))
    return int(done.scalar() or 0) + int(asks.scalar() or 0)


def _waiting(plan: RulePlan, stream: Stream, ahead: int, listeners: Sequence[Listener]) -> int:
    """How many records behind the batch meet the condition."""
    mine: Any = [listener for listener in listeners if listener.stream == stream.key]
    if not mine:
        return 0
    form = plan.form
    test = conditions.compile(neutral(plan.rule.where), form, Context(now=plan.ctx.now))
    tests = [form.col("deleted_at").is_null(not plan.gone), form.col("id").in_(stream.records(mine, ahead))]
    return int(form.table.select(fn.COUNT(SQL("*"))).where(*tests, *([] if test is None else [test])).scalar(db))
