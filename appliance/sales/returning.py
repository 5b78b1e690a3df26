"""What the pool does by itself: tells the manager of what nobody follows up, warns the owner, takes the record back.

One job looks at the stretches whose moment has come, found by index; everything that is done to a batch and the batch's
next moments are one transaction, so nothing is told or taken twice, whatever dies in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct, field
from peewee import fn

from ..accounts import departments, people
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, incidents, jobs
from ..core.db import write
from ..forms import catalog, conditions, query
from ..forms.catalog import Form
from ..forms.query import Query
from ..messaging import outbox
from ..messaging.models import Message
from . import ownership, pool, telling, terms
from .builtin import CLOSED_STAGES
from .models import Ownership

BATCH = 1_000
NAMED = 3
"""So many records are named in one notice, more are counted."""


def _look_again(_ref: str) -> None:
    Ownership.update(next_at=clock.now()).where(
        Ownership.next_at.is_null(False), Ownership.warned_at.is_null(False)
    ).execute()
    ownership.ask([clock.now()])


incidents.declare("sales.pool", _l("退不回公海"), retry=_look_again, skip=lambda _ref: None)


class Verdict(Struct):
    """What is to be done with a batch of one form: stretches by their fate."""

    tell: list[Any] = field(default_factory=list)
    warn: list[Any] = field(default_factory=list)
    back: list[Any] = field(default_factory=list)
    later: dict[int, int | None] = field(default_factory=dict)
    """Stretch → when to look again."""


@jobs.handler("sales.pool", label=_l("公海：提醒和退回"))
def look(job: jobs.Job) -> dict[str, int]:
    done = {"warned": 0, "told": 0, "returned": 0}
    while True:
        with write():
            rows = _due()
            if not rows:
                due = Ownership.select(fn.MIN(Ownership.next_at)).where(Ownership.next_at.is_null(False)).scalar()
                ownership.ask([due] if due is not None else [])
                return done
            by_form: dict[int, list[Any]] = defaultdict(list)
            for row in rows:
                by_form[row.form_id].append(row)
            for form_id, spans in by_form.items():
                form = catalog.by_id(form_id)
                if form is not None:
                    _do(form, spans, done)
        job.check()


def _due() -> list[Any]:
    """What is due of the one who has waited longest: all that is one person's is told of together."""
    due = Ownership.next_at <= clock.now()
    first = Ownership.select(Ownership.owner_id).where(due).order_by(Ownership.next_at).first()
    if first is None:
        return []
    return list(Ownership.select().where(due, Ownership.owner_id == first.owner_id).limit(BATCH))


def _do(form: Form, spans: list[Any], done: dict[str, int]) -> None:
    verdict = _judge(form, spans)
    now = clock.now()
    for spans_of, tell, mark in ((verdict.tell, _tell_managers, "told_at"), (verdict.warn, _warn_owners, "warned_at")):
        if spans_of:
            tell(form, spans_of)
            Ownership.update({getattr(Ownership, mark): now}).where(
                dialect.among(Ownership.id, [s.id for s in spans_of])
            ).execute()
    if verdict.back:
        _take_back(form, verdict)
    _set_clocks(verdict.later)
    done["told"] += len(verdict.tell)
    done["warned"] += len(verdict.warn)
    done["returned"] += len(verdict.back)


def _judge(form: Form, spans: list[Any]) -> Verdict:
    verdict, now = Verdict(), clock.now()
    book = terms.book(form.key)
    if form.key == "customer" and "message" in book.company.counts:
        _heed_messages(spans)
    ids = [s.record_id for s in spans]
    closed, exempt = _closed(form, ids), _exempt(form, ids, book.company.exempt)
    for span in spans:
        own = book.of_user(span.owner_id)
        moments = []
        if span.record_id in closed:
            # ``ownership.reopened`` sets the clock again.
            verdict.later[span.id] = None
            continue
        if span.record_id in exempt:
            # Whether it still is may change without anybody telling us.
            verdict.later[span.id] = now + clock.DAY if own.first_look is not None else None
            continue
        if own.tell_days and span.told_at is None:
            due = span.touched_at + own.tell_days * clock.DAY
            if due <= now:
                verdict.tell.append(span)
            else:
                moments.append(due)
        back_at = own.returns_at(span.touched_at, span.from_at, span.how, span.deal_at)
        if back_at is not None:
            moments += _towards(back_at, span, own, now, verdict)
        verdict.later[span.id] = min(moments) if moments else None
    return verdict


def _heed_messages(spans: list[Any]) -> None:
    """What colleagues wrote to these customers since is a follow-up too: asked when a clock strikes, not told each time."""
    sent = Message.select(Message.customer_id, fn.MAX(Message.ended_at)).where(
        dialect.among(Message.customer_id, [span.record_id for span in spans]), Message.state == outbox.DELIVERED,
        Message.actor_id.is_null(False), Message.purpose != outbox.MARKETING,
    )  # fmt: skip
    moments = {record_id: at for record_id, at in sent.group_by(Message.customer_id).tuples() if at is not None}
    for span in spans:
        at = moments.get(span.record_id, 0)
        if at > span.touched_at:
            span.touched_at, span.warned_at, span.told_at = at, None, None
            Ownership.update(touched_at=at, warned_at=None, told_at=None).where(Ownership.id == span.id).execute()


def _towards(back_at: int, span: Any, own: terms.Terms, now: int, verdict: Verdict) -> list[int]:
    """Warns or takes back; returns when to look next. Nobody loses a record that they were not warned of."""
    ahead = own.warn_days * clock.DAY
    if ahead and span.warned_at is None:
        if back_at - ahead > now:
            return [back_at - ahead]
        verdict.warn.append(span)
        span.warned_at = now
        return [max(back_at, now + ahead)]
    if ahead:
        back_at = max(back_at, span.warned_at + ahead)
    if back_at > now:
        return [back_at]
    verdict.back.append(span)
    return []


def _closed(form: Form, ids: list[int]) -> set[int]:
    """The leads on which nobody works any more."""
    if form.key != "lead":
        return set()
    return _meeting(form, ids, {"field": "stage", "op": "in", "value": list(CLOSED_STAGES)})


def _exempt(form: Form, ids: list[int], condition: dict[str, Any]) -> set[int]:
    """What the company never lets go back; all of it while its condition cannot be asked (a field of it is gone)."""
    try:
        return _meeting(form, ids, condition)
    except conditions.ConditionError as error:
        incidents.open("sales.pool", error.message, f"terms:{form.key}", f"pool.terms:{form.key}")
        return set(ids)


def _meeting(form: Form, ids: list[int], condition: dict[str, Any]) -> set[int]:
    return {r.id for r in Query(form, SYSTEM).where(condition).get_many(ids, [])} if condition else set()


def _set_clocks(later: dict[int, int | None]) -> None:
    moments: dict[int | None, list[int]] = defaultdict(list)
    for span_id, when in later.items():
        moments[when].append(span_id)
    for when, ids in moments.items():
        # Not those that have just ended.
        Ownership.update(next_at=when).where(dialect.among(Ownership.id, ids), Ownership.to_at.is_null()).execute()


def _take_back(form: Form, verdict: Verdict) -> None:
    by_days: dict[int, list[Any]] = defaultdict(list)
    book = terms.book(form.key)
    for span in verdict.back:
        by_days[book.of_user(span.owner_id).days].append(span)
    titles = query.titles(form, [s.record_id for s in verdict.back], SYSTEM)
    gone: list[Any] = []
    for days, spans in by_days.items():
        held = {r.id: r.values.get("department") for r in _records(form, [s.record_id for s in spans])}
        with ownership.doing("expired", _("%(days)d 天没有跟进", days=days)):
            written = pool.put_back(form, {s.record_id: (s.owner_id, held.get(s.record_id)) for s in spans}, SYSTEM)
        refused = {spans[place].record_id: errors for place, errors in written.errors.items()}
        for span in spans:
            if span.record_id in refused:
                verdict.later[span.id] = clock.now() + clock.DAY
                name = titles.get(span.record_id, str(span.record_id))
                why = next(iter(refused[span.record_id].values()))
                incidents.open("sales.pool", f"{name}: {why}", f"{form.key}:{span.record_id}")
            else:
                gone.append(span)
    verdict.back = gone
    for owner_id, spans in _by_owner(gone).items():
        telling.tell(
            owner_id, "pool",
            lambda actor, spans=spans: _summed(
                form, spans,
                lambda names: _("%(names)s已退回公海：很久没有跟进。", names=names),
                lambda n: ngettext("%(num)d 条%(form)s已退回公海：很久没有跟进。", "%(num)d 条%(form)s已退回公海：很久没有跟进。", n, form=form.many),
                SYSTEM,
            ),
            f"/pool/{form.key}", f"back:{spans[0].id}",
        )  # fmt: skip


def _records(form: Form, ids: list[int]) -> list[query.Record]:
    return Query(form, SYSTEM).get_many(ids, ["department"])


def _by_owner(spans: Collection[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for span in spans:
        found[span.owner_id].append(span)
    return found


def _warn_owners(form: Form, spans: list[Any]) -> None:
    """One notice an owner, however many records there are."""
    book = terms.book(form.key)
    for owner_id, mine in _by_owner(spans).items():
        days = book.of_user(owner_id).warn_days
        telling.tell(
            owner_id, "pool",
            lambda actor, mine=mine, days=days: _summed(
                form, mine,
                lambda names: _("%(names)s很久没有跟进，%(days)d 天后退回公海。", names=names, days=days),
                lambda n: ngettext(
                    "%(num)d 条%(form)s很久没有跟进，%(days)d 天后退回公海。",
                    "%(num)d 条%(form)s很久没有跟进，%(days)d 天后退回公海。", n, form=form.many, days=days,
                ),
                actor,
            ),
            _link(form, mine), f"warn:{mine[0].id}:{mine[0].touched_at}",
        )  # fmt: skip


def _tell_managers(form: Form, spans: list[Any]) -> None:
    book = terms.book(form.key)
    for owner_id, mine in _by_owner(spans).items():
        manager = departments.manager_of(owner_id)
        if manager is None:
            continue
        days, who = book.of_user(owner_id).tell_days, people.name(owner_id)
        telling.tell(
            manager, "pool",
            lambda actor, mine=mine, days=days, who=who: _summed(
                form, mine,
                lambda names: _("%(who)s 已有 %(days)d 天没有跟进%(names)s。", who=who, days=days, names=names),
                lambda n: ngettext(
                    "%(who)s 有 %(num)d 条%(form)s已 %(days)d 天没有跟进。",
                    "%(who)s 有 %(num)d 条%(form)s已 %(days)d 天没有跟进。", n, who=who, days=days, form=form.many,
                ),
                actor,
            ),
            _link(form, mine), f"tell:{mine[0].id}:{mine[0].touched_at}",
        )  # fmt: skip


def _summed(form: Form, spans: list[Any], few: Any, many: Any, actor: Actor) -> str:
    """``few`` records by their names, as far as the reader may see them; more by their number."""
    if len(spans) > NAMED:
        return str(many(len(spans)))
    titles = query.titles(form, [s.record_id for s in spans], actor)
    names = [_("%(form)s「%(name)s」", form=form.one, name=titles[s.record_id]) for s in spans if s.record_id in titles]
    return str(few(_("、").join(names))) if len(names) == len(spans) else str(many(len(spans)))


def _link(form: Form, spans: list[Any]) -> str:
    if len(spans) == 1:
        return f"/forms/{form.key}/records/{spans[0].record_id}"
    return f"/forms/{form.key}"
