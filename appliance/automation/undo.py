"""Takes a run back: what its Changes did is reversed where it still holds; what somebody changed since is kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, jobs
from ..core.db import db, write
from ..core.errors import Conflict
from ..core.jobs import Job
from ..forms import catalog, records
from ..forms.catalog import Form
from ..forms.fields.link import LinkField
from ..forms.hooks import Cause
from ..forms.models import Change
from . import log
from .models import RuleRun

CHUNK = 500
"""Records a transaction."""


def ask(run_id: int, actor: Actor) -> int:
    """Starts taking a run back; returns the job's id. Raises Conflict for a run that goes on or was taken back."""
    with write():
        run = log.get(run_id)
        if run.status == "running":
            raise Conflict(_("它还在运行，请先取消或等它结束。"))
        if run.undo_job_id is not None:
            raise Conflict(_("这次运行已经撤销过了。"))
        job_id = jobs.enqueue("automation.undo", {"run": run_id}, actor_id=actor.id, unique=f"undo:{run_id}")
        run.undone_at, run.undone_by, run.undo_job_id, run.reverted, run.kept = clock.now(), actor.id, job_id, 0, 0
        log.save(run, "undone_at", "undone_by", "undo_job_id", "reverted", "kept")
        return job_id


@dataclass
class _Net:
    """What a run made of one field of one record in the end: ``[old, new]``, or what it added and removed."""

    pairs: dict[str, list[Any]] = field(default_factory=dict)
    added: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def take(self, fields: dict[str, Any]) -> None:
        """The next Change, in order."""
        for key, delta in fields.items():
            if isinstance(delta, list):
                self.pairs.setdefault(key, [delta[0], None])[1] = delta[1]
            else:
                self._move(delta.get("add", []), self.added[key], self.removed[key])
                self._move(delta.get("remove", []), self.removed[key], self.added[key])

    @staticmethod
    def _move(items: list[Any], to: list[Any], back: list[Any]) -> None:
        for item in items:
            if item in back:
                back.remove(item)
            else:
                to.append(item)


@jobs.handler("automation.undo", heavy=True, label=_l("撤销规则的运行"))
def undo(job: Job) -> dict[str, Any]:
    """Record by record in batches; checkpoint and effect are one transaction."""
    run = log.get(job.payload["run"])
    after: int = (job.state or {}).get("after", 0)
    total = run.changed
    while True:
        job.progress(job.done, total)
        with write():
            nets = _nets(run, after)
            if not nets:
                return {"reverted": run.reverted, "kept": run.kept}
            reverted = _reverse(run, nets)
            after = max(nets)
            run.reverted, run.kept = run.reverted + reverted, run.kept + len(nets) - reverted
            log.save(run, "reverted", "kept")
            job.done += len(nets)
            job.save_state({"after": after})


def _nets(run: RuleRun, after: int) -> dict[int, _Net]:
    """What the run did to the next records."""
    mine = (Change.cause_kind == run.kind) & (Change.cause_id == run.id) & (Change.action == "update")
    ids = Change.select(Change.record_id).where(mine & (Change.record_id > after)).distinct()
    chunk = [i for (i,) in ids.order_by(Change.record_id).limit(CHUNK).tuples()]
    nets: dict[int, _Net] = defaultdict(_Net)
    if chunk:
        changes = Change.select(Change.record_id, Change.fields).where(mine & dialect.among(Change.record_id, chunk))
        for record_id, fields in changes.order_by(Change.id).tuples():
            nets[record_id].take(fields)
    return nets


def _reverse(run: RuleRun, nets: dict[int, _Net]) -> int:
    """Writes back what still is as the run left it. Returns how many records were restored whole."""
    subject = log.subject_of(run)
    form = subject.form if subject else _form_of(run)
    now = _stored(form, list(nets))
    rows: dict[int, dict[str, Any]] = {}
    kept: set[int] = set(nets) - set(now)
    for record_id, values in now.items():
        back = {}
        for key, (old, new) in nets[record_id].pairs.items():
            if key in form.fields and form.fields[key].readonly:
                # It follows from the others.
                continue
            if key in form.columns and values[key] == new:
                back[key] = old
            elif key not in form.columns or values[key] != old:
                kept.add(record_id)
        rows[record_id] = back
    for key in form.links:
        _reverse_links(form, key, nets, rows, kept)
    rows = {record_id: back for record_id, back in rows.items() if back}
    written = records.update_many(form, rows, SYSTEM, Cause("undo", run.id), parsed=True)
    order = list(rows)
    kept |= {order[n] for n in written.errors}
    return len(nets) - len(kept)


def _reverse_links(
    form: Form, key: str, nets: dict[int, _Net], rows: dict[int, dict[str, Any]], kept: set[int]
) -> None:
    """Takes off what the run added and puts back what it took, where the values are still so."""
    touched = [i for i, net in nets.items() if i in rows and (net.added.get(key) or net.removed.get(key))]
    if not touched:
        return
    link = form.fields[key]
    assert isinstance(link, LinkField)
    held = link.load(touched)
    for record_id in touched:
        net, values = nets[record_id], list(held.get(record_id, []))
        if any(item not in values for item in net.added[key]) or any(item in values for item in net.removed[key]):
            kept.add(record_id)
        wanted = [v for v in values if v not in net.added[key]]
        wanted += [v for v in net.removed[key] if v not in wanted and _still_free(net, key, values)]
        if wanted != values:
            rows[record_id][key] = wanted


def _still_free(net: _Net, key: str, values: list[Any]) -> bool:
    """Whether what the run removed may come back: not when somebody has put something else in its place since."""
    return not net.added[key] or any(item in values for item in net.added[key])


def _form_of(run: RuleRun) -> Form:
    """The form of a run whose definition is gone."""
    mine = (Change.cause_kind == run.kind) & (Change.cause_id == run.id)
    form_id = Change.select(Change.form_id).where(mine).limit(1).scalar()
    form = catalog.by_id(form_id)
    if form is None:
        raise Conflict(_("它所属的表单已被删除，不能撤销。"))
    return form


def _stored(form: Form, ids: list[int]) -> dict[int, dict[str, Any]]:
    names = ["id", *form.columns]
    rows = form.table.select(*[form.col(name) for name in names]).where(
        dialect.among(form.col("id"), ids), form.col("deleted_at").is_null()
    )
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows.tuples().execute(db)}
