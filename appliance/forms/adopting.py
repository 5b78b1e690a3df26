"""What a release brings under a key that the company uses already: its form becomes the built-in one and keeps all it has.

A field of the same kind that people fill in becomes the built-in field. Any other steps aside with all its values: ``due_at`` is
``due_at_own`` from then on, in its form's lists, layout and views as well, and ``due_at`` is the built-in one.
"""

from __future__ import annotations

import logging
from typing import Any

from . import catalog, records
from .catalog import RETYPED, Form
from .fields.base import Spec
from .models import FieldRow, FormRow

log = logging.getLogger(__name__)

SUFFIX = "_own"


def make_room(form: Form, docs: list[dict[str, Any]]) -> None:
    """For the fields ``docs`` of the built-in form. Only inside ``catalog.editing``."""
    FormRow.update(system=True).where(FormRow.id == form.id).execute()
    brought = {doc["key"]: Spec.read(doc) for doc in docs}
    rows = FieldRow.select().where(FieldRow.form == form.id, FieldRow.key.in_(list(brought)), ~FieldRow.system)
    for row in list(rows):
        if row.deleted_at is None and _same(catalog.spec_of(row), brought[row.key]):
            FieldRow.update(system=True, type=brought[row.key].type).where(FieldRow.id == row.id).execute()
        else:
            _step_aside(form, row)
    catalog.touch()


def _same(own: Spec, brought: Spec) -> bool:
    """Whether values of one are values of the other, and Guke would not write over them."""
    alike = catalog.shape(own) == catalog.shape(brought) or (own.type, brought.type) == ("text", "long_text")
    if brought.readonly or not alike:
        return False
    return bool(own.options.get("form") == brought.options.get("form"))


def _step_aside(form: Form, row: FieldRow) -> None:
    key, taken = row.key, {other.key for other in FieldRow.select(FieldRow.key).where(FieldRow.form == form.id)}
    new = next(name for n in range(1, 100) if (name := f"{key}{SUFFIX}{n if n > 1 else ''}") not in taken)
    catalog.rename_column(form, key, new)
    FieldRow.update(key=new).where(FieldRow.id == row.id).execute()
    current = FormRow.get_by_id(form.id)
    options = _renamed({k: v for k, v in current.options.items() if k != RETYPED}, key, new)
    # What Changes say under the old key are values of the company's field.
    retyped = dict(current.options.get(RETYPED, {}))
    entries = [*retyped.pop(key, []), [records.latest_change(), catalog.spec_of(row).document(), 0]]
    options[RETYPED] = retyped | {key: entries}
    title = new if current.title_field == key else current.title_field
    FormRow.update(options=options, title_field=title).where(FormRow.id == form.id).execute()
    log.warning("the field %s of the form %s is the company's own: it is %s from now on", key, form.key, new)


def _renamed(doc: Any, key: str, new: str) -> Any:
    """A document of the form's options with the field's new key for the old one."""
    if isinstance(doc, dict):
        return {name: _renamed(part, key, new) for name, part in doc.items()}
    if isinstance(doc, list):
        return [_renamed(part, key, new) for part in doc]
    if isinstance(doc, str) and (doc.removeprefix("-") == key or doc.startswith(f"{key}.")):
        return doc.replace(key, new, 1)
    return doc
