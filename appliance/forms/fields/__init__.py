"""The visible list of field types. A new type is one module, its templates and one line here."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from .attachments import Attachments, Images
from .barcode import Barcode
from .base import Field, FieldError, Spec
from .cascade import Cascade
from .choice import Choice, YesNo
from .clock_time import Duration, Month, Time
from .color import Color
from .contact import Email, Phone, Url
from .json_value import Json
from .moment import Date, DateTime
from .multi_choice import MultiChoice
from .number import Decimal, Integer, Money, Percent
from .relation import Person, Relation
from .rich import Markdown, RichText
from .scale import Rating, Slider
from .relations import Relations
from .signature import Signature
from .text import LongText, Text

TYPES: dict[str, type[Field]] = {}


def register(cls: type[Field]) -> type[Field]:
    """Adds a field type (also used by higher rooms). Raises on a second type of one name."""
    if cls.type in TYPES:
        raise ValueError(f"field type {cls.type!r} is registered twice")
    TYPES[cls.type] = cls
    return cls


for _cls in (
    Text, LongText, RichText, Markdown, Integer, Decimal, Money, Percent, Rating, Slider, Date, DateTime, Time, Duration,
    Month, YesNo, Choice, MultiChoice, Cascade, Color, Json, Barcode, Phone, Email, Url, Relation, Person,
    Attachments, Images, Signature, Relations,
):  # fmt: skip
    register(_cls)


def build(spec: Spec) -> Field:
    """The field of a definition. Raises :class:`FieldError` for an unknown type or options that make no sense."""
    cls = TYPES.get(spec.type)
    if cls is None:
        raise FieldError(_("没有「%(type)s」这种字段，可用：%(all)s。", type=spec.type, all=", ".join(sorted(TYPES))))
    return cls(spec)


def build_from(doc: dict[str, Any]) -> Field:
    return build(Spec.read(doc))
