"""What a rule would have done in the last days, without doing it.

Whatever set it off then is read again from the streams (Changes, events, moves, calls), the timetable or the dates; the
condition is asked of the records as they are today, with the clock of each day. The page says so.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field, to_builtins

from ..accounts.actor import Actor
from ..core import clock, jobs, settings
from ..core.db import read
from ..core.errors import UserError
from ..core.jobs import Job, next_time
from ..forms import query
from ..forms.conditions import Context
from . import streams
from .changed import neutral
from .dates import DateReached
from .models import Listener
from .plans import RulePlan
from .rules import Rule
from .streams import STREAMS, Signal

REHEARSE = "rule.rehearse"
DAYS, MOST_DAYS = 30, 90
MOST_SIGNALS = 200_000
"""Entries of a stream that are read again; the newest ones when there are more."""
PAGE = 2_000
SAMPLE = 10
FIRINGS = 100
"""Times of a timetable that are looked at; the newest ones when there are more."""


class DayCount(Struct):
    """One day: what set the rule off, how many records met the condition, and how many of them it would have acted on."""

    day: str
    heard: int = 0
    matched: int = 0
    acted: int = 0


class Rehearsal(Struct):
    """``actions``: what would have been done, in words, each as often as ``acted`` in all; ``sample``: records of the newest
    days; ``notes``: what to keep in mind."""

    days: list[DayCount]
    actions: list[str] = field(default_factory=list)
    sample: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def acted(self) -> int:
        return sum(day.acted for day in self.days)

    @property
    def matched(self) -> int:
        return sum(day.matched for day in self.days)

    @property
    def heard(self) -> int:
        return sum(day.heard for day in self.days)

    @property
    def most(self) -> int:
        return max((day.acted for day in self.days), default=0)

    def document(self) -> dict[str, Any]:
        return to_builtins(self) | {"heard": self.heard, "matched": self.matched, "acted": self.acted}

    @classmethod
    def open(cls, doc: dict[str, Any]) -> Rehearsal:
        return cls([DayCount(**day) for day in doc["days"]], doc["actions"], doc["sample"], doc["notes"])


def rehearse(rule: Rule, days: int = DAYS, job: Job | None = None) -> Rehearsal:
    """Raises FieldErrors when the rule has problems."""
    rule.must_be_sound()
    return _Stage(rule, max(1, min(days, MOST_DAYS)), job).play()


class _Stage:
    """One rehearsal as it goes on. ``seen``: period → the records on which the rule would have acted in it."""

    def __init__(self, rule: Rule, days: int, job: Job | None) -> None:
        self.rule, self.job = rule, job
        self.tz, self.now = settings.tz(), clock.now()
        today = clock.local(self.now, self.tz).date()
        self.first = today - dt.timedelta(days=days - 1)
        self.counts = {
            (self.first + dt.timedelta(days=n)).isoformat(): DayCount((self.first + dt.timedelta(days=n)).isoformat())
            for n in range(days)
        }
        self.begin = clock.start_of(self.first, self.tz)
        self.seen: dict[str, set[int]] = defaultdict(set)
        self.result = Rehearsal(list(self.counts.values()), rule.action_words())

    def play(self) -> Rehearsal:
        trigger = self.rule.triggers()[0]
        if trigger.listens():
            self._streams()
        elif isinstance(trigger, DateReached):
            self._dates(trigger)
        elif timer := trigger.timer():
            self._timetable(timer.cron)
        else:
            self.result.notes.append(_("它只在有人点按钮时运行，没有可以重演的触发。"))
        self.result.notes.append(_("条件按记录现在的内容判断：当时的内容可能不同。什么都没有真的执行。"))
        return self.result

    # -- what set it off ----------------------------------------------------------------------------------------

    def _streams(self) -> None:
        wishes = self.rule.triggers()[0].listens()
        stream = STREAMS[wishes[0].stream]
        listeners = [
            Listener(form=self.rule.form_key, action=w.action, field=w.field, scope=w.scope, stream=w.stream, since=0)
            for w in wishes
        ]
        after, read_so_far = stream.first_since(self.begin), 0
        waiting: list[Signal] = []
        while True:
            with read():
                signals = stream.read(after, listeners, PAGE)
            heard = [s for s in signals if any(streams.hears(one, s) for one in listeners)]
            for signal in heard:
                if waiting and (self._day(signal) != self._day(waiting[0]) or len(waiting) >= PAGE):
                    self._batch(waiting, stream.each)
                    waiting = []
                waiting.append(signal)
            read_so_far += len(signals)
            self._tell(read_so_far)
            if len(signals) < PAGE:
                break
            after = signals[-1].id
            if read_so_far >= MOST_SIGNALS:
                day = self._day(signals[-1])
                self.result.notes.append(_("这段时间的触发太多，只重演到 %(day)s。", day=day))
                break
        if waiting:
            self._batch(waiting, stream.each)

    def _day(self, signal: Signal) -> str:
        return clock.local(signal.at, self.tz).date().isoformat()

    def _batch(self, signals: list[Signal], each: bool) -> None:
        count = self.counts.get(self._day(signals[0]))
        if count is None:
            return
        ids = sorted({signal.record_id for signal in signals})
        changes = [(signal.record_id, signal.delta) for signal in signals if signal.delta]
        moment = min(self.now, clock.start_of(dt.date.fromisoformat(count.day), self.tz) + clock.DAY - 1)
        plan = RulePlan(self.rule, Context(now=moment), ids, changes)
        matched = set(self._ids(plan))
        times = [s.record_id for s in signals if s.record_id in matched] if each else sorted(matched)
        self._count(count, len(signals), times, moment)

    def _dates(self, trigger: DateReached) -> None:
        for day in self.counts.values():
            date = dt.date.fromisoformat(day.day)
            spans = [(date.toordinal() - 1, date.toordinal())]
            if trigger.exact:
                start = clock.start_of(date, self.tz)
                spans = [(start - 1, min(start + clock.DAY - 1, self.now))]
            for begin, end in spans:
                test = trigger.due(begin, end)
                if test is None:
                    continue
                moment = min(self.now, clock.start_of(date, self.tz) + clock.DAY - 1)
                name = None if trigger.exact else trigger.occurrence(end).name
                plan = RulePlan(self._neutral(), Context(now=moment), extra=test, name=name)
                found = self._ids(plan)
                self._count(day, len(found), found, moment, name)
            self._tell(date.toordinal() - self.first.toordinal())

    def _timetable(self, cron: str) -> None:
        """Each time counts anew those who come to meet the condition: on whom it met it the time before, it had acted."""
        moments = list(self._firings(cron))
        before: set[int] = set()
        for n, moment in enumerate(moments):
            plan = RulePlan(self._neutral(), Context(now=moment, scan=True))
            found = set(self._ids(plan))
            day = self.counts[clock.local(moment, self.tz).date().isoformat()]
            day.heard += 1
            day.matched += len(found)
            fresh = sorted(found - before)
            period = self.rule.period(moment)
            self._act(day, fresh if period is None else sorted(found), period)
            before = found
            self._tell(n)
        self.result.notes.append(_("定时规则每天只算新符合的：前一次已符合的，那时已经处理过。"))

    def _firings(self, cron: str) -> Iterator[int]:
        found: list[int] = []
        at = next_time(cron, self.begin - 1)
        while at <= self.now:
            found.append(at)
            if len(found) > FIRINGS:
                del found[0]
            at = next_time(cron, at)
        if found and found[0] > next_time(cron, self.begin - 1):
            since = clock.local(found[0], self.tz).strftime("%Y-%m-%d %H:%M")
            self.result.notes.append(_("它触发得很频繁，只重演 %(since)s 以后的。", since=since))
        yield from found

    # -- counting -----------------------------------------------------------------------------------------------

    def _neutral(self) -> Rule:
        found: Rule = Rule.read(self.rule.document() | {"where": neutral(self.rule.where)})
        found.id = self.rule.id
        return found

    @staticmethod
    def _ids(plan: RulePlan) -> array[int]:
        with read():
            return plan.everybody()

    def _count(self, day: DayCount, heard: int, matched: Any, moment: int, name: str | None = None) -> None:
        day.heard += heard
        day.matched += len(matched)
        self._act(day, list(matched), self.rule.period(moment) if self.rule.once_per else name)

    def _act(self, day: DayCount, ids: list[int], period: str | None) -> None:
        if period is not None:
            ids = [i for i in dict.fromkeys(ids) if i not in self.seen[period]]
            self.seen[period].update(ids)
        day.acted += len(ids)
        if ids:
            self.result.sample = list(dict.fromkeys([*reversed(ids[-SAMPLE:]), *self.result.sample]))[:SAMPLE]

    def _tell(self, done: int) -> None:
        if self.job is not None:
            self.job.progress(done)


def ask(doc: dict[str, Any], days: int, actor: Actor) -> int:
    """Starts a rehearsal of a rule's document, saved or not; returns the job's id. Raises FieldErrors."""
    rule = Rule.read(doc)
    rule.must_be_sound()
    return jobs.enqueue(REHEARSE, {"doc": doc, "days": days, "id": rule.id}, actor_id=actor.id)


@jobs.handler(REHEARSE, label=_l("重演规则"))
def play(job: Job) -> dict[str, Any] | None:
    rule = Rule.read(job.payload["doc"])
    try:
        return {"rehearsal": rehearse(rule, job.payload["days"], job).document()}
    except UserError as error:
        return {"problem": error.message}


def titles(rehearsal: Rehearsal, rule: Rule, actor: Actor) -> dict[int, str]:
    """The names of the sample's records, as far as the actor may see them."""
    return query.titles(rule.form, rehearsal.sample, actor)
