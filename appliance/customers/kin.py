"""Who has to do with a customer: whom they brought or were brought by, who shares a contact or an address, who was merged in."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext as _
from msgspec import Struct

from ..accounts.actor import Actor
from ..forms import catalog, duplicates, merging, query
from ..forms.query import Query, Record, clear

MOST = 8
SHARED = ("phone", "email", "address")
"""Types of fields whose equal values say that two have to do with each other."""


class Person(Struct, frozen=True):
    """``why``: what they have to do with the customer; ``url``: their page, or that of the merge."""

    name: str
    why: str
    url: str


def of(customer: Record, actor: Actor) -> list[Person]:
    """As far as the reader may see them. The caller has made sure that the customer may be seen."""
    form, seen = customer.form, clear(customer.form, actor)
    found: dict[int, str] = {}
    for key, f in seen.items():
        value = customer.values.get(key)
        if f.points_at == form.key and value:
            for other in value if isinstance(value, list) else [value]:
                found.setdefault(other, f.label)
    for other_form, f in catalog.inverse(form):
        if other_form.key == form.key and f.key in seen:
            rows = Query(form, actor).where(f.naming(customer.id)).page(MOST, fields=[])
            for record in rows.records:
                found.setdefault(record.id, _("「%(field)s」是这位客户", field=f.label))
    for key, f in seen.items():
        value = customer.values.get(key)
        if value and isinstance(value, str) and (f.type in SHARED or key == "wechat") and not f.unique:
            for other in duplicates.holders(form, f, value):
                found.setdefault(other, _("「%(field)s」相同", field=f.label))
    found.pop(customer.id, None)
    names = query.titles(form, list(found)[: MOST * 3], actor)
    people = [
        Person(names[i], why, url_for("forms.show_record", form_key=form.key, record_id=i))
        for i, why in found.items()
        if i in names
    ]
    return people[:MOST] + _merged_in(customer)


def _merged_in(customer: Record) -> list[Person]:
    return [
        Person(_("编号 %(id)d", id=row.source_id), _("已并入"), merging.url_of(row.id) or "")
        for row in merging.done_to(customer.form, customer.id)[:MOST]
    ]
