"""What is known about the file and what was decided about it: the two documents of an import, opened here only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import asdict

from ...accounts.actor import Actor
from ...core.errors import UserError
from ..catalog import Form
from . import address, mapping
from .mapping import ID, Target
from .presets import PRESETS, recognise

DUPLICATES = ("update", "skip", "create")
BAD_CELLS = ("fail", "empty")
BATCH = 1000
ANY_NAME = "*"
"""The key of forms whose records have several names: whatever identity in the row is known."""


class Facts(Struct):
    """What the reader saw at the top of the chosen sheet."""

    sheets: list[dict[str, Any]]
    sheet: int
    header: list[int]
    """``[first row (0-based, -1: none), rows]``."""
    names: list[str]
    samples: list[list[Any]]
    top: list[list[Any]]
    usual: int
    title_years: list[int]
    height: int
    """Rows of the sheet, roughly."""
    encoding: str | None = None
    frugal: bool = False

    @classmethod
    def open(cls, document: dict[str, Any]) -> Facts:
        return cls(**{name: document[name] for name in cls.__struct_fields__ if name in document})

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def title(self, index: int) -> str:
        """What a column is called; one without a name by its letters (``AB``)."""
        return (self.names[index] if index < len(self.names) else "") or _("%(letter)s 列", letter=letters(index))


class Plan(Struct):
    """``columns``: column index → target path. ``hints``: column index → how its dates are meant."""

    columns: dict[int, str] = field(default_factory=dict)
    preset: str | None = None
    saved: int | None = None
    """The company's own preset that was used."""
    key: str | None = None
    """Target path whose value tells records apart, or ``*``; ``None``: every row is a new record."""
    on_duplicate: str = "update"
    bad_cells: str = "fail"
    """``fail``: a row with a cell that cannot be read is not imported; ``empty``: without that cell."""
    hints: dict[int, dict[str, Any]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, document: dict[str, Any]) -> Plan:
        plan = cls(**{name: document[name] for name in cls.__struct_fields__ if name in document})
        plan.columns = {int(i): path for i, path in plan.columns.items()}
        plan.hints = {int(i): hint for i, hint in plan.hints.items()}
        return plan

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def paths(self) -> set[str]:
        return {*self.columns.values(), *self.constants}

    def use_preset(self, name: str, facts: Facts, all_targets: dict[str, Target]) -> None:
        """Fills mapping, constants and key from a preset; columns it does not know keep what the names say."""
        preset = PRESETS.get(name)
        if preset is None:
            raise UserError(_("没有「%(name)s」这个预设，可用：%(all)s。", name=name, all="、".join(PRESETS)), "preset")
        known = {i: path for i, path in preset.mapping(facts.names).items() if path in all_targets}
        if not known:
            raise UserError(
                _("文件里没有「%(preset)s」的任何一列，请检查文件或去掉预设。", preset=preset.label), "preset"
            )
        taken = set(known.values())
        extra = {i: path for i, path in self.columns.items() if i not in known and path not in taken}
        self.preset, self.columns = name, known | extra
        self.constants = {path: value for path, value in preset.constants.items() if path in all_targets}
        if preset.key in self.columns.values():
            self.key = preset.key


def propose(form: Form, facts: Facts, actor: Actor, preset: str | None = None) -> Plan:
    """The plan that the file itself suggests. ``preset`` "" keeps presets out of it, ``None`` recognises one; the
    company's own are named ``saved:ID`` or by their name."""
    from . import saved_presets

    all_targets = mapping.targets(form, actor)
    plan = Plan(columns=mapping.propose(facts.names, facts.samples, all_targets))
    plan.key = default_key(plan, all_targets)
    own = saved_presets.recognise(facts.names, form.key) if preset is None else saved_presets.find(form.key, preset)
    if own is not None:
        saved_presets.use(own, plan, facts, all_targets)
        return plan
    if preset is None:
        found = recognise(facts.names, form.key)
        preset = found.name if found else ""
    if preset:
        plan.use_preset(preset, facts, all_targets)
    return plan


def default_key(plan: Plan, all_targets: dict[str, Target]) -> str | None:
    """Of the mapped columns the one that tells records apart: a unique field, else whatever identities there are."""
    own = [t for t in all_targets.values() if t.names and not t.via and t.path in plan.paths and t.path != ID]
    unique = next((t.path for t in own if t.field and t.field.unique and not t.link), None)
    if unique or not own:
        return unique or (ID if ID in plan.paths else None)
    return own[0].path if len(own) == 1 else ANY_NAME


def keys(plan: Plan, all_targets: dict[str, Target]) -> dict[str, str]:
    """The mapped targets that may serve as key, with their labels."""
    found = {
        t.path: t.label
        for t in all_targets.values()
        if not t.via and t.path in plan.paths and t.field and (t.names or t.field.column)
    }
    if len(names := [t for t in all_targets.values() if t.path in found and t.link]) > 1 or (names and len(found) > 1):
        return {ANY_NAME: _("任何一种身份"), **found}
    return found


def check(plan: Plan, all_targets: dict[str, Target]) -> None:
    """Raises :class:`UserError` when the plan cannot be carried out."""
    mapping.check(plan.columns, all_targets)
    if not plan.columns:
        raise UserError(_("还没有任何一列对应到字段。请至少选择一列要导入的内容。"), "columns")
    if plan.on_duplicate not in DUPLICATES:
        raise UserError(_("重复时只能选 update、skip 或 create。"), "on_duplicate")
    if plan.bad_cells not in BAD_CELLS:
        raise UserError(_("有错的单元格只能选 fail 或 empty。"), "bad_cells")
    if plan.key not in (None, ANY_NAME) and plan.key not in plan.paths:
        raise UserError(_("判断重复用的「%(key)s」没有对应的列。", key=plan.key), "key")
    if left := mapping.missing(_filled(plan.paths), all_targets):
        raise UserError(_("必填的「%(fields)s」没有对应的列，请先选好。", fields="、".join(left)), "columns")


def _filled(paths: Iterable[str]) -> set[str]:
    out: set[str] = set()
    for path in paths:
        if address.is_target(path):
            out.update(address.split_column(path, []))
        out.add(path)
    return out


def request(facts: Facts, plan: Plan, all_targets: dict[str, Target], *, start: int = 0, **more: Any) -> dict[str, Any]:
    """What the reader's child process must know to parse the file by the plan."""
    indexes: dict[str, list[int]] = {}
    for index, path in plan.columns.items():
        indexes.setdefault(path, []).append(index)
    for path in plan.constants:
        indexes.setdefault(path, [])
    for path in list(indexes):
        if address.is_target(path):
            for part in address.split_column(path, []):
                if part in all_targets:
                    indexes.setdefault(part, [])
    for path in PRESETS[plan.preset].derived if plan.preset else ():
        indexes.setdefault(path, [])
    return {
        "sheet": facts.sheet,
        "header": facts.header,
        "names": facts.names,
        "usual": facts.usual,
        "title_years": facts.title_years,
        "frugal": facts.frugal,
        "preset": plan.preset,
        "key": plan.key,
        "hints": plan.hints,
        "batch": BATCH,
        "start": start,
        "targets": [
            {"path": path, "indexes": where, "field": _definition(all_targets[path])}
            for path, where in indexes.items()
            if path in all_targets
        ],
    } | more


def child_reads(target: Target) -> bool:
    """Whether the child can read such cells: a field type of this room whose values need no database."""
    field = target.field
    return (
        field is not None and not field.needs_database and type(field).__module__.startswith("appliance.forms.fields")
    )


def _definition(target: Target) -> dict[str, Any] | None:
    return target.field.spec.document() if target.field and child_reads(target) else None


def letters(index: int) -> str:
    """Column 0 → ``A``, 27 → ``AB``."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name
