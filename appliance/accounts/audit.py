"""The audit log: sign-ins, settings, users, tokens. Append only."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request

from ..core import clock
from ..core.db import write
from .actor import Actor, maybe_actor
from .models import AuditEntry


def note(action: str, detail: dict[str, Any] | None = None, actor: Actor | None = None) -> None:
    """Writes one line: ``note("token.created", {"name": "ERP"})``. The actor of the request is the default."""
    who = actor or maybe_actor()
    with write():
        AuditEntry.insert(
            at=clock.now(),
            actor_id=who.id if who else None,
            action=action,
            detail=detail or {},
            ip=request.remote_addr if has_request_context() else None,
        ).execute()
