"""What the pages of the import wizard show, and what their forms say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts.actor import Actor
from ...core import clock, jobs
from ...core.errors import UserError
from ...core.jobs import Job
from .. import catalog
from ..catalog import Form
from . import imports, mapping, saved_presets, sheets
from . import plan as plans
from .mapping import Target
from .models import Import
from .plan import Facts, Plan, letters
from .presets import PRESETS

ORDERS = {"dmy": "日/月/年", "mdy": "月/日/年"}


def read_sheet(row: Import, form: Form, facts: Facts, sent: Mapping[str, str]) -> Facts:
    """The facts of the sheet and header row that the form names; unchanged ones are not read again."""
    number = _number(sent.get("sheet"), facts.sheet)
    header = [_number(sent.get("header_row"), facts.header[0] + 1) - 1, 2 if sent.get("two_rows") else 1]
    if number != facts.sheet:
        return imports.inspect(row, form, sheet=number)
    if header != facts.header:
        return imports.inspect(row, form, sheet=number, header=header)
    return facts


def read_columns(row: Import, form: Form, sent: Mapping[str, str], actor: Actor) -> Plan:
    """The plan with the mapping that the form names (``column-3=phone``)."""
    plan, facts = Plan.open(row.plan), Facts.open(row.facts)
    all_targets = mapping.targets(form, actor)
    chosen = {i: sent.get(f"column-{i}", plan.columns.get(i, "")) for i in range(len(facts.names))}
    # Of two columns for one field the first in the preset's order counts; new ones come after.
    order = [*plan.columns, *(i for i in chosen if i not in plan.columns)]
    plan.columns = {i: chosen[i] for i in order if chosen.get(i) in all_targets}
    if plan.key not in plan.paths:
        plan.key = plans.default_key(plan, all_targets)
    return plan


def read_options(row: Import, sent: Mapping[str, str]) -> Plan:
    plan, facts = Plan.open(row.plan), Facts.open(row.facts)
    plan.key = sent.get("key") or None
    if sent.get("on_duplicate") in plans.DUPLICATES:
        plan.on_duplicate = sent["on_duplicate"]
    plan.bad_cells = "empty" if sent.get("bad_cells") == "empty" else "fail"
    for i in range(len(facts.names)):
        hint = dict(plan.hints.get(i, {}))
        if sent.get(f"order-{i}") in ORDERS:
            hint["order"] = sent[f"order-{i}"]
        if year := _number(sent.get(f"year-{i}"), 0):
            hint["year"] = year
        if hint:
            plan.hints[i] = hint
    return plan


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.strip().lstrip("-").isdecimal() else default


class ColumnRow(Struct, frozen=True):
    """One column of the file on the mapping page."""

    index: int
    letter: str
    title: str
    samples: list[Any]
    path: str


class MappingPage:
    """Which column fills which field."""

    def __init__(self, row: Import, actor: Actor, error: UserError | None = None) -> None:
        self.row, self.error = row, error
        self.form = catalog.get(row.form)
        self.facts, self.plan = Facts.open(row.facts), Plan.open(row.plan)
        self.targets = mapping.targets(self.form, actor)

    @cached_property
    def columns(self) -> list[ColumnRow]:
        return [
            ColumnRow(i, letters(i), self.facts.title(i), self.facts.samples[i][:3], self.plan.columns.get(i, ""))
            for i in range(len(self.facts.names))
        ]

    @cached_property
    def groups(self) -> dict[str, list[Target]]:
        """The targets under the label of their form or relation."""
        found: dict[str, list[Target]] = {}
        for target in self.targets.values():
            found.setdefault(target.group, []).append(target)
        return found

    @property
    def missing(self) -> list[str]:
        return mapping.missing(self.plan.paths, self.targets)

    @property
    def shared(self) -> list[str]:
        """Labels of targets that several columns fill."""
        paths = list(self.plan.columns.values())
        return [self.label(path) for path in dict.fromkeys(paths) if paths.count(path) > 1]

    @property
    def unmapped(self) -> int:
        return len(self.columns) - len(self.plan.columns)

    @property
    def presets(self) -> dict[str, Any]:
        own = {f"{saved_presets.PREFIX}{p.id}": p.name for p in saved_presets.of(self.form.key)}
        return {"": _("不用预设")} | own | {p.name: p.label for p in PRESETS.values() if p.form == self.form.key}

    @property
    def preset(self) -> str:
        """The preset that is used, as the choice names it."""
        return f"{saved_presets.PREFIX}{self.plan.saved}" if self.plan.saved else self.plan.preset or ""

    @cached_property
    def set(self) -> list[dict[str, Any]]:
        """The sheets that are taken in together; none when this one stands alone."""
        return sheets.document(self.row)

    @property
    def last(self) -> bool:
        """Whether all other sheets of the set have been gone through."""
        return sheets.following(self.row) is None

    @property
    def saved_name(self) -> str:
        """The name of the company's own preset in use."""
        found = saved_presets.find(self.form.key, self.preset) if self.plan.saved else None
        return found.name if found else ""

    @property
    def preset_note(self) -> Any:
        return PRESETS[self.plan.preset].note if self.plan.preset else None

    def label(self, path: str) -> str:
        target = self.targets.get(path)
        if target is None:
            return path
        return f"{target.group} · {target.label}" if target.via else target.label


class PreviewPage(MappingPage):
    """The first rows as they will be stored, and the decisions that are left."""

    def __init__(self, row: Import, actor: Actor, error: UserError | None = None) -> None:
        super().__init__(row, actor, error)
        self.numbers, columns, self.errors, self.raw = imports.preview(row, self.plan, actor)
        columns |= {path: [None] * len(self.numbers) for path in self.plan.constants if path not in columns}
        order = [path for path in dict.fromkeys(self.plan.columns.values()) if path in columns]
        self.paths = order + [path for path in columns if path not in order]
        self.cells = columns

    @cached_property
    def keys(self) -> dict[str, str]:
        return {"": _("不判断，每行都新建"), **plans.keys(self.plan, self.targets)}

    @cached_property
    def rows(self) -> list[tuple[int, list[tuple[str, str, str]]]]:
        """Row number, and for each path: the text to be stored, the sentence if the cell is bad, what the file has."""
        return [(number, [self._cell(i, path) for path in self.paths]) for i, number in enumerate(self.numbers)]

    def _cell(self, i: int, path: str) -> tuple[str, str, str]:
        error = self.errors.get(i, {}).get(path, "")
        raw = self._raw(i, path)
        if error:
            return raw, error, raw
        value = self.cells[path][i]
        field = self.targets[path].field
        if value is None and path in self.plan.constants:
            value = self.plan.constants[path]
        return (field.format(value) if field is not None and value not in (None, []) else ""), "", raw

    def _raw(self, i: int, path: str) -> str:
        for index, target in self.plan.columns.items():
            if target == path and index < len(self.raw[i]) and self.raw[i][index] is not None:
                return str(self.raw[i][index])
        return ""

    @cached_property
    def check(self) -> Check:
        return Check(self)


class Check:
    """The whole file's check: running, or what it found."""

    def __init__(self, page: MappingPage) -> None:
        row = page.row
        self.page = page
        self.found: dict[str, Any] | None = row.checked
        self.job: Job | None = jobs.get(row.check_job) if row.check_job and not self.found else None
        if self.job and self.job.finished:
            # It may have ended since the row was read.
            self.found = imports.get(row.id).checked

    @property
    def running(self) -> bool:
        return self.job is not None and not self.job.finished

    @property
    def failed(self) -> str:
        if not self.job or not self.job.finished or self.found:
            return ""
        return self.job.error or _("检查没有完成，可以直接开始导入。")

    @property
    def bad(self) -> list[tuple[str, int, list[list[Any]]]]:
        """Label, number of bad cells, examples (row, cell, sentence), the worst column first."""
        found = (self.found or {}).get("bad", {})
        rows = [(self.page.label(path), entry["count"], entry["examples"][:5]) for path, entry in found.items()]
        return sorted(rows, key=lambda r: -r[1])

    @property
    def good_rows(self) -> int:
        if not self.found:
            return 0
        lost = self.found["bad_rows"] if self.page.plan.bad_cells == "fail" else 0
        return int(self.found["read"] - lost)

    @property
    def questions(self) -> list[dict[str, Any]]:
        """Columns whose dates can be meant in two ways, or lack their year."""
        asked = []
        for index, hint in ((self.found or {}).get("hints") or {}).items():
            i = int(index)
            known = self.page.plan.hints.get(i, {})
            wants_order = hint["asks_order"] or bool(known.get("order"))
            if wants_order or hint["asks_year"] or hint["year"]:
                asked.append(
                    {
                        "index": i,
                        "title": self.page.facts.title(i),
                        "samples": [s for s in self.page.facts.samples[i] if isinstance(s, str)][:3],
                        "wants_order": wants_order,
                        "order": known.get("order"),
                        "wants_year": hint["asks_year"] or bool(hint["year"]),
                        "year": known.get("year") or hint["year"],
                    }
                )
        return asked


class Pace(Struct, frozen=True):
    """``rate`` in rows a second, ``left`` in seconds (``None``: not known yet)."""

    rate: int
    left: int | None


def pace(job: Job) -> Pace | None:
    """How fast a running job goes."""
    if not job.started_at or not job.done:
        return None
    passed = max(clock.now() - job.started_at, 1)
    rate = job.done / passed
    left = int((job.total - job.done) / rate) if job.total and rate else None
    return Pace(int(rate), max(left, 0) if left is not None else None)
