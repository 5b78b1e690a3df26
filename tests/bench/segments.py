"""Segments on a large company: everybody asked once, a thousand touched customers across twenty segments, windows that move."""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.support import world
from tests.support.clock import Clock

from .figure import Figure, Place, measure

SEGMENTS: list[dict[str, Any]] = [
    {"field": "city", "op": "eq", "value": "杭州"},
    {"field": "total_paid", "op": "gte", "value": 1000},
    {"all": [{"field": "order_count", "op": "gte", "value": 1}, {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}}]},
    {"related": "order", "within": {"days": 90}, "on": "paid_at", "agg": "sum", "of": "amount", "op": "gte", "value": 500},
    {"related": "order", "where": {"field": "paid_at", "op": "this", "value": "month"}},
]  # fmt: skip
TWENTY = 20
TOUCHED = 1_000
ROUNDS = 5


@measure("segments")
def keep_segments(place: Place) -> list[Figure]:
    """On a copy of the big company, in this process."""
    folder = place.work / "segments"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(place.data, folder)
    try:
        with world.running(folder):
            return _take()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(fn: Callable[[], Any]) -> float:
    started = time.perf_counter()
    fn()
    return time.perf_counter() - started


def _take() -> list[Figure]:
    from appliance.accounts.actor import SYSTEM
    from appliance.core import clock as core_clock
    from appliance.core import jobs
    from appliance.core.db import db, read, write
    from appliance.customers.segments import keeping, store
    from appliance.customers.segments.models import NextLook
    from appliance.forms import catalog, records

    jobs.work()
    people = keeping.top()
    found: list[Figure] = []
    whole = []
    for n, where in enumerate(SEGMENTS):
        store.save({"key": f"bench_{n}", "label": f"bench {n}", "where": where}, SYSTEM)
        whole.append(_timed(jobs.work))
    worst = max(range(len(whole)), key=whole.__getitem__)
    found.append(Figure(
        f"full evaluation, {people:,} customers", statistics.median(whole), "s", "", None,
        note=f"median of {len(whole)} kinds; worst {whole[worst]:.1f} s (kind {worst}); {people / statistics.median(whole):,.0f} customers/s",
    ))  # fmt: skip
    for n in range(len(SEGMENTS), TWENTY):
        store.save({"key": f"bench_{n}", "label": f"bench {n}", "where": SEGMENTS[n % len(SEGMENTS)]}, SYSTEM)
    jobs.work()
    form = catalog.get("customer")
    with read():
        rows = (
            form.table.select(form.col("id"))
            .where(form.col("deleted_at").is_null())
            .limit(TOUCHED)
            .tuples()
            .execute(db)
        )
        ids = [i for (i,) in rows]
    writing, asking = [], []
    for n in range(ROUNDS):
        city = "杭州" if n % 2 else "宁波"
        writing.append(_timed(lambda city=city: records.update_many(form, {i: {"city": city} for i in ids}, SYSTEM)))  # type: ignore[misc]
        with write():
            keeping.touching.mark([s.id for s in store.all()], ids)
        asking.append(_timed(jobs.work))
    found.append(Figure(
        f"{len(ids):,} touched customers asked again by {TWENTY} segments", statistics.median(asking) * 1000, "ms", "", None,
        note=f"median of {ROUNDS}; writing them took {statistics.median(writing) * 1000:,.0f} ms",
    ))  # fmt: skip
    source = Clock()
    core_clock.use(source)
    try:
        moved, took = 0, []
        for _n in range(ROUNDS):
            source.move(days=1)
            with read():
                moved += NextLook.select().where(NextLook.at <= core_clock.now()).count()
            took.append(_timed(lambda: keeping.keep(jobs.get(jobs.enqueue(keeping.touching.KEEP)))))
    finally:
        core_clock.use(None)
    found.append(Figure(
        "a day goes by: windows move their customers", statistics.median(took), "s", "", None,
        note=f"{moved // ROUNDS:,} questions a day among {TWENTY} segments, no full scan",
    ))  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_SELF)
    idle = 200
    for _n in range(idle):
        jobs.work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / idle
    found.append(Figure("a look when nothing is due", spent * 1000, "ms CPU", "< 5", spent < 0.005))
    return found
