"""Keys for people who never see one: a form's or field's key is made from its label."""

from __future__ import annotations

import re
from collections.abc import Collection

from .. import catalog, search
from ..catalog import KEY, RESERVED
from ..models import FieldRow, FormRow

LONGEST = 40
WORDS = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")


def suggest(text: str, taken: Collection[str] = (), fallback: str = "field") -> str:
    """A free key for a label: ``退款原因`` → ``tui_kuan_yuan_yin``. ``taken``: keys that are in use already."""
    parts = []
    for word in WORDS.findall(text.lower()):
        parts.append(search.reading(word) if search.CJK.match(word) else word)
    key = "_".join(parts)[:LONGEST].strip("_")
    if not KEY.fullmatch(key):
        key = f"{fallback}_{key}".strip("_")[:LONGEST]
    return _free(key if KEY.fullmatch(key) else fallback, taken)


def _free(base: str, taken: Collection[str]) -> str:
    key, n = base, 2
    while key in taken or key in RESERVED:
        key, n = f"{base}_{n}", n + 1
    return key


def for_form(text: str) -> str:
    """A key for a new form that no form has, not even one in the recycle bin."""
    return suggest(text, _forms(), "form")


def free(key: str) -> str:
    """``key``, or one like it that no form has."""
    return _free(key, _forms())


def _forms() -> set[str]:
    return {row.key for row in FormRow.select(FormRow.key)}


def for_field(text: str, form_key: str | None, taken: Collection[str] = ()) -> str:
    """A key for a new field, free also of the form's deleted ones."""
    form = catalog.all_forms().get(form_key or "")
    rows = FieldRow.select(FieldRow.key).where(FieldRow.form == form.id) if form else []
    return suggest(text, {*taken, *(row.key for row in rows)})
