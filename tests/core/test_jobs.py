"""Jobs: done once, gone on with after a crash, retried, cancelled, never silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.core import incidents, jobs
from appliance.core.db import write
from appliance.core.errors import UserError
from appliance.core.jobs import owner, queue
from appliance.core.models import JobRow
from tests.support.clock import Clock

Handler = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("folder")


def test_a_job_is_done_once_and_its_numbers_are_added_up(handler: Handler) -> None:
    handler("count", lambda job: {"rules": job.payload["n"], "name": "x"})
    first = jobs.enqueue("count", {"n": 2})
    jobs.enqueue("count", {"n": 3})
    assert jobs.work() == {"jobs": 2, "rules": 5, "errors": []}
    assert jobs.get(first).status == "done"
    assert jobs.work() == {"jobs": 0, "errors": []}


def test_a_job_asked_for_in_a_transaction_that_fails_does_not_exist(handler: Handler) -> None:
    handler("never", lambda job: None)
    with pytest.raises(RuntimeError), write():
        jobs.enqueue("never")
        raise RuntimeError
    assert jobs.work()["jobs"] == 0


def test_a_job_waits_for_its_due_time(handler: Handler, clock: Clock) -> None:
    handler("later", lambda job: None)
    jobs.enqueue("later", due_at=clock.now() + 60)
    assert jobs.work()["jobs"] == 0
    clock.move(seconds=60)
    assert jobs.work()["jobs"] == 1


def test_jobs_of_one_key_are_coalesced_while_they_wait(handler: Handler, clock: Clock) -> None:
    handler("refresh", lambda job: None)
    first = jobs.enqueue("refresh", unique="refresh", due_at=clock.now() + 60)
    assert jobs.enqueue("refresh", unique="refresh") == first
    assert jobs.work()["jobs"] == 1


def test_a_job_asked_for_while_its_twin_runs_runs_after_it(handler: Handler) -> None:
    seen: list[int] = []

    def run(job: jobs.Job) -> None:
        seen.append(job.id)
        if len(seen) == 1:
            assert jobs.enqueue("again", unique="k") != job.id
            assert queue.claim() is None, "two jobs of one key must not run side by side"

    handler("again", run)
    jobs.enqueue("again", unique="k")
    assert jobs.work()["jobs"] == 2


def test_of_the_heavy_jobs_one_runs_at_a_time(handler: Handler) -> None:
    handler("import-a", lambda job: None, heavy=True)
    handler("light", lambda job: None)
    first = jobs.enqueue("import-a")
    jobs.enqueue("import-a")
    light = jobs.enqueue("light")
    claimed, second = queue.claim(), queue.claim()
    assert claimed and claimed.id == first
    assert second and second.id == light
    owner.left(first)
    owner.left(light)


def test_an_interrupted_job_goes_on_from_its_state_and_does_no_step_twice(handler: Handler) -> None:
    done: list[int] = []

    def run(job: jobs.Job) -> dict[str, int]:
        for step in range(job.state or 0, 5):
            if step == 3 and job.attempts == 1:
                raise KeyboardInterrupt  # as abrupt as a kill: nothing is written about the end
            with write():
                done.append(step)
                job.save_state(step + 1)
        return {"steps": len(done)}

    handler("five steps", run)
    job_id = jobs.enqueue("five steps")
    with pytest.raises(KeyboardInterrupt):
        jobs.work()
    assert jobs.get(job_id).status == "running"
    jobs.resign()  # the kernel does this when a process dies
    assert jobs.work()["jobs"] == 1
    assert done == [0, 1, 2, 3, 4]
    assert jobs.get(job_id).attempts == 2


def test_a_lease_that_runs_out_is_taken_over_and_the_first_owner_can_write_nothing_more(
    handler: Handler, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler("slow", lambda job: None)
    jobs.enqueue("slow")
    stale = queue.claim()
    assert stale
    owner.left(stale.id)
    monkeypatch.setattr(owner, "me", lambda: "another-process")
    monkeypatch.setattr(owner, "free_the_dead", lambda: 0)
    assert jobs.work()["jobs"] == 0
    clock.move(seconds=owner.LEASE + 1)
    assert jobs.work()["jobs"] == 1
    monkeypatch.undo()
    with pytest.raises(jobs.LeaseLost):
        stale.save_state({"at": 1})
    assert jobs.get(stale.id).state is None


def test_a_running_job_of_a_living_process_is_left_alone(handler: Handler) -> None:
    handler("mine", lambda job: None)
    jobs.enqueue("mine")
    claimed = queue.claim()
    assert claimed
    with write():
        JobRow.update(owner="somebody").execute()
    living = owner.folder.lock(owner.folder.path() / owner.folder.OWNERS_NAME / "somebody")
    assert living
    assert owner.free_the_dead() == 0
    living.close()
    assert owner.free_the_dead() == 1
    owner.left(claimed.id)


def test_a_failing_job_is_tried_again_later_and_then_becomes_an_incident(handler: Handler, clock: Clock) -> None:
    tries: list[int] = []

    def run(job: jobs.Job) -> None:
        tries.append(job.attempts)
        raise ConnectionError("no line")

    handler("call", run, backoff=(10, 100), label="打电话")
    job_id = jobs.enqueue("call")
    for wait in (0, 10, 100):
        clock.move(seconds=wait)
        assert jobs.work()["errors"] == ["call: ConnectionError: no line"]
        assert jobs.work()["jobs"] == 0
    assert tries == [1, 2, 3]
    assert jobs.get(job_id).status == "failed"
    [incident] = incidents.unresolved()
    assert incident.why == "打电话：ConnectionError: no line"
    incidents.retry(incident.id)
    assert jobs.work()["jobs"] == 1
    assert tries[-1] == 1, "a retry by a person begins to count anew"
    with pytest.raises(UserError):
        incidents.skip(incident.id)


def test_what_a_person_did_wrong_is_not_tried_again(handler: Handler) -> None:
    def run(job: jobs.Job) -> None:
        raise UserError("文件里没有订单号这一列。")

    handler("import-b", run)
    job_id = jobs.enqueue("import-b", actor_id=1)
    jobs.work()
    job = jobs.get(job_id)
    assert (job.status, job.error) == ("failed", "文件里没有订单号这一列。")
    assert incidents.count() == 0, "the person sees it where they started it"


def test_an_incident_of_a_timer_closes_when_the_next_run_succeeds(handler: Handler, clock: Clock) -> None:
    broken = [True]

    def run(job: jobs.Job) -> None:
        if broken[0]:
            raise UserError("磁盘已满。")

    handler("nightly", run)
    jobs.schedule("nightly", "0 3 * * *", "nightly")
    for _night in range(2):
        clock.move(days=1)
        jobs.work()
    [incident] = incidents.unresolved()
    assert incident.times == 2
    broken[0] = False
    clock.move(days=1)
    jobs.work()
    assert incidents.unresolved() == []


def test_a_job_that_keeps_killing_its_process_is_not_begun_for_ever(handler: Handler) -> None:
    def run(job: jobs.Job) -> None:
        raise KeyboardInterrupt

    handler("bomb", run)
    job_id = jobs.enqueue("bomb")
    for _life in range(5):
        with pytest.raises(KeyboardInterrupt):
            jobs.work()
        jobs.resign()
    jobs.work()
    assert jobs.get(job_id).status == "failed"
    assert incidents.count() == 1


def test_a_running_job_is_cancelled_at_its_next_progress(handler: Handler) -> None:
    tidied: list[bool] = []

    def run(job: jobs.Job) -> None:
        jobs.cancel(job.id)
        try:
            job.progress(1, 10)
        except jobs.JobCancelled:
            tidied.append(True)
            raise

    handler("long", run)
    job_id = jobs.enqueue("long")
    jobs.work()
    assert jobs.get(job_id).status == "cancelled"
    assert tidied == [True]


def test_a_waiting_job_is_cancelled_at_once(handler: Handler, clock: Clock) -> None:
    handler("wait", lambda job: None)
    job_id = jobs.enqueue("wait", due_at=clock.now() + 60)
    jobs.cancel(job_id)
    clock.move(minutes=2)
    assert jobs.work()["jobs"] == 0


def test_a_stopping_process_puts_its_job_back_with_its_state(handler: Handler) -> None:
    def run(job: jobs.Job) -> None:
        if job.state is None:
            job.save_state({"at": 7})
            jobs.stop_asked.set()
            job.progress(7, 10)
        assert job.state == {"at": 7}

    handler("stopped", run)
    job_id = jobs.enqueue("stopped")
    jobs.work()
    jobs.stop_asked.clear()
    job = jobs.get(job_id)
    assert (job.status, job.attempts, job.done) == ("queued", 0, 7)
    jobs.work()
    assert jobs.get(job_id).status == "done"


def test_two_handlers_of_one_kind_are_refused(handler: Handler) -> None:
    handler("twin", lambda job: None)
    with pytest.raises(ValueError, match="twin"):
        handler("twin", lambda job: None)


def test_old_jobs_go_with_the_nightly_upkeep(handler: Handler, clock: Clock, folder: Path) -> None:
    handler("small", lambda job: None)
    old = jobs.enqueue("small")
    jobs.work()
    clock.move(days=31)
    recent = jobs.enqueue("small")
    jobs.work()
    assert jobs.get(recent).status == "done"
    with pytest.raises(UserError):
        jobs.get(old)
