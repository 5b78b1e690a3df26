"""Asks platforms that take a message first and tell later whether it arrived."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from ..connections import store
from ..core import clock, jobs
from ..core.db import write
from ..core.errors import UserError
from . import outbox, senders
from .models import Message
from .senders.base import CONFIRM

AGAIN = (600, 3_600)
"""Seconds until it is asked once more, while the platform has nothing to tell."""


@jobs.handler(CONFIRM, label=_l("核对消息是否送达"))
def run(job: jobs.Job) -> dict[str, Any]:
    """A message that did not arrive is a failed one after all."""
    asked = job.payload
    try:
        connection = store.get(asked["connection"])
    except UserError:
        return {}
    message = senders.Message(asked["key"], asked["to"], "")
    outcome = senders.get(asked["via"]).confirm(message, asked["provider_id"], connection)
    tries = int(asked.get("tries", 0))
    with write():
        if outcome is None and tries < len(AGAIN):
            jobs.enqueue(CONFIRM, asked | {"tries": tries + 1}, due_at=clock.now() + AGAIN[tries])
        elif outcome is not None and outcome.state == "failed":
            mine = (Message.key == asked["key"]) & (Message.state == outbox.DELIVERED)
            Message.update(state=outbox.FAILED, why="refused", error=outcome.error).where(mine).execute()
            return {"messages_not_arrived": 1}
    return {}
