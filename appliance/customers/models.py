"""Tables of the customers room: identities, tags, and the values that scores are made of."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField
from .events.models import TABLES as EVENTS


class Identity(Model):
    """One way a customer is known. ``scope``: the shop or app whose id it is; ``""`` when the value is unique everywhere."""

    customer_id = pw.IntegerField(index=True)
    kind = pw.TextField()
    scope = pw.TextField(default="")
    value = pw.TextField()
    evidence = pw.TextField(default="")
    """Where it comes from: ``field`` (it stands in the customer's own phone or e-mail field), ``import:12``, ``api``, …"""
    first_seen_at = pw.IntegerField()
    last_seen_at = pw.IntegerField()
    active = pw.BooleanField(default=True)
    """False while the customer is in the recycle bin: somebody else may take the value then."""

    class Meta:
        table_name = "identity"


Identity.add_index(
    Identity.index(
        Identity.kind,
        Identity.value,
        Identity.scope,
        unique=True,
        where=(Identity.active == True),  # noqa: E712
        name="u_identity",
    )
)


class TagGroup(Model):
    key = pw.TextField(unique=True)
    label = JSONField()
    exclusive = pw.BooleanField(default=False)
    """A customer holds at most one tag of it."""
    color = pw.TextField(default="blue")
    position = pw.IntegerField(default=0)
    system = pw.BooleanField(default=False)

    class Meta:
        table_name = "tag_group"


class Tag(Model):
    group = pw.ForeignKeyField(TagGroup, backref="tags")
    name = pw.TextField(unique=True)
    color = pw.TextField(null=True)
    position = pw.IntegerField(default=0)
    deleted_at = pw.IntegerField(null=True)
    """Set while a deletion can still be taken back; its links stay until it is made again or purged."""

    class Meta:
        table_name = "tag"


class CustomerTag(Model):
    customer_id = pw.IntegerField()
    tag_id = pw.IntegerField()
    at = pw.IntegerField()
    by = pw.IntegerField(null=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "customer_tag"
        primary_key = pw.CompositeKey("customer_id", "tag_id")
        indexes = ((("tag_id", "customer_id"), False),)


class RfmModel(Model):
    """One row: how the company scores, and what the last scoring found (``rfm.Config`` and ``rfm.State`` open them)."""

    config = JSONField(default=dict)
    state = JSONField(default=dict)

    class Meta:
        table_name = "rfm_model"


class RfmValue(Model):
    """What a customer is scored by. ``day``: the local day number of the last paid order; empty letters have no score."""

    customer_id = pw.IntegerField(primary_key=True)
    day = pw.IntegerField(null=True, index=True)
    f = pw.IntegerField(null=True, index=True)
    m = pw.IntegerField(null=True, index=True)
    i = pw.IntegerField(null=True, index=True)
    w = pw.IntegerField(null=True, index=True)

    class Meta:
        table_name = "rfm_value"


class RfmTouched(Model):
    """Customers whose values changed since the last scoring; a customer may stand here more than once."""

    customer_id = pw.IntegerField()

    class Meta:
        table_name = "rfm_touched"


class FavouriteTouched(Model):
    """Customers whose favourite category is to be computed; a customer may stand here more than once."""

    customer_id = pw.IntegerField()

    class Meta:
        table_name = "favourite_touched"


class Consent(Model):
    """One thing a customer said about being contacted. Rows are only added; the latest that counts is what stands."""

    customer_id = pw.IntegerField()
    purpose = pw.TextField()
    channel = pw.TextField()
    state = pw.TextField()
    """granted or withdrawn."""
    source = pw.TextField()
    """How it was given: ``phone``, ``shop``, ``paper``, ``chat``, ``page:3``, ``api``, ``merge:4``, …"""
    evidence = pw.TextField(default="")
    at = pw.IntegerField()
    """When the customer said so; not when it was written down."""
    actor_id = pw.IntegerField(null=True)
    merge_id = pw.IntegerField(null=True, index=True)
    entry_id = pw.IntegerField(null=True, index=True)
    """The record of the form ``consent_entry`` that says so."""
    void = pw.BooleanField(default=False)
    """It came with a merge or an entry that was taken back."""

    class Meta:
        table_name = "consent"
        indexes = (
            (("customer_id", "purpose", "channel", "at"), False),
            (("purpose", "channel", "customer_id", "at"), False),
        )


class Erasure(Model):
    """A customer whose personal data are gone. Says who, when and why, and nothing about the person."""

    customer_id = pw.IntegerField(unique=True)
    at = pw.IntegerField()
    actor_id = pw.IntegerField(null=True)
    reason = pw.TextField(default="")

    class Meta:
        table_name = "erasure"


TABLES = [
    *EVENTS,
    Consent,
    Erasure,
    FavouriteTouched,
    Identity,
    TagGroup,
    Tag,
    CustomerTag,
    RfmModel,
    RfmValue,
    RfmTouched,
]
