"""The workers: woken at once, finding by themselves what nobody rang for, whatever happens to the queue file."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.core import jobs
from appliance.core.db import write
from appliance.core.jobs.doorbell import Doorbell
from appliance.core.models import JobRow
from tests.support.server import ROOT, environment

Handler = Callable[..., Any]


@pytest.fixture
def bell(folder: Path) -> Iterator[Doorbell]:
    bell = Doorbell(2)
    bell.start()
    yield bell
    bell.stop(5)
    jobs.stop_asked.clear()


class Seen:
    """Counts runs; ``wait`` returns how long the next took to begin."""

    def __init__(self) -> None:
        self.bell = threading.Semaphore(0)
        self.count = 0

    def __call__(self, job: jobs.Job) -> None:
        self.count += 1
        self.bell.release()

    def wait(self, seconds: float) -> float:
        began = time.monotonic()
        assert self.bell.acquire(timeout=seconds), f"nothing ran within {seconds} s"
        return time.monotonic() - began


def done() -> int:
    return JobRow.select().where((JobRow.kind == "seen") & (JobRow.status == "done")).count()


@pytest.fixture
def seen(handler: Handler) -> Seen:
    seen = Seen()
    handler("seen", seen)
    return seen


def test_a_job_asked_for_in_this_process_begins_at_once(bell: Doorbell, seen: Seen) -> None:
    seen_in = []
    for _try in range(3):
        jobs.enqueue("seen")
        seen_in.append(seen.wait(2))
    assert min(seen_in) < 0.25


def test_a_row_made_by_another_process_is_found_within_two_seconds(bell: Doorbell, seen: Seen, folder: Path) -> None:
    made = (
        "import pathlib, sys; from appliance.core import db, jobs; "
        "db.open_database(pathlib.Path(sys.argv[1])); jobs.enqueue('seen')"
    )
    subprocess.run([sys.executable, "-c", made, str(folder)], cwd=ROOT, env=environment(folder), check=True, timeout=60)
    assert seen.wait(3) < 2.1


def test_a_row_due_in_the_future_is_done_when_it_is_due(bell: Doorbell, seen: Seen) -> None:
    jobs.enqueue("seen", due_at=int(time.time()) + 1)
    assert seen.wait(4) < 2.6


@pytest.mark.parametrize("harm", ["damage", "delete"])
def test_a_queue_file_that_was_damaged_or_deleted_loses_nothing(
    bell: Doorbell, seen: Seen, folder: Path, harm: str
) -> None:
    if harm == "damage":
        # In place: cutting off a file that a process has mapped kills it, whatever program it runs.
        with (folder / "queue.db").open("r+b") as file:
            file.write(b"no database" * 1000)
    else:
        for part in folder.glob("queue.db*"):
            part.unlink()
    for _job in range(5):
        jobs.enqueue("seen")
    for _job in range(5):
        seen.wait(3)
    assert bell.alive()
    # A run is seen when it begins; its row is done a moment later.
    until = time.monotonic() + 3
    while done() < 5 and time.monotonic() < until:
        seen.bell.acquire(timeout=0.02)
    assert done() == 5


def test_a_damaged_queue_file_at_the_start_is_replaced(folder: Path, seen: Seen) -> None:
    (folder / "queue.db").write_bytes(b"no database" * 1000)
    jobs.enqueue("seen")
    bell = Doorbell(1)
    bell.start()
    seen.wait(3)
    bell.stop(5)
    jobs.stop_asked.clear()


def test_a_worker_that_died_is_noticed_and_replaced(bell: Doorbell, seen: Seen) -> None:
    def die() -> None:
        raise SystemExit

    worker, thread = bell._consumer.worker_threads[0]
    worker.loop = die
    # Either worker may answer a ring.
    for _ring in range(200):
        bell.ring()
        thread.join(0.05)
        if not thread.is_alive():
            break
    assert not thread.is_alive()
    assert not bell.alive()
    assert bell.alive()
    jobs.enqueue("seen")
    seen.wait(3)


def test_stopping_saves_a_running_job_for_the_next_start(folder: Path, handler: Handler) -> None:
    begun = threading.Event()

    def run(job: jobs.Job) -> None:
        if job.state:
            return
        with write():
            job.save_state({"half": True})
        begun.set()
        while True:
            job.check()
            time.sleep(0.01)

    handler("endless", run)
    job_id = jobs.enqueue("endless")
    bell = Doorbell(1)
    bell.start()
    assert begun.wait(5)
    assert bell.stop(5)
    jobs.stop_asked.clear()
    assert jobs.get(job_id).status == "queued"
    jobs.work()
    assert jobs.get(job_id).status == "done"
