"""The job that keeps scores right: after changes only what can have changed, at night everything, told from drift."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec.structs import asdict
from peewee import fn

from ..core import clock, dialect, incidents, jobs, schema
from ..core.db import db, read, write
from ..core.jobs import Job
from ..forms import catalog
from . import metrics, rfm, tags, touched
from .events import figures
from .models import RfmTouched, RfmValue
from .rfm import Config, State, Which

BATCH = 2_000
"""Customers a transaction; about 20 ms, then others have their turn."""
KEEP_TAGS = 30 * clock.DAY
"""Seconds a deleted tag can be brought back."""

incidents.declare("customers.drift", _l("客户指标与订单不一致"), retry=lambda ref: rfm.ask_full())


@schema.seed
def timer() -> None:
    jobs.schedule("customers.check", "20 3 * * *", "customers.check")


@jobs.handler("customers.check", label=_l("夜间核对客户指标"))
def check(job: Job) -> dict[str, Any]:
    """Every night all figures are computed anew: scores that hang on the day move on, drift is reported."""
    purged = tags.purge_old(clock.now() - KEEP_TAGS)
    rfm.ask_full()
    return {"tags_purged": purged}


@jobs.handler(touched.JOB, label=_l("更新客户指标与评分"))
def rescore(job: Job) -> dict[str, Any]:
    """Scores customers; jobs of this kind never run side by side. Interrupted anywhere, the next one makes it good."""
    with read():
        last, model = rfm.state(), rfm.config()
        stale = last.config != asdict(model) or (model.moves and last.today != rfm.today())
        everything = last.asked > last.answered or stale
        result = _all(job, last, model) if everything else _some(job, last, model)
        touched.scored(RfmValue.select().count())
    return result


# -- some ---------------------------------------------------------------------------------------------------------


def _some(job: Job, last: State, model: Config) -> dict[str, Any]:
    mark, ids = _touched()
    for batch in _batches(ids):
        with write():
            rfm.refresh_values(_among(batch), model)
        job.check()
    found = rfm.measure(model)
    asked = _begin(last, found)
    if found.high != last.high:
        changed = _score_all(job, found, 0)
    else:
        changed = _score_ids(job, found, _affected(ids, last, found))
    _end(found, mark, asked)
    return {"customers_rescored": changed}


def _touched() -> tuple[int, array[int]]:
    mark = RfmTouched.select(fn.MAX(RfmTouched.id)).scalar() or 0
    rows = RfmTouched.select(RfmTouched.customer_id).where(RfmTouched.id <= mark).distinct()
    return mark, array("q", sorted(row[0] for row in rows.tuples()))


def _affected(ids: array[int], last: State, found: State) -> array[int]:
    """Customers whose values changed, and those between an old and a new cut."""
    between = rfm.moved([last.cuts, *last.applying], found.cuts)
    if between is None:
        return ids
    rows = RfmValue.select(RfmValue.customer_id).where(between).tuples()
    return array("q", sorted({*ids, *(row[0] for row in rows)}))


def _begin(last: State, found: State) -> int:
    """Keeps the cuts that are about to be applied: after a crash they count as cuts that have been. Returns the number
    of the last question for everything that this scoring answers.
    """
    if found.cuts == last.cuts and found.high == last.high:
        return last.asked
    with write():
        state = rfm.state()
        state.applying = [*last.applying, found.cuts][-8:]
        if found.high != last.high:
            # Segments that a crash leaves half written cannot be told by their values: then everything is done anew.
            state.asked += 1
        rfm.save(state)
        return state.asked


def _end(found: State, mark: int, answered: int) -> None:
    with write():
        found.asked, found.answered = rfm.state().asked, answered
        rfm.save(found)
        RfmTouched.delete().where(RfmTouched.id <= mark).execute()


def _score_ids(job: Job, found: State, ids: array[int]) -> int:
    changed = 0
    for batch in _batches(ids):
        with write():
            changed += rfm.write_scores(_among(batch), found)
        job.check()
    return changed


def _batches(ids: array[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH].tolist()


def _among(batch: list[int]) -> Which:
    return lambda column: dialect.among(column, batch)


# -- everything ---------------------------------------------------------------------------------------------------


def _all(job: Job, last: State, model: Config) -> dict[str, Any]:
    """Figures of all customers, then scores; goes on after a crash from the saved place."""
    state = job.state or {"step": "figures", "from": 0, "drift": 0, "mark": _touched()[0], "asked": last.asked}
    top = _top()
    if state["step"] == "figures":
        for low in range(state["from"], top + 1, BATCH):
            which = _between(low)
            with write():
                state["drift"] += metrics.recompute(which) + figures.recompute(which)
                rfm.refresh_values(which, model)
                state["from"] = low + BATCH
                job.save_state(state)
            job.progress(low, top * 2, _("核对指标"))
        with write():
            RfmValue.delete().where(RfmValue.customer_id > top).execute()
            state |= {"step": "scores", "from": 0}
            job.save_state(state)
    found = rfm.measure(model)
    changed = _score_all(job, found, top)
    _end(found, state["mark"], state["asked"])
    if state["drift"] and last.at:
        _report(state["drift"])
    return {"customers_rescored": changed, "figures_corrected": state["drift"]}


def _top() -> int:
    form = catalog.get("customer")
    return form.table.select(fn.MAX(form.col("id"))).scalar(db) or 0


def _between(low: int) -> Which:
    return lambda column: column.between(low, low + BATCH - 1)


def _score_all(job: Job, found: State, done: int) -> int:
    top, changed = _top(), 0
    for low in range(0, top + 1, BATCH):
        with write():
            changed += rfm.write_scores(_between(low), found)
        job.progress(done + low, done + top, _("计算评分"))
    return changed


def _report(drift: int) -> None:
    why = _("夜间核对时发现 %(count)d 位客户的指标与订单不一致，已改正。请把这条消息告诉固客的维护者。", count=drift)
    incidents.open("customers.drift", why, "customers.drift", "customers.drift")
