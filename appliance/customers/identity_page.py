"""The ways in which a customer is known, as their page shows them: by platform, with where each comes from and since when."""

from __future__ import annotations

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core.errors import UserError
from ..forms import causes, record_pages
from ..forms.fields.base import FieldError
from ..forms.query import Record, clear
from . import identities
from .identities import FIELD, Key
from .kinds import CONTACTS, Kind
from .models import Identity


class Row(Struct, frozen=True):
    """One identity. ``entry``: as a change of the field names it; ``own``: it stands in a field of the customer."""

    label: str
    value: str
    scope: str
    source: str
    first_seen_at: int
    last_seen_at: int
    entry: str
    own: bool


def rows(record: Record, actor: Actor) -> list[Row]:
    """As far as the reader may see them: the phone only for those who see phones."""
    seen = clear(record.form, actor)
    if "identities" not in seen:
        return []
    known = identities.kinds()
    order = {kind: n for n, kind in enumerate(known)}
    found = Identity.select().where(Identity.customer_id == record.id).order_by(Identity.id)
    out = []
    for row in sorted(found, key=lambda row: (order.get(row.kind, 99), row.id)):
        if row.kind in CONTACTS and row.kind not in seen:
            continue
        label = known[row.kind].label if row.kind in known else row.kind
        entry = Key(row.kind, row.value, row.scope).text()
        out.append(
            Row(
                label,
                row.value,
                row.scope,
                _source(row.evidence),
                row.first_seen_at,
                row.last_seen_at,
                entry,
                row.evidence == FIELD,
            )
        )
    return out


def _source(evidence: str) -> str:
    """``import:12`` → ``导入 12``."""
    kind, _colon, number = evidence.partition(":")
    if kind == FIELD:
        return _("客户资料")
    return causes.words(kind, int(number) if number.isdecimal() else None, None) if kind else ""


def addable() -> dict[str, Kind]:
    return identities.kinds()


def may_change(record: Record, actor: Actor) -> bool:
    return record_pages.editable(record.form, record.form.fields["identities"], actor) and permissions.can(
        actor, "edit", "customer"
    )


def entry(kind: str, value: str, scope: str) -> str:
    """What was typed, as a change of the field names it. Raises UserError."""
    known = identities.kinds().get(kind)
    if known is None:
        raise UserError(_("请选择是什么身份。"), "kind")
    try:
        return Key(kind, known.parse(value), scope.strip()).text()
    except FieldError as error:
        raise UserError(str(error), "value") from error
