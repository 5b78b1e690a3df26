"""Reads the streams in order and runs what listens to them. Effects and cursor move in one transaction.

Nothing happens, not even a query beyond one by index, while no enabled definition listens to what was written.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..core import clock, incidents, jobs, workdays
from ..core.db import PARAM, Statement, write
from ..core.errors import UserError
from ..core.jobs import Job
from ..forms import hooks
from ..forms.catalog import Form
from ..forms.conditions import Context
from ..forms.hooks import Batch
from . import changed, definitions, holding, limits, log, plans, retrying, streams
from .actions import Work
from .definitions import Subject
from .models import Listener, RuleRun, StreamCursor
from .streams import STREAMS, Signal, Stream

logger = logging.getLogger(__name__)

BATCH = 500
LEAST, MOST = 250, 1000
QUICK, SLOW = 0.15, 0.5
"""Seconds that a batch may take: the next one is larger or smaller, so that other writers get their turn."""
DEPTH = 8
"""An entry that eight runs led to sets nothing off any more: somebody's rules feed each other."""
SAME_RUN = 60
"""Seconds: what a definition does within them stands in the log as one run."""

_LISTENING = Statement(Listener.select(Listener.field).where((Listener.form == PARAM) & (Listener.action == PARAM)))


@hooks.after_write(hooks.ANY)
def heard(batch: Batch) -> None:
    """Asks for the dispatcher, in the writer's transaction, when somebody listens to what was written."""
    wanted = [field for (field,) in _LISTENING.execute(batch.form.key, batch.action)]
    if any(field is None or field in batch.fields for field in wanted):
        streams.ring()


@hooks.listener
def listening(form: Form, keys: set[str]) -> bool:
    """Whether an enabled definition listens to changes of one of these fields."""
    return any(field in keys for (field,) in _LISTENING.execute(form.key, "update"))


class Ear(Struct):
    """One enabled definition, and what it wants to hear of. ``runs``: the run that goes on in the log, by depth; ``sound``: it
    was looked over since it was read."""

    subject: Subject
    listeners: list[Listener]
    sound: bool = False
    runs: dict[tuple[str, int], RuleRun] = field(default_factory=dict)

    def heard(self, stream: str, by_kind: dict[tuple[str, str], list[Signal]], stopped: set[int]) -> list[Signal]:
        """Those of a batch (by form and action) that it wants to hear of, in order."""
        found: list[Signal] = []
        mine = [listener for listener in self.listeners if listener.stream == stream]
        kinds = {(listener.form, listener.action) for listener in mine}
        for kind in kinds:
            wanted = [listener for listener in mine if (listener.form, listener.action) == kind]
            least = min(listener.since for listener in wanted)
            if any(listener.field is None and listener.scope is None for listener in wanted):
                found += [s for s in by_kind.get(kind, ()) if s.id > least and s.id not in stopped]
                continue
            names = {listener.field for listener in wanted if listener.field is not None}
            found += [
                signal
                for signal in by_kind.get(kind, ())
                if (None in names or not names.isdisjoint(signal.names))
                and signal.id not in stopped
                and any(streams.hears(listener, signal) for listener in wanted)
            ]
        return found if len(kinds) == 1 else sorted(found, key=lambda signal: signal.id)


class Ears(Struct):
    """All that listen, in the order in which they act: rules, then tables. Read again when a definition changes."""

    token: str = "?"
    held: list[Ear] = field(default_factory=list)

    def now(self) -> list[Ear]:
        token = definitions.token()
        if token != self.token:
            self.token, self.held = token, _ears()
        return self.held


def _ears() -> list[Ear]:
    wanted: dict[tuple[str, int], list[Listener]] = defaultdict(list)
    for listener in Listener.select():
        wanted[listener.kind, listener.subject_id].append(listener)
    if not wanted:
        return []
    subjects = [subject for book in log.BOOKS.values() for subject in book.all(enabled=True)]
    return [Ear(s, wanted[s.kind, s.id]) for s in subjects if (s.kind, s.id) in wanted]


@jobs.handler(streams.RING, label=_l("处理数据变化"))
def dispatch(job: Job) -> dict[str, Any]:
    """Until there is nothing left to read. Returns how many times a definition ran."""
    ran, size, ears = 0, BATCH, Ears()
    while True:
        found = 0
        for stream in STREAMS.values():
            started = time.monotonic()
            with write():
                signals, end = _next(stream, ears.now(), size)
                if signals:
                    ran += _serve_all(ears.now(), stream, signals, size)
                    found += len(signals)
                if end is not None:
                    _move(stream.key, end)
            took = time.monotonic() - started
            if len(signals) >= size:
                size = min(MOST, size * 2) if took < QUICK else max(LEAST, size // 2) if took > SLOW else size
        if not found:
            return {"rules": ran}
        job.check()


def _next(stream: Stream, ears: list[Ear], size: int) -> tuple[list[Signal], int | None]:
    """The next entries that somebody may want, and where the cursor moves to (``None``: it stays)."""
    listeners = [one for ear in ears for one in ear.listeners if one.stream == stream.key]
    if not listeners:
        return [], None
    cursor = StreamCursor.select(StreamCursor.position).where(StreamCursor.stream == stream.key).scalar() or 0
    # While nobody listened the cursor stood still: what is older than the oldest listener is not read at all.
    begin = max(cursor, min(listener.since for listener in listeners))
    newest = stream.newest()
    if newest <= begin:
        return [], (begin if begin > cursor else None)
    signals = stream.read(begin, listeners, size)
    return signals, signals[-1].id if len(signals) >= size else newest


def _move(stream: str, position: int) -> None:
    StreamCursor.insert(stream=stream, position=position).on_conflict(
        conflict_target=[StreamCursor.stream], preserve=[StreamCursor.position]
    ).execute()


def _serve_all(ears: list[Ear], stream: Stream, signals: list[Signal], size: int) -> int:
    """The definitions one after the other on a batch; what a rule that stops has acted on is not told to the next."""
    ran, stopped = 0, set[int]()
    full = len(signals) >= size
    by_kind: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for signal in signals:
        by_kind[signal.form, signal.action].append(signal)
    for ear in ears:
        heard = ear.heard(stream.key, by_kind, stopped)
        if not heard:
            continue
        acted = serve(ear, stream, heard, signals[-1].id if full else None)
        ran += acted.runs
        if getattr(ear.subject, "stop", False):
            stopped |= acted.signals
    return ran


class Acted(Struct):
    """What one definition did on a batch: how many runs, and on which entries."""

    runs: int = 0
    signals: set[int] = field(default_factory=set)


def serve(ear: Ear, stream: Stream, heard: list[Signal], ahead: int | None = None) -> Acted:
    """One definition on the entries that it hears. ``ahead``: the id behind which more of them wait."""
    by_depth: dict[int, list[Signal]] = defaultdict(list)
    for signal in heard:
        by_depth[signal.depth].append(signal)
    acted = Acted()
    for depth, some in sorted(by_depth.items()):
        if depth >= DEPTH:
            _stop(ear, stream, some, depth)
            continue
        for batch in _rounds(some) if stream.each else [some]:
            matched = Turn(ear, stream, batch, depth + 1, ahead).take()
            acted.runs += bool(matched)
            acted.signals |= {signal.id for signal in batch if signal.record_id in matched}
    return acted


def _rounds(signals: Iterable[Signal]) -> list[list[Signal]]:
    """So that each batch has one entry a record: the first of each, the second of each, …"""
    seen: dict[int, int] = defaultdict(int)
    rounds: dict[int, list[Signal]] = defaultdict(list)
    for signal in signals:
        rounds[seen[signal.record_id]].append(signal)
        seen[signal.record_id] += 1
    return [rounds[n] for n in sorted(rounds)]


class Turn(Struct):
    """One definition on one batch of entries, as the records stand now. ``run``: an entry of the log that waited with them:
    then nothing is asked any more. ``decided``: a person has said yes."""

    ear: Ear
    stream: Stream
    signals: list[Signal]
    depth: int
    ahead: int | None = None
    run: RuleRun | None = None
    decided: bool = False

    @property
    def subject(self) -> Subject:
        return self.ear.subject

    def take(self) -> set[int]:
        """Acts, or waits, or says why not. What fails is undone, logged and reported; the others go on. Returns the ids of the
        records that meet the condition."""
        started = time.monotonic()
        try:
            with write():
                plan = plan_of(self.ear, self.signals)
                if not plan.all and not plan.ids:
                    return set()
                if not self._waits(plan):
                    self._act(plan, started)
                return set(plan.all) | set(plan.ids)
        except UserError as error:
            self._report(error.message)
        except Exception as error:
            logger.exception("%s %s failed on a batch", self.subject.kind, self.subject.key)
            self._report(f"{type(error).__name__}: {error}")
        # What they counted went back with the batch.
        self.ear.runs.clear()
        return set()

    def _waits(self, plan: plans.Plan) -> bool:
        """Whether it is not the time, or a person must be asked; then the entries are kept for later, or let go."""
        mine = self._of(plan.all or plan.ids)
        hours = getattr(self.subject, "working_hours", None)
        now = clock.now()
        if hours and not self.decided and not workdays.is_working_moment(now):
            if hours == "wait":
                holding.hold(self.subject, self.stream, mine, self.depth, "delayed", run=self.run)
            else:
                self._skip(plan)
            return True
        if not self.decided and limits.above(self.subject, self.stream, plan, self.ahead, self.ear.listeners):
            holding.hold(self.subject, self.stream, mine, self.depth, "waiting", run=self.run)
            return True
        return False

    def _of(self, ids: Sequence[int]) -> list[Signal]:
        wanted = set(ids)
        return [signal for signal in self.signals if signal.record_id in wanted]

    def _skip(self, plan: plans.Plan) -> None:
        run = self._entry("skipped")
        run.status = "skipped"
        run.matched, run.skipped = run.matched + plan.matched, run.skipped + plan.matched
        run.error = _("不在工作时间，没有执行。")
        log.save(run, "matched", "skipped", "error", "status", "finished_at")

    def _entry(self, status: str = "done") -> RuleRun:
        """The entry of the log that this batch is counted in: the one that waited, the one of just now, or a new one."""
        if self.run is not None:
            return self.run
        now, key = clock.now(), (status, self.depth)
        known = self.ear.runs.get(key)
        if known is None or now - known.started_at >= SAME_RUN:
            known = log.begin(self.subject, self.stream.trigger, depth=self.depth)
            self.ear.runs[key] = known
        known.status, known.finished_at = status, now
        return known

    def _act(self, plan: plans.Plan, started: float) -> None:
        if not plan.ids and not plan.skipped:
            return
        run = self._entry()
        run.matched += plan.matched
        last = {signal.record_id: signal for signal in self.signals}
        work = Work(
            plan.form, log.cause(run), clock.now(),
            cycles={} if plan_period(plan) is not None else {i: last[i].cycle for i in plan.ids},
            origin=self._origins(set(plan.ids)),
        )  # fmt: skip
        done = plan.apply(0, len(plan.ids), work)
        log.add(run, done, work, time.monotonic() - started, plan.skipped)
        retrying.after(run, self.subject, done)

    def _origins(self, ids: set[int]) -> dict[int, dict[str, Any]]:
        """What texts may say of the trigger, by record. Of several changes read together the one that the condition asks
        about says what was before, then the others in their order."""
        by_record: dict[int, list[Signal]] = defaultdict(list)
        for signal in self.signals:
            if signal.record_id in ids:
                by_record[signal.record_id].append(signal)
        found = {}
        for i, some in by_record.items():
            origin = some[-1].origin
            if len(some) > 1 and any("old" in signal.origin for signal in some):
                where = getattr(self.subject, "where", None)
                first = changed.telling(where, self.subject.form, [signal.delta for signal in some])
                olds = [signal.origin.get("old", {}) for signal in [*reversed(some), some[first]]]
                origin = origin | {"old": {key: value for old in olds for key, value in old.items()}}
            if origin:
                found[i] = origin
        return found

    def _report(self, why: str) -> None:
        """The batch is kept, so that it can be tried again."""
        run = self.run or log.begin(self.subject, self.stream.trigger, depth=self.depth)
        log.finish(run, "failed", why)
        holding.keep(run, self.stream, self.signals)
        retrying.tell(self.subject, run, why)


def plan_period(plan: plans.Plan) -> str | None:
    return getattr(plan, "period", None)


def plan_of(ear: Ear, signals: list[Signal]) -> plans.Plan:
    """What entries call for, as the records stand now."""
    ids = sorted({signal.record_id for signal in signals})
    changes = [(signal.record_id, signal.delta) for signal in signals if signal.delta]
    plan = plans.plan(ear.subject, Context(now=clock.now()), ids, changes, sound=ear.sound)
    ear.sound = True
    plan.load()
    return plan


def _stop(ear: Ear, stream: Stream, heard: list[Signal], depth: int) -> None:
    """Leaves the batch alone, if there is anything to do on it, and says so in the log and as an incident."""
    subject = ear.subject
    try:
        plan = plan_of(ear, heard)
    except UserError:
        return
    if not plan.ids:
        return
    why = _(
        "修改引起了新的修改，已连续 %(depth)d 次，可能是几条规则互相触发，所以停在这里。请检查它们的条件。", depth=depth
    )
    run = log.begin(subject, stream.trigger, depth=depth)
    run.matched = len(plan.ids)
    log.save(run, "matched")
    log.finish(run, "stopped", why)
    told = _("「%(name)s」：%(why)s", name=subject.label, why=why)
    incidents.open("rule_loop", told, f"run:{run.id}", f"loop:{subject.timer_key}")
