"""Real processes that are killed, stopped and started again: nothing is lost, no step is done twice."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.server import ROOT, environment, free_port

from .slow import STEPS

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(data: Path) -> Iterator[Start]:
    """``start("serve", …)`` runs the test's ``guke`` in a process of its own."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(*args: str) -> subprocess.Popen[bytes]:
        log = (data.parent / f"process-{len(processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.ops.slow", *args],
                cwd=ROOT,
                env=environment(data),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


def rows(data: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "guke.db", timeout=10)) as db:
        return db.execute(sql).fetchall()


def ask_for_steps(data: Path) -> None:
    with closing(sqlite3.connect(data / "guke.db", timeout=10)) as db, db:
        db.execute(
            "INSERT INTO job (kind, payload, status, due_at, attempts, cancel_asked, done, created_at)"
            " VALUES ('steps', '{}', 'queued', 0, 0, 0, 0, 0)"
        )


def marks(data: Path) -> list[int]:
    found = rows(data, "SELECT payload FROM job WHERE kind = 'mark' ORDER BY id")
    return [json.loads(str(payload))["step"] for (payload,) in found]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def finished(data: Path) -> bool:
    return rows(data, "SELECT status FROM job WHERE kind = 'steps'") == [("done",)]


def test_a_job_goes_on_after_kill_9_of_the_server_and_does_each_step_once(data: Path, start: Start) -> None:
    ask_for_steps(data)
    port = str(free_port())
    first = start("serve", "--port", port)
    until(lambda: len(marks(data)) >= 5)
    first.kill()
    first.wait()
    assert len(marks(data)) < STEPS
    for part in data.glob("queue.db*"):
        part.unlink()
    start("serve", "--port", port)
    until(lambda: finished(data))
    assert marks(data) == list(range(STEPS))


def test_a_killed_guke_work_is_gone_on_with_at_once(data: Path, start: Start) -> None:
    ask_for_steps(data)
    first = start("work")
    until(lambda: len(marks(data)) >= 5)
    first.kill()
    first.wait()
    assert start("work").wait(timeout=30) == 0
    assert finished(data)
    assert marks(data) == list(range(STEPS))


def test_the_server_leaves_a_job_of_a_living_command_alone(data: Path, start: Start) -> None:
    ask_for_steps(data)
    command = start("work")
    until(lambda: len(marks(data)) >= 2)
    port = free_port()
    start("serve", "--port", str(port))
    until(lambda: healthy(port))
    assert command.wait(timeout=30) == 0
    assert finished(data)
    assert rows(data, "SELECT attempts FROM job WHERE kind = 'steps'") == [(1,)]
    assert marks(data) == list(range(STEPS))


def test_sigterm_lets_a_request_finish_and_puts_the_job_back(data: Path, start: Start) -> None:
    ask_for_steps(data)
    port = free_port()
    server = start("serve", "--port", str(port))
    until(lambda: healthy(port))
    answers: list[bytes] = []

    def ask() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/slow", timeout=20) as answer:
            answers.append(answer.read())

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: len(marks(data)) >= 2)
    time.sleep(0.3)
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=15) == 0
    assert time.monotonic() - began < 10
    asking.join(5)
    assert answers == [b"answered"]
    assert not healthy(port)
    [(status, attempts)] = rows(data, "SELECT status, attempts FROM job WHERE kind = 'steps'")
    assert (status, attempts) in {("queued", 0), ("done", 1)}
    assert start("work").wait(timeout=30) == 0
    assert marks(data) == list(range(STEPS))


def test_a_folder_has_one_server(data: Path, start: Start) -> None:
    port = free_port()
    start("serve", "--port", str(port))
    until(lambda: healthy(port))
    assert start("serve", "--port", str(free_port())).wait(timeout=30) == 1
    assert "正由另一个固客服务使用" in (data.parent / "process-1.log").read_text()
    assert healthy(port)


def test_a_taken_port_is_a_plain_sentence(data: Path, start: Start, tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert start("serve", "--port", str(taken.getsockname()[1])).wait(timeout=30) == 1
    assert "无法在" in (data.parent / "process-0.log").read_text()
