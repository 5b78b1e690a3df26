"""Tables of the form engine. Record tables (``f_<key>``) are made by ``catalog`` from this metadata."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField
from .designing.models import TABLES as DESIGNING_TABLES
from .file_models import TABLES as FILE_TABLES
from .formula.models import TABLES as FORMULA_TABLES
from .importing.models import TABLES as IMPORT_TABLES
from .public.models import TABLES as PUBLIC_TABLES
from .retention_models import TABLES as RETENTION_TABLES
from .sealing_models import TABLES as SEALING_TABLES


class FormRow(Model):
    key = pw.TextField(unique=True)
    label = JSONField()
    icon = pw.TextField(default="table")
    title_field = pw.TextField(null=True)
    group = JSONField(null=True)
    options = JSONField(default=dict)
    system = pw.BooleanField(default=False)
    position = pw.IntegerField(default=0)
    last_id = pw.IntegerField(default=0)
    """The highest record id ever given out: ids are never used twice, even after a record is gone for good."""
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "form"


class FieldRow(Model):
    form = pw.ForeignKeyField(FormRow, backref="field_rows")
    key = pw.TextField()
    label = JSONField()
    type = pw.TextField()
    required = pw.BooleanField(default=False)
    unique = pw.BooleanField(default=False)
    indexed = pw.BooleanField(default=False)
    readonly = pw.BooleanField(default=False)
    """Kept by Guke: people and the API cannot write it."""
    default = JSONField(null=True)
    help = JSONField(null=True)
    options = JSONField(default=dict)
    system = pw.BooleanField(default=False)
    position = pw.IntegerField(default=0)
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "field"
        indexes = ((("form", "key"), True),)


class Change(Model):
    """One committed write to one record: history, audit trail and the source of triggers."""

    id = pw.AutoField()
    at = pw.IntegerField()
    form_id = pw.IntegerField()
    record_id = pw.IntegerField()
    action = pw.TextField()
    fields = JSONField()
    """create: ``{field: value}``; update: ``{field: [old, new]}``; multi-valued fields: ``{"add": […], "remove": […]}``."""
    actor_id = pw.IntegerField(null=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)
    depth = pw.IntegerField(default=0)

    class Meta:
        table_name = "change"
        indexes = ((("form_id", "record_id"), False),)


# What a person or a program wrote one by one has no cause to look it up by.
Change.add_index(Change.cause_kind, Change.cause_id, where=Change.cause_id.is_null(False))


class Comment(Model):
    """What somebody said about a record."""

    form_id = pw.IntegerField()
    record_id = pw.IntegerField()
    author_id = pw.IntegerField(null=True)
    text = pw.TextField()
    mentions = JSONField(default=list)
    """Ids of the people it names (those who could see the record then)."""
    at = pw.IntegerField()
    edited_at = pw.IntegerField(null=True)
    deleted_at = pw.IntegerField(null=True)
    """Taken away by its author; it can come back."""

    class Meta:
        table_name = "comment"
        indexes = ((("form_id", "record_id"), False),)


class Duplicate(Model):
    """Two records that look like one. ``why``: the ways in which they are alike, joined by ``|``; of each the keys of the fields
    that are equal, joined by ``+``, or what a room calls it (``identity:taobao_nick``)."""

    form_id = pw.IntegerField()
    one_id = pw.IntegerField()
    other_id = pw.IntegerField()
    why = pw.TextField()
    found_at = pw.IntegerField()
    decided_at = pw.IntegerField(null=True)
    """When somebody said that they are not the same."""
    decided_by = pw.IntegerField(null=True)
    likeness = pw.IntegerField(default=0)
    """0 to 100: how sure the ways are together."""
    met = pw.BooleanField(default=False)
    """Data that came in named both at once: the search over the form does not take the pair away."""
    later_at = pw.IntegerField(null=True)
    """Somebody wants to be asked again from then on."""

    class Meta:
        table_name = "duplicate"
        indexes = ((("form_id", "one_id", "other_id"), True),)


class Merge(Model):
    """One record that became part of another. ``merging`` opens ``moved`` and ``kept``."""

    form_id = pw.IntegerField()
    target_id = pw.IntegerField()
    """The record that stayed."""
    source_id = pw.IntegerField()
    """The record that went to the recycle bin."""
    at = pw.IntegerField()
    actor_id = pw.IntegerField(null=True)
    moved = JSONField(default=dict)
    """By mover, what it needs to take its move back."""
    why = pw.TextField(default="")
    """As a duplicate has it, when they were merged as a pair that was found."""
    undone_at = pw.IntegerField(null=True)
    undone_by = pw.IntegerField(null=True)

    class Meta:
        table_name = "record_merge"
        indexes = ((("form_id", "target_id"), False), (("form_id", "source_id"), False))


class View(Model):
    """A saved view: how it looks, columns, condition, sort; private to its owner or shared.

    The one without a name holds what its owner chose for the list itself.
    """

    form = pw.ForeignKeyField(FormRow)
    name = pw.TextField()
    owner_id = pw.IntegerField(index=True)
    shared = pw.BooleanField(default=False)
    where = JSONField(default=dict)
    sort = pw.TextField(null=True)
    columns = JSONField(null=True)
    kind = pw.TextField(default="list")
    settings = JSONField(default=dict)
    """``boards.settings.Settings``; in the view without a name a person's own choices, ``saved_views.Own``."""
    position = pw.IntegerField(default=0)
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "view"


class ViewDefault(Model):
    """The view with which a form's list opens for the people of a role."""

    form = pw.ForeignKeyField(FormRow)
    role_id = pw.IntegerField()
    view = pw.ForeignKeyField(View)

    class Meta:
        table_name = "view_default"
        indexes = ((("form", "role_id"), True),)


class FieldValue(Model):
    """One of the values of a field that holds many (choices, tags of a form's own): text. ``field_id`` is unique to a form."""

    field_id = pw.IntegerField()
    record_id = pw.IntegerField()
    value = pw.TextField()
    position = pw.IntegerField()

    class Meta:
        table_name = "field_value"
        primary_key = pw.CompositeKey("field_id", "record_id", "value")
        without_rowid = True
        indexes = ((("field_id", "value", "record_id"), False),)


class FieldLink(Model):
    """The same for values that are ids (people, departments, records)."""

    field_id = pw.IntegerField()
    record_id = pw.IntegerField()
    value = pw.IntegerField()
    position = pw.IntegerField()

    class Meta:
        table_name = "field_link"
        primary_key = pw.CompositeKey("field_id", "record_id", "value")
        without_rowid = True
        indexes = ((("field_id", "value", "record_id"), False),)


class SearchDirty(Model):
    """Ranges of records whose search entry is not up to date; drained by the job ``search.index``."""

    form_id = pw.IntegerField()
    first_id = pw.IntegerField()
    last_id = pw.IntegerField()

    class Meta:
        table_name = "search_dirty"


class CatalogVersion(Model):
    """One row: a token that changes with every definition, so that all processes read the catalogue again."""

    token = pw.TextField()

    class Meta:
        table_name = "catalog_version"


TABLES = [
    CatalogVersion,
    FormRow,
    FieldRow,
    Change,
    View,
    ViewDefault,
    SearchDirty,
    FieldValue,
    FieldLink,
    Comment,
    Duplicate,
    Merge,
    *DESIGNING_TABLES,
    *FILE_TABLES,
    *IMPORT_TABLES,
    *FORMULA_TABLES,
    *PUBLIC_TABLES,
    *RETENTION_TABLES,
    *SEALING_TABLES,
]
