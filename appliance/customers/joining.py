"""Two records of one customer: how they are recognised, and what of theirs goes along when they are merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import peewee
from flask_babel import gettext as _

from ..accounts.actor import Actor
from ..forms import duplicates, merging, records
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.models import Change
from . import identities
from .identities import Key
from .kinds import CONTACTS
from .models import Identity


@duplicates.known_by("customer")
def by_identity(values: Mapping[str, Any]) -> dict[int, str]:
    """Customers that are known by one of the typed identities, phone and e-mail included."""
    named = [Key(kind, str(values[kind])) for kind in CONTACTS if values.get(kind)]
    field = _field()
    if isinstance(values.get("identities"), dict) and field is not None:
        named += field.named(values["identities"])
    labels = identities.kinds()
    return {
        owner: _("「%(field)s」相同", field=labels[key.kind].label if key.kind in labels else key.kind)
        for key, owner in identities.owners(named).items()
    }


def _field() -> Any:
    from ..forms import catalog

    return catalog.get("customer").fields.get("identities")


@merging.moves("customer")
class Identities(merging.Mover):
    """Every way in which either record was known leads to the one that stays: also the phone and the e-mail that were not
    chosen."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        if "identities" not in form.fields:
            return None
        held = identities.of([source, target])
        wanted = list(held.get(source, {}))
        for (fields,) in (
            Change.select(Change.fields)
            .where(
                Change.cause_kind == cause.kind, Change.cause_id == cause.id, Change.form_id == form.id,
                Change.record_id == target, Change.action == "update",
            ).tuples()
        ):  # fmt: skip
            wanted += [Key(kind, fields[kind][0]) for kind in CONTACTS if kind in fields and fields[kind][0]]
        missing = [key.text() for key in dict.fromkeys(wanted) if key not in held.get(target, {})]
        if missing:
            # The Change of this write takes it back.
            records.update_many(form, {target: {"identities": {"add": missing}}}, actor, cause, parsed=True)
            self._keep_moments(source, target)
        return None

    def _keep_moments(self, source: int, target: int) -> None:
        """Since when, and when last, somebody was known by it does not change with the record that holds it."""
        old = Identity.alias("old")
        same = (old.customer_id == source) & (old.kind == Identity.kind) & (old.value == Identity.value) & (
            old.scope == Identity.scope
        )  # fmt: skip
        for column in (Identity.first_seen_at, Identity.last_seen_at):
            theirs = old.select(getattr(old, column.name)).where(same).limit(1)
            Identity.update({column: peewee.fn.COALESCE(theirs, column)}).where(
                Identity.customer_id == target, Identity.evidence.startswith("merge:")
            ).execute()
