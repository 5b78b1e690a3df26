"""Who uses a segment: asked before one goes. Higher rooms register what of theirs does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flask_babel import gettext as _

from ...accounts.models import Role
from ...core.i18n import label as i18n_label
from ...forms import catalog
from ...forms.catalog import Form
from ...forms.designing import uses as form_uses
from ...forms.designing.uses import Use
from ...forms.models import View
from ..models import Tag
from . import sets, store
from .models import DynamicTag
from .store import Segment

Names = Callable[[str], Iterator[str]]
_finders: list[Names] = []


def finder(fn: Names) -> Names:
    """Registers a function that yields in words what uses the segment of a key: ``规则「新客欢迎」``."""
    _finders.append(fn)
    return fn


def of(segment: Segment) -> list[str]:
    return list(dict.fromkeys(words for fn in _finders for words in fn(segment.key)))


@finder
def _segments(key: str) -> Iterator[str]:
    for other in store.all(private=True):
        if other.key != key and key in sets.named(other.condition if other.kind != store.STATIC else {}):
            yield (
                _("客群「%(name)s」", name=other.label)
                if other.tag_id is None
                else _("标签「%(name)s」的条件", name=other.label)
            )


@finder
def _tags(key: str) -> Iterator[str]:
    names = (
        Tag.select(Tag.name)
        .join(DynamicTag, on=(DynamicTag.tag_id == Tag.id))
        .where(DynamicTag.segment_id == store.get(key).id, Tag.deleted_at.is_null())
    )
    for (name,) in names.tuples():
        yield _("标签「%(name)s」", name=name)


@finder
def _views(key: str) -> Iterator[str]:
    form = catalog.get("customer")
    for view in View.select().where(View.form == form.id, View.deleted_at.is_null(), View.name != ""):
        if key in sets.named(view.where):
            yield _("视图「%(name)s」", name=view.name)


@finder
def _roles(key: str) -> Iterator[str]:
    for role in Role.select():
        if key in sets.named(role.rights):
            yield _("角色「%(name)s」的数据范围", name=i18n_label(role.label))


@form_uses.finder
def fields(form: Form, key: str | None) -> Iterator[Use]:
    """A segment that is on could not be kept without the field that its condition names."""
    customer = catalog.all_forms().get("customer")
    for segment in store.all(private=True):
        if (
            segment.kind == store.CONDITION
            and customer
            and (form.key, key) in form_uses.named(segment.definition, customer)
        ):
            words = (
                _("客群「%(name)s」", name=segment.label)
                if segment.tag_id is None
                else _("标签「%(name)s」的条件", name=segment.label)
            )
            yield Use(words, segment.enabled)
