"""Showing a masked value whole: one at a time, with a reason, so many a day, and never without a line in the audit log.

Two kinds of values are masked: those of types that are so for everybody (``Field.revealable``: identity card numbers), and those
of fields that a role gives only masked. What a role hides is not there at all.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ..accounts import audit, permissions
from ..accounts.actor import SYSTEM, Actor
from ..accounts.models import AuditEntry
from ..core import clock, settings
from ..core.db import read, write
from ..core.errors import Forbidden, NotFound, UserError
from . import query
from .catalog import Form
from .fields.base import Field

LONGEST = 200

settings.declare(
    "company.reveals_per_day", 50, _l("每人每天查看完整内容的次数"), "integer", least=0, most=10_000,
    help=_l("身份证号和对角色设为掩码的字段，每次查看都要写原因并记入操作日志。"),
)  # fmt: skip


def reveal(form: Form, record_id: int, key: str, actor: Actor, reason: Any) -> str:
    """The whole value of one field of one record. Raises NotFound for what may not be seen and for what is not masked,
    UserError without a reason, Forbidden when the day's number is used up."""
    f = field_of(form, key, actor)
    query.Query(form, actor).get(record_id)
    reason = reason.strip() if isinstance(reason, str) else ""
    if not 2 <= len(reason) <= LONGEST:
        raise UserError(_("请写明为什么要看，2 到 %(max)d 个字。", max=LONGEST), "reason")
    record = query.Query(form, SYSTEM).get(record_id)
    value = f.reveal(record.values.get(key)) if f.revealable else record.text(key)
    if not value:
        raise NotFound()
    with write():
        if left(actor) <= 0:
            raise Forbidden(_("您今天查看完整内容的次数已用完，明天再来，或请管理员调高次数。"))
        detail = {"form": form.label, "record": record_id, "field": f.label, "reason": reason}
        audit.note("record.revealed", detail, actor, f"record:{form.key}:{record_id}")
    return value


def field_of(form: Form, key: str, actor: Actor) -> Field:
    """The field, when its values are masked for the actor and can be had one by one. Raises NotFound."""
    f = query.readable(form, actor).get(key)
    if f is None or not (can_reveal(f, form, actor) or (f.revealable and key in query.clear(form, actor))):
        raise NotFound()
    return f


def can_reveal(f: Field, form: Form, actor: Actor) -> bool:
    """Whether the actor's roles mask the field and it holds a value of its own: not one that is repeated from elsewhere."""
    own = f.column and not f.through and f.type != "relation"
    return bool(own) and not actor.is_admin and permissions.field_access(actor, form.key, f.key) == "masked"


def left(actor: Actor) -> int:
    """How many more values the person may see today."""
    since = clock.start_of(clock.today(settings.tz()), settings.tz())
    mine = (AuditEntry.actor_id == actor.id) & (AuditEntry.action == "record.revealed") & (AuditEntry.at >= since)
    with read():
        used = int(AuditEntry.select(fn.COUNT(AuditEntry.id)).where(mine).scalar() or 0)
    return int(settings.get("company.reveals_per_day")) - used
