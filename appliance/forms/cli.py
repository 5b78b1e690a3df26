"""``guke import`` and ``guke export``."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import click
from flask_babel import gettext as _

from ..accounts import audit
from ..accounts.actor import SYSTEM
from ..core import cli, files, folder, jobs
from ..core.errors import UserError
from ..core.jobs import Job
from . import catalog
from .importing import export as exporting
from .importing import imports, mapping, undo
from .importing import plan as plans
from .importing.models import Import
from .importing.plan import Facts, Plan

FILE = click.Path(path_type=Path, dir_okay=False)
READABLE = click.Path(path_type=Path, dir_okay=False, exists=True)


@cli.command("import", help="导入文件，或 import undo 编号 撤销导入 · import a file, or: import undo IMPORT_ID")
@click.argument("form")
@click.argument("file")
@click.option("--key", help="判断重复的字段 · field that tells records apart")
@click.option("--on-duplicate", type=click.Choice(plans.DUPLICATES), help="默认 update · default: update")
@click.option("--map", "map_file", type=READABLE, help='列的对应关系 · JSON: {"列名": "字段"} · {"header": "field"}')
@click.option(
    "--preset", help="预设的名称（none 表示不用）· a preset, built-in or saved, e.g. taobao (none: no preset)"
)
@click.option("--sheet", help="工作表的名称或序号 · name or number of the sheet")
@click.option("--date-order", type=click.Choice(["mdy", "dmy"]), help="03/04/2026 怎么读 · how 03/04/2026 is meant")
@click.option("--year", type=int, help="没写年份的日期是哪一年 · the year of days without one")
@click.option("--bad-cells", type=click.Choice(plans.BAD_CELLS), help="默认 fail · default: fail")
@click.option("--dry-run", is_flag=True, help="只检查，不写入 · check only")
def import_(form: str, file: str, dry_run: bool, **options: Any) -> None:
    if form == "undo":
        _undo(file)
        return
    with imports.keep_open():
        _import(form, Path(file), dry_run, options)


def _import(form: str, path: Path, dry_run: bool, options: dict[str, Any]) -> None:
    if not path.is_file():
        raise UserError(_("没有文件 %(path)s，请检查路径。", path=str(path)))
    target = catalog.get(form)
    began = time.monotonic()
    with path.open("rb") as content:
        row = imports.begin(target, content, path.name, SYSTEM, path.absolute())
    facts = _chosen_sheet(row, options["sheet"])
    plan = _plan(row, facts, options)
    imports.save_plan(row, plan, facts)
    try:
        plans.check(plan, mapping.targets(target))
    except UserError:
        _tell_mapping(facts, plan)
        imports.discard(row)
        raise
    _tell_mapping(facts, plan)
    if dry_run:
        _dry_run(row, facts, plan)
        return
    imports.start(row, SYSTEM)
    job = _watch(int(row.job_id or 0))
    row = imports.get(row.id)
    if job.status != "done":
        raise UserError(row.error or job.error or _("导入没有完成，再次运行会从头开始；用 guke import undo 可撤销。"))
    counts = imports.counts(row)
    result = {
        "created": counts.created,
        "updated": counts.updated,
        "skipped": counts.skipped,
        "failed": counts.failed,
        "blank": counts.blank,
        "summary": counts.summary,
        "related_created": counts.related,
        "children_created": counts.children,
        "seconds": round(time.monotonic() - began, 2),
        "import_id": row.id,
        "errors_file": _fetch_errors(row),
        "ignored": [facts.title(i) for i in range(len(facts.names)) if i not in plan.columns],
    }
    cli.show(
        result,
        _("新建 %(created)s，更新 %(updated)s，跳过 %(skipped)s，失败 %(failed)s；用时 %(seconds)s 秒。", **result),
        *([_("失败的行和原因：%(path)s", path=result["errors_file"])] if result["errors_file"] else []),
        _("撤销这次导入：guke import undo %(id)s", id=row.id),
    )


def _chosen_sheet(row: Import, wanted: str | None) -> Facts:
    facts = Facts.open(row.facts)
    if wanted is None:
        return facts
    names = [sheet["name"] for sheet in facts.sheets]
    if wanted in names:
        number = names.index(wanted)
    elif wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        number = int(wanted) - 1
    else:
        raise UserError(_("没有工作表「%(name)s」，文件里有：%(all)s。", name=wanted, all="、".join(names)))
    return imports.inspect(row, catalog.get(row.form), sheet=number)


def _plan(row: Import, facts: Facts, options: dict[str, Any]) -> Plan:
    form = catalog.get(row.form)
    all_targets = mapping.targets(form)
    preset = options["preset"]
    plan = plans.propose(form, facts, SYSTEM, "" if preset == "none" else preset)
    if options["map_file"]:
        _use_map(plan, facts, options["map_file"])
        mapping.check(plan.columns, all_targets)
        plan.key = plan.key if plan.key in plan.paths else plans.default_key(plan, all_targets)
    if options["key"]:
        plan.key = options["key"]
    plan.on_duplicate = options["on_duplicate"] or plan.on_duplicate
    plan.bad_cells = options["bad_cells"] or plan.bad_cells
    if options["date_order"] or options["year"]:
        hint = {"order": options["date_order"], "year": options["year"]}
        plan.hints = {index: hint for index in plan.columns}
    return plan


def _use_map(plan: Plan, facts: Facts, file: Path) -> None:
    """The file's word counts: a header mapped to null or "" is left out, others keep their proposal."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        pairs = document.get("columns", document)
        constants = document.get("constants", {}) if "columns" in document else {}
        if not isinstance(pairs, dict) or not isinstance(constants, dict):
            raise ValueError
    except (ValueError, AttributeError):
        raise UserError(_('%(path)s 要写成 {"列名": "字段"} 这样的 JSON。', path=str(file))) from None
    places = {name: i for i, name in reversed(list(enumerate(facts.names)))}
    for header, path in pairs.items():
        if header not in places:
            raise UserError(_("文件里没有「%(header)s」这一列。", header=header))
        plan.columns.pop(places[header], None)
        if path:
            plan.columns = {i: p for i, p in plan.columns.items() if p != path or facts.names[i] in pairs}
            plan.columns[places[header]] = path
    plan.constants |= constants


def _tell_mapping(facts: Facts, plan: Plan) -> None:
    for i in range(len(facts.names)):
        cli.note(f"  {facts.title(i)} → {plan.columns.get(i) or _('不导入')}")


def _dry_run(row: Import, facts: Facts, plan: Plan) -> None:
    imports.start_check(row, SYSTEM)
    job = _watch(int(row.check_job or 0))
    found: dict[str, Any] = imports.get(row.id).checked or {}
    imports.discard(imports.get(row.id))
    if job.status != "done":
        raise UserError(job.error or _("检查没有完成。"))
    result = {
        "rows": found["read"],
        "bad_rows": found["bad_rows"],
        "repeated_keys": found["repeated"],
        "blank": found["blank"],
        "summary": found["summary"],
        "bad": {path: entry["count"] for path, entry in found["bad"].items()},
        "key": plan.key,
        "columns": {facts.title(i): path for i, path in plan.columns.items()},
        "ignored": [facts.title(i) for i in range(len(facts.names)) if i not in plan.columns],
        "dry_run": True,
    }
    cli.show(result, _("共 %(rows)s 行，其中 %(bad_rows)s 行有读不懂的单元格；没有写入任何记录。", **result))
    for path, entry in found["bad"].items():
        for number, _cell, message in entry["examples"][:3]:
            cli.note(_("  第 %(row)s 行 %(path)s：%(message)s", row=number, path=path, message=message))


def _watch(job_id: int) -> Job:
    """Does the job here, or watches the server do it."""
    shown = time.monotonic()
    while not (job := jobs.get(job_id)).finished:
        jobs.work_on(job_id)
        job = jobs.get(job_id)
        if job.finished:
            break
        if time.monotonic() - shown > 1:
            shown = time.monotonic()
            cli.note(f"  {job.done} / {job.total or '?'}")
        time.sleep(0.2)
    return job


def _fetch_errors(row: Import) -> str | None:
    """Puts the file of failed rows into the data folder."""
    if row.errors_file is None:
        return None
    target = folder.path() / "imports"
    target.mkdir(mode=0o700, exist_ok=True)
    target /= f"errors-{row.id}{Path(files.get(row.errors_file).name).suffix}"
    with files.open_temp(row.errors_file) as temporary:
        shutil.copyfile(temporary, target)
    return str(target)


def _undo(import_id: str) -> None:
    if not import_id.isdecimal():
        raise UserError(_("请写导入的编号，例如 guke import undo 12。"))
    row = imports.get(int(import_id))
    job = _watch(undo.start(row, SYSTEM))
    if job.status != "done":
        raise UserError(job.error or _("撤销没有完成，请再试一次。"))
    done = imports.get(row.id).undone
    cli.show(
        {"import_id": row.id, **done},
        _("已撤销：%(deleted)s 条移到回收站，%(restored)s 条改回原样，%(kept_fields)s 处之后又改过，没有动。", **done),
    )


@cli.command("export", help="导出记录到 xlsx 或 csv · export records")
@click.argument("form")
@click.argument("file", type=FILE)
@click.option("--where", "where_", help="条件（JSON）· a condition as JSON")
def export(form: str, file: Path, where_: str | None) -> None:
    try:
        condition = json.loads(where_) if where_ else None
    except ValueError:
        raise UserError(_("--where 不是有效的 JSON，请检查引号和括号。")) from None
    if not file.absolute().parent.is_dir():
        raise UserError(_("目录 %(path)s 不存在。", path=str(file.absolute().parent)))
    wanted = catalog.get(form)
    count = exporting.write_file(exporting.selected(wanted, SYSTEM, condition), file)
    audit.note(
        "records.exported", {"name": wanted.label, "count": count, "file": file.name}, SYSTEM, f"form:{wanted.key}"
    )
    cli.show(
        {"records": count, "file": str(file.absolute())},
        _("已导出 %(count)s 条记录到 %(file)s。", count=count, file=str(file)),
    )
