"""What wakes the workers: Huey, on a small disposable file of its own, and a glance at the tables each second.

The file holds nothing but "look": the job table knows what is due. It may be deleted, damaged or left over from a
crash at any time.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from huey.consumer import Consumer, Scheduler, Worker
from huey.storage import MemoryStorage

from .. import clock, folder
from ..db import read
from . import owner, queue, runner, timers
from .job import stop_asked

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks for rows that came due by themselves or were made by another process."""


class _Queue(SqliteHuey):
    """A queue that mends its file instead of failing."""

    storage: Any

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._open()
        except sqlite3.Error:
            self._remove()
            self._open()

    def _open(self) -> None:
        super().__init__(
            "guke", filename=str(self.file), results=False, store_none=False, utc=True, fsync=False, cache_mb=1
        )

    def _remove(self) -> None:
        for part in self.file.parent.glob(self.file.name + "*"):
            part.unlink(missing_ok=True)

    def mend(self) -> None:
        """Begins a new file; in memory if even that fails. The tasks stay known."""
        log.warning("the queue file was unusable; beginning a new one (nothing is lost, the job table is complete)")
        with contextlib.suppress(sqlite3.Error):
            self.storage.close()
        try:
            self._remove()
            self.storage.initialize_schema()
        except (sqlite3.Error, OSError):
            self.storage = MemoryStorage(self.name)

    def dequeue(self) -> Any:
        try:
            return super().dequeue()
        except sqlite3.Error:
            self.mend()
            return None

    def execute(self, task: Any, timestamp: Any = None) -> Any:
        try:
            return super().execute(task, timestamp)
        except sqlite3.Error:
            # The task's own errors are caught in the task: this one is the queue's.
            self.mend()
            self.ring()
            return None


class _Worker(Worker):
    """Sleeps until the bell rings, not for a polling interval."""

    def sleep(self) -> None:
        self.huey.bell.acquire(timeout=self.max_delay)


class _Ticker(Scheduler):
    """Rings when something has come due."""

    def loop(self, now: Any = None) -> None:
        try:
            if _something_to_do():
                self.huey.ring()
        except Exception:
            log.exception("could not look for work")
        self.stop_flag.wait(LOOK_EVERY)


class _Consumer(Consumer):
    worker_class = _Worker
    scheduler_class = _Ticker

    def _set_signal_handlers(self) -> None:
        """The server has its own."""


def _something_to_do() -> bool:
    with read():
        due = timers.next_due()
        return (due is not None and due <= clock.now()) or queue.any_due() or owner.free_the_dead() > 0


class Doorbell:
    """Workers in this process. One a server."""

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers
        self._queue = _Queue(folder.path() / folder.QUEUE_NAME)
        self._queue.bell = threading.Semaphore(0)
        self._queue.ring = self.ring
        self._task = self._queue.task(name="work")(_work)
        self._consumer = _Consumer(self._queue, workers=workers, periodic=False, max_delay=30.0)

    def start(self) -> None:
        queue.on_ring(self.ring)
        self._consumer.start()
        self.ring()

    def ring(self) -> None:
        """Wakes a worker. Never fails: the next look finds what a lost ring was for."""
        try:
            if self._queue.storage.queue_size() < self.workers:
                self._task()
        except sqlite3.Error:
            self._queue.mend()
        self._queue.bell.release()

    def alive(self) -> bool:
        """Whether all workers and the ticker live; the dead are replaced."""
        threads = [thread for _, thread in self._consumer.worker_threads] + [self._consumer.scheduler]
        all_alive = all(thread.is_alive() for thread in threads)
        if not all_alive and not stop_asked.is_set():
            self._consumer.check_worker_health()
        return all_alive

    def stop(self, timeout: float) -> bool:
        """Asks running jobs to save and stop, and waits ``timeout`` seconds. Whether all did."""
        queue.off_ring(self.ring)
        stop_asked.set()
        self._consumer.shutdown_timeout = timeout
        self._consumer.stop_flag.set()
        for _ in range(self.workers):
            self._queue.bell.release()
        self._consumer.stop(graceful=True)
        return not any(thread.is_alive() for _, thread in self._consumer.worker_threads)


def _work() -> None:
    try:
        runner.work()
    except Exception:
        # The rows are still there; the next look comes within a second.
        log.exception("work was interrupted")
