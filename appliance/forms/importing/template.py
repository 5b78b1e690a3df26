"""An empty file to fill in: the fields that may be imported as columns, with what each takes on a second sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask_babel import gettext as _

from ...accounts.actor import Actor
from ..catalog import Form
from ..fields.base import Field
from . import mapping
from .mapping import Target

MAX_LIST = 250
"""Characters that Excel takes for the list of a drop-down."""
ROWS = 2_000
"""How far down the drop-downs reach."""


def columns(form: Form, actor: Actor) -> list[Target]:
    """The targets a file of this form usually has: its own fields, and of a relation the one name that tells it."""
    every = mapping.targets(form, actor)
    found: list[Target] = []
    named: set[str] = set()
    for target in every.values():
        if target.field is None or target.path == mapping.ID or target.child:
            continue
        if not target.via and target.numbers:
            continue
        if target.via:
            if not target.names or target.via in named:
                continue
            named.add(target.via)
        elif target.link:
            continue
        found.append(target)
    return found


def write(form: Form, actor: Actor, path: Path) -> None:
    """Writes the xlsx file."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    targets = columns(form, actor)
    book = Workbook()
    sheet: Any = book.active
    sheet.title = form.label[:31].translate(str.maketrans("[]:*?/\\", "       ")).strip() or form.key
    needed = PatternFill("solid", fgColor="FFE8CC")
    for number, target in enumerate(targets, start=1):
        cell = sheet.cell(row=1, column=number, value=header(target))
        # A label is never a formula.
        cell.data_type = "s"
        cell.font = Font(bold=True)
        if _required(target):
            cell.fill = needed
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = max(10, min(28, len(header(target)) * 2 + 4))
        if target.field is not None and target.field.column == "TEXT":
            # Long numbers stay text: Excel rounds what it takes for a number after the fifteenth digit.
            for row in range(2, 202):
                sheet.cell(row=row, column=number).number_format = "@"
        if allowed := _list(target.field):
            rule = DataValidation(type="list", formula1=f'"{allowed}"', allow_blank=True, showErrorMessage=False)
            rule.add(f"{letter}2:{letter}{ROWS}")
            sheet.add_data_validation(rule)
    sheet.freeze_panes = "A2"
    notes: Any = book.create_sheet(_("填写说明"))
    for words in ([_("列"), _("类型"), _("必填"), _("可以填"), _("说明")], *map(_note, targets)):
        notes.append([_plain(text) for text in words])
    for letter, width in zip("ABCDE", (24, 14, 8, 48, 48), strict=True):
        notes.column_dimensions[letter].width = width
    for cells in notes.iter_rows():
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for cell in notes[1]:
        cell.font = Font(bold=True)
    book.save(path)


def header(target: Target) -> str:
    """What the column is called: the name by which importing finds the field again."""
    return f"{target.group}{target.label}" if target.via else target.label


def _required(target: Target) -> bool:
    return bool(target.field and target.field.required and target.field.spec.default is None and not target.via)


def _list(f: Field | None) -> str:
    """The values of a drop-down; empty when there are none or too many for Excel."""
    choices = f.value_choices() if f is not None and not f.multiple else None
    text = ",".join(label for _value, label in choices or [])
    ok = choices and len(text) <= MAX_LIST and '"' not in text and not any("," in label for _value, label in choices)
    return text if ok else ""


def _note(target: Target) -> list[str]:
    f = target.field
    assert f is not None
    choices = f.value_choices() or []
    allowed = _("、").join(label for _value, label in choices[:50]) + ("…" if len(choices) > 50 else "")
    return [header(target), str(f.name), _("必填") if _required(target) else "", allowed, f.help]


def _plain(text: str) -> str:
    """Text that Excel does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
