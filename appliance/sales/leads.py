"""A lead becomes a customer: one who is known already by phone or e-mail, or a new one."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock
from ..core.db import write
from ..core.errors import Forbidden, UserError
from ..customers import identities
from ..customers.identities import Key
from ..customers.kinds import CONTACTS
from ..forms import catalog, causes, conditions, query, records
from ..forms.hooks import Cause
from ..forms.query import Query, Record

CONVERT = "convert"
causes.label(CONVERT, _l("转客户"))

COPIED = ("name", "phone", "email", "wechat", "province", "city", "channel", "source", "owner", "department", "remark")
"""What a new customer takes from the lead."""

NEW = "new"


def matches(lead: Record, actor: Actor) -> list[Record]:
    """The customers that the lead may be: those with its phone or e-mail, as far as the actor sees them."""
    return Query(catalog.get("customer"), actor).get_many(sorted(set(_held(lead).values()))) if _sees(actor) else []


def _sees(actor: Actor) -> bool:
    return permissions.can(actor, "see", "customer")


def _held(lead: Record) -> dict[Key, int]:
    """The lead's phone and e-mail → the customers that have them."""
    found: dict[Key, int] = {}
    kinds = identities.kinds()
    for kind in CONTACTS:
        value = lead.values.get(kind)
        if isinstance(value, str) and value:
            key = Key(kind, kinds[kind].parse(value))
            found |= identities.owners([key])
    return found


def may_convert(lead: Record, actor: Actor) -> bool:
    return (
        not lead.values.get("customer")
        and permissions.can(actor, "edit", "lead")
        and _sees(actor)
        and permissions.can(actor, "create", "customer")
    )


def convert(lead_id: int, actor: Actor, into: int | str | None = None) -> int:
    """Makes a lead a customer; returns the customer's id. ``into``: an existing customer, :data:`NEW` for a new one, ``None``
    for whoever has the lead's phone or e-mail, else a new one.

    Follow-ups and tasks of the lead belong to the customer from then on; the lead stays, with all that happened. Raises
    NotFound, Forbidden, FieldErrors, UserError when the phone is that of a customer whom the actor may not see.
    """
    form = catalog.get("lead")
    with write():
        # The whole of it, whatever the actor sees masked: it is copied, not shown.
        query.get(form, lead_id, actor)
        lead = query.get(form, lead_id, conditions.seeing_all(actor))
        if lead.values.get("customer"):
            raise UserError(_("这条线索已经转成客户了。"))
        if not may_convert(lead, actor):
            raise Forbidden(_("转客户要有修改线索和新建客户的权限。需要时请联系管理员。"))
        customer_id = _customer(lead, into, actor)
        cause = Cause(CONVERT, lead_id)
        everywhere = conditions.seeing_all(actor)
        records.update(form, lead_id, {"customer": customer_id, "stage": "converted"}, everywhere, cause=cause)
        records.write_derived(form, {"converted_at": clock.now()}, form.col("id") == lead_id)
        for key in ("follow_up", "task"):
            other = catalog.get(key)
            mine = Query(other, everywhere).only((other.col("lead") == lead_id) & other.col("customer").is_null())
            ids = [record.id for record in mine.each(fields=[])]
            records.update_many(other, {i: {"customer": customer_id} for i in ids}, everywhere, cause)
    return customer_id


def _customer(lead: Record, into: int | str | None, actor: Actor) -> int:
    customers = catalog.get("customer")
    if isinstance(into, int):
        known = query.get(customers, into, actor)
    else:
        held = _held(lead)
        seen = matches(lead, actor)
        hidden = {key: owner for key, owner in held.items() if owner not in {r.id for r in seen}}
        if hidden:
            key, owner = next(iter(hidden.items()))
            raise UserError(identities.taken_message(key, owner, actor))
        if len(seen) > 1 and into != NEW:
            raise UserError(_("手机和邮箱属于两位不同的客户，请选择并入哪一位。"), "into")
        if not seen or into == NEW:
            values = {key: lead.values.get(key) for key in COPIED if lead.values.get(key) not in (None, "")}
            if seen:
                # The known customer keeps phone and e-mail: nobody shares them.
                values = {key: value for key, value in values.items() if key not in CONTACTS}
            return records.create(customers, values, conditions.seeing_all(actor), Cause(CONVERT, lead.id))
        known = seen[0]
    _complete(known, lead, actor)
    return known.id


def _complete(known: Record, lead: Record, actor: Actor) -> None:
    """What the customer lacks and the lead has; a customer of nobody becomes the lead's owner's."""
    whole = query.get(known.form, known.id, conditions.seeing_all(actor))
    taken = _held(lead)
    values: dict[str, Any] = {}
    for key in COPIED:
        value = lead.values.get(key)
        if value in (None, "") or whole.values.get(key) not in (None, ""):
            continue
        if key in CONTACTS and any(k.kind == key and owner != known.id for k, owner in taken.items()):
            continue
        values[key] = value
    if values:
        records.update(known.form, known.id, values, conditions.seeing_all(actor), cause=Cause(CONVERT, lead.id))
