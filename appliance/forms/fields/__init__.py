"""The visible list of field types. A new type is one module, its templates and one line here."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from .address import Address
from .attachments import Attachments, Images
from .auto_number import AutoNumber
from .barcode import Barcode
from .base import Field, FieldError, Spec
from .cascade import Cascade
from .choice import Choice, YesNo
from .clock_time import Duration, Month, Time
from .color import Color
from .contact import Email, Phone, Url
from .formula import Formula
from .id_card import IdCard
from .json_value import Json
from .location import Location
from .lookup import Lookup
from .moment import Date, DateTime
from .multi_choice import MultiChoice
from .number import Decimal, Integer, Money, Percent
from .people import Department, Departments, Owner, Person, Persons
from .region import Region
from .relation import Relation
from .relations import Relations
from .rich import Markdown, RichText
from .rollup import Rollup
from .scale import Rating, Slider
from .signature import Signature
from .sub_form import SubForm
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
    Month, YesNo, Choice, MultiChoice, Cascade, Color, Json, Barcode, Phone, Email, Url, Relation, Person, Persons, Owner, Department, Departments,
    IdCard, Region, Address, Location,
    Attachments, Images, Signature, Relations, SubForm, Formula, Lookup, Rollup, AutoNumber,
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
