"""The inputs for what an action writes into a field: how (a value, from now on, another field …), and what."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from msgspec import field

from ..forms.catalog import Form
from . import editing
from .actions import values
from .actions.values import Copied, FromNow, SpanInput
from .editing import Input


class ValueInput(Input):
    """``copies``: the fields whose value could be taken; ``copied``: the one that is."""

    mode: str = "value"
    span: SpanInput = field(default_factory=SpanInput)
    copies: list[tuple[str, str]] = field(default_factory=list)
    copied: str = ""


def value_input(form: Form, key: str, name: str, raw: Any, source: Form) -> ValueInput | None:
    """The input of a field of ``form``, filled from a document; ``source``: whose fields may be taken over."""
    f = form.fields.get(key)
    if f is None:
        return None
    value = values.read(f, raw, source)
    plain = editing.input_of(form, key, name, values.plain_of(value))
    assert plain is not None
    copies = [(other.key, other.label) for other in source.columns.values() if values.fits(other, f) and other is not f]
    if f.type == "relation" and f.options.get("form") == source.key:
        copies.insert(0, ("id", _("这条%(form)s", form=source.one)))
    return ValueInput(
        f, name, plain.value, "", plain.title, plain.stored, values.mode_of(value),
        SpanInput.of(value.plus if isinstance(value, FromNow) else None), copies,
        str(value.raw.get("field")) if isinstance(value, Copied) else "",
    )  # fmt: skip
