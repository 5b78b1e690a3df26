"""What people do with an import: begin, look into the file, check, start, cancel, fetch the failed rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from flask_babel import gettext as _
from msgspec.structs import replace
from peewee import fn

from ...accounts import users
from ...accounts.actor import SYSTEM, Actor
from ...core import clock, files, i18n, jobs
from ...core.db import read, write
from ...core.errors import Conflict, NotFound, UserError
from .. import catalog
from ..catalog import Form
from ..models import Change
from . import mapping, sheets, tables, wire
from . import plan as plans
from .models import Import, ImportFailure
from .plan import Facts, Plan
from .writing import Counts

ACTIVE = ("waiting", "running", "undoing")
_keeping: ContextVar[bool] = ContextVar("keep readers open", default=False)


def get(import_id: int) -> Import:
    """Raises :class:`NotFound`. An import whose job was cancelled or gave up says so."""
    with read():
        row = Import.get_or_none(Import.id == import_id)
    if row is None:
        raise NotFound(_("没有编号为 %(id)s 的导入。", id=import_id))
    return _settled(row)


def recent(limit: int = 100) -> list[Import]:
    """The newest imports first; drafts nobody went on with are left out."""
    with read():
        rows = Import.select().where(Import.status != "draft").order_by(Import.id.desc()).limit(limit)
        return [_settled(row) for row in rows]


def _settled(row: Import) -> Import:
    """A job that ended without its handler (cancelled while it waited, given up) leaves the import's status behind."""
    if row.status not in ("running", "undoing"):
        return row
    job_id = row.job_id if row.status == "running" else row.undo_job
    try:
        job = jobs.get(job_id or 0)
    except NotFound:
        return row
    if job.status not in ("cancelled", "failed"):
        return row
    values: dict[str, Any] = {"status": job.status, "error": job.error, "finished_at": job.finished_at}
    if row.status == "undoing":
        values = {"status": "done", "error": job.error}
    with write():
        Import.update(**values).where(Import.id == row.id).execute()
        if row.status == "running":
            sheets.go_on(row, job.status)
    return Import.get_by_id(row.id)


_open: dict[int, ExitStack] = {}
_readers: dict[int, wire.Reader] = {}


@contextmanager
def keep_open() -> Iterator[None]:
    """Within the block each file is read by one child process, which parses it once (the command line)."""
    _keeping.set(True)
    try:
        yield
    finally:
        _keeping.set(False)
        _readers.clear()
        while _open:
            _open.popitem()[1].close()


@contextmanager
def reading(row: Import) -> Iterator[wire.Reader]:
    """A reader of the import's file."""
    if row.file_id in _readers:
        yield _readers[row.file_id]
        return
    with ExitStack() as stack:
        reader = stack.enter_context(wire.Reader(stack.enter_context(files.open_temp(row.file_id))))
        if _keeping.get():
            _readers[row.file_id] = reader
            _open[row.file_id] = stack.pop_all()
        yield reader


def begin(form: Form, content: IO[bytes] | bytes, name: str, actor: Actor, path: Path | None = None) -> Import:
    """Stores the file as a draft and looks into it. Raises :class:`UserError` when it cannot be read.

    ``path``: where the same file lies on this machine; within :func:`keep_open` it is read from there meanwhile.
    """
    reader = wire.Reader(path) if path and _keeping.get() else None
    if reader:
        reader.prepare()
    try:
        file_id = files.save(content, name, actor_id=actor.id)
    except BaseException:
        if reader:
            reader.close()
        raise
    if reader:
        _readers[file_id], _open[file_id] = reader, ExitStack()
        _open[file_id].push(reader)
    try:
        row = Import(
            form=form.key, file_id=file_id, file_name=files.get(file_id).name, actor_id=actor.id, created_at=clock.now()
        )
        facts = inspect(row, form)
    except BaseException:
        files.delete(file_id)
        raise
    with write():
        row.facts = facts.document()
        row.save()
    return row


def inspect(row: Import, form: Form, sheet: int | None = None, header: list[int] | None = None) -> Facts:
    """Reads the top of a sheet again, as the person says."""
    with reading(row) as reader:
        found = reader.answer(
            "inspect", sheet=sheet, header=header, known=mapping.known_words(form), name=row.file_name
        )
    facts = Facts.open(found)
    if not facts.names:
        raise UserError(_("这个工作表是空的。请换一个工作表，或重新导出后再上传。"))
    return facts


def save_plan(row: Import, plan: Plan, facts: Facts | None = None) -> None:
    """Keeps the decisions of a draft; what was checked under others no longer counts."""
    _must_be(row, "draft")
    known = Plan.open(row.plan or {})
    same = not facts and (known.columns, known.hints, known.key, known.preset) == (
        plan.columns, plan.hints, plan.key, plan.preset,
    )  # fmt: skip
    if row.check_job and not same:
        jobs.cancel(row.check_job)
    with write():
        row.plan = plan.document()
        if facts:
            row.facts = facts.document()
        if not same:
            row.check_job, row.checked = None, None
        row.save()


def start_check(row: Import, actor: Actor) -> None:
    """Reads the whole file in the background and counts bad cells."""
    with write():
        row.check_job = jobs.enqueue("import.check", _payload(row), actor_id=actor.id)
        row.checked = None
        row.save()


def start(row: Import, actor: Actor) -> int:
    """Puts the import into the queue; returns the job's id. Raises :class:`UserError` for a plan that cannot work."""
    _must_be(row, "draft")
    form = catalog.get(row.form)
    plans.check(Plan.open(row.plan or {}), mapping.targets(form, actor))
    with write():
        row.job_id = jobs.enqueue("import", _payload(row), actor_id=actor.id)
        row.status, row.started_at, row.actor_id = "running", clock.now(), actor.id
        row.save()
    return int(row.job_id)


def confirm(row: Import) -> None:
    """The person has gone through this sheet of a set. Raises :class:`UserError` for a plan that cannot work."""
    _must_be(row, "draft")
    plans.check(Plan.open(row.plan or {}), mapping.targets(catalog.get(row.form)))
    with write():
        row.ready = True
        row.save()


def cancel(row: Import) -> None:
    """Stops a running import; what it has written stays until it is undone."""
    if row.status == "running" and row.job_id:
        jobs.cancel(row.job_id)


def discard(row: Import) -> None:
    """Forgets a draft and its file."""
    _must_be(row, "draft")
    if row.check_job:
        jobs.cancel(row.check_job)
    with write():
        Import.delete().where((Import.id == row.id) | (Import.set_id == (row.set_id or -1))).execute()
    if not sheets.shares_file(row):
        files.delete(row.file_id)


def _must_be(row: Import, status: str) -> None:
    if row.status != status:
        raise Conflict(_("这次导入已经开始，不能再改。"))


def _payload(row: Import) -> dict[str, Any]:
    """What the job is told: its sentences are for the one who asked, in the language they are reading now."""
    return {"import_id": row.id, "locale": i18n.current()}


def actor_of(row: Import) -> Actor:
    """Who asked for the import; the appliance for the command line."""
    if row.actor_id is None:
        return SYSTEM
    actor = users.actor_of(row.actor_id)
    if actor is None:
        raise UserError(_("发起导入的人已停用，请由别人重新导入。"))
    return actor


def in_the_name_of(actor_id: int | None) -> Actor:
    """The appliance with a person's id: takes back whatever that person's import did, and the log shows who asked."""
    return SYSTEM if actor_id is None else replace(SYSTEM, id=actor_id)


def preview(row: Import, plan: Plan, actor: Actor, limit: int = 50) -> tuple[list[int], dict[str, list[Any]], Any, Any]:
    """The first rows as they would be stored: row numbers, columns by path, errors by row, and the raw cells."""
    form, facts = catalog.get(row.form), Facts.open(row.facts)
    all_targets = mapping.targets(form, actor)
    asked = plans.request(facts, plan, all_targets, limit=limit) | {"batch": limit}
    with reading(row) as reader:
        parsed = _last_batch(reader, "parse", asked)
        raw = _last_batch(reader, "rows", asked)
    if parsed is None or raw is None:
        return [], {}, {}, []
    for key, column in parsed["columns"].items():
        target = all_targets[key]
        if target.field is not None and not plans.child_reads(target):
            parsed["columns"][key], errors = target.field.parse_many(column)
            for i, message in errors.items():
                parsed["errors"].setdefault(i, {})[key] = message
    return parsed["numbers"], parsed["columns"], parsed["errors"], raw["rows"]


def _last_batch(reader: wire.Reader, do: str, asked: dict[str, Any]) -> Any:
    """The only batch of a limited question, or ``None`` when the file holds no row."""
    return next((payload for kind, payload in list(reader.ask(do, **asked)) if kind == "batch"), None)


def failures(row: Import, limit: int = 50) -> list[tuple[int, str]]:
    with read():
        query = ImportFailure.select(ImportFailure.row, ImportFailure.reason).where(ImportFailure.import_id == row.id)
        rows = query.order_by(ImportFailure.row).limit(limit).tuples().execute()
        return [(number, reason) for number, reason in rows]


def write_errors(row: Import) -> int | None:
    """Makes the file of the failed rows, as they stood in the source, with the reason in a last column."""
    with read():
        query = ImportFailure.select(ImportFailure.row, ImportFailure.reason).where(ImportFailure.import_id == row.id)
        reasons: dict[int, str] = {number: reason for number, reason in query.tuples().execute()}
    if not reasons:
        return None
    facts = Facts.open(row.facts)
    suffix = ".csv" if facts.encoding else ".xlsx"
    stem = Path(row.file_name).stem
    with reading(row) as reader, tempfile.TemporaryDirectory(prefix="guke-") as folder:
        target = Path(folder) / f"errors{suffix}"
        header = [*(facts.title(i) for i in range(len(facts.names))), _("失败原因")]
        tables.write_table(target, header, _failed_rows(reader, facts, reasons))
        with target.open("rb") as content:
            return files.save(content, _("%(stem)s-失败的行", stem=stem) + suffix, actor_id=row.actor_id)


def _failed_rows(reader: wire.Reader, facts: Facts, reasons: dict[int, str]) -> Iterator[list[Any]]:
    width = len(facts.names)
    asked = plans.request(facts, Plan(), {}, only=sorted(reasons))
    for kind, payload in reader.ask("rows", **asked):
        if kind == "batch":
            for number, cells in zip(payload["numbers"], payload["rows"], strict=True):
                yield [*cells[:width], *[None] * (width - len(cells)), reasons[number]]


def made_along(row: Import) -> tuple[int, int]:
    """How many related records (customers) and child records (order items) the import has made."""
    form = catalog.get(row.form)
    items = {child.id for child, _relation in mapping.children(form)}
    with read():
        query = (
            Change.select(Change.form_id, fn.COUNT(Change.id))
            .where((Change.cause_kind == "import") & (Change.cause_id == row.id) & (Change.action == "create"))
            .group_by(Change.form_id)
        )
        made: dict[int, int] = {form_id: count for form_id, count in query.tuples().execute()}
    related = sum(count for form_id, count in made.items() if form_id != form.id and form_id not in items)
    return related, sum(made.get(form_id, 0) for form_id in items)


def counts(row: Import) -> Counts:
    """What is done so far: of a running import, as of its last batch."""
    if row.status == "running" and row.job_id:
        state = jobs.get(row.job_id).state or {}
        return Counts.open(state.get("counts"))
    return Counts.open(row.counts)
