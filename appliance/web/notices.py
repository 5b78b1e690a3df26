"""What a person should know: their own background work, newest first."""

from __future__ import annotations

from ..accounts.actor import Actor
from ..core.db import read
from ..core.models import JobRow

SHOWN = 30


def jobs_of(actor: Actor) -> list[JobRow]:
    """The last jobs that ``actor`` started."""
    with read():
        return list(JobRow.select().where(JobRow.actor_id == actor.id).order_by(JobRow.id.desc()).limit(SHOWN))
