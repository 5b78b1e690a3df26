"""One job, as its handler and its watchers see it."""

from __future__ import annotations

import threading
import time
from typing import Any

from msgspec import Struct

from .. import clock
from ..db import read, write
from ..models import JobRow
from . import owner

SAVE_EVERY = 0.5
"""Seconds between two savings of progress; more often would only cost commits."""


class JobCancelled(Exception):
    """Somebody asked the job to stop. A handler may catch it to tidy up, and raises it again."""


class JobStopped(Exception):
    """The process is stopping: the job goes back to the queue with its state."""


class LeaseLost(Exception):
    """Another process took the job over; whatever this one still wants to write must not be written."""


stop_asked = threading.Event()
"""Set while the process is stopping; every handler notices it at its next ``progress`` or ``save_state``."""


class Job(Struct):
    """``status``: queued, running, done, failed or cancelled. Times are UTC seconds."""

    id: int
    kind: str
    payload: dict[str, Any]
    status: str
    due_at: int
    attempts: int
    unique: str | None
    cancel_asked: bool
    done: int
    total: int | None
    note: str | None
    state: Any
    result: dict[str, Any] | None
    error: str | None
    actor_id: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    _saved: float = 0.0

    @property
    def percent(self) -> int | None:
        """0 to 100, or ``None`` when the total is not known."""
        return min(100, self.done * 100 // self.total) if self.total else None

    @property
    def finished(self) -> bool:
        return self.status in ("done", "failed", "cancelled")

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Tells watchers how far the work is. Raises when the job was cancelled or the process stops."""
        self.done, self.total, self.note = done, self.total if total is None else total, note or self.note
        self._check_stop()
        if time.monotonic() - self._saved < SAVE_EVERY:
            return
        self._saved = time.monotonic()
        with write():
            self._save({"done": self.done, "total": self.total, "note": self.note})
        self._check_cancel()

    def save_state(self, state: Any) -> None:
        """Keeps a checkpoint, in the same transaction as the work it stands for when called inside ``write()``.

        Raises :class:`LeaseLost` when another process took over: the caller's transaction then rolls back.
        """
        with write():
            self._save({"state": state, "done": self.done, "total": self.total, "note": self.note})
        self.state = state

    def check(self) -> None:
        """Raises when the job was cancelled or the process is stopping; for long stretches without progress."""
        self._check_stop()
        self._check_cancel()

    def _save(self, values: dict[str, Any]) -> None:
        saved = (
            JobRow.update(lease_until=clock.now() + owner.LEASE, **values)
            .where((JobRow.id == self.id) & (JobRow.status == "running") & (JobRow.owner == owner.me()))
            .execute()
        )
        if not saved:
            raise LeaseLost(f"job {self.id} was taken over")

    def _check_stop(self) -> None:
        if stop_asked.is_set():
            raise JobStopped

    def _check_cancel(self) -> None:
        with read():
            asked = JobRow.select(JobRow.cancel_asked).where(JobRow.id == self.id).scalar()
        if asked:
            raise JobCancelled


def of_row(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        payload=row.payload,
        status=row.status,
        due_at=row.due_at,
        attempts=row.attempts,
        unique=row.unique_key,
        cancel_asked=row.cancel_asked,
        done=row.done,
        total=row.total,
        note=row.note,
        state=row.state,
        result=row.result,
        error=row.error,
        actor_id=row.actor_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
