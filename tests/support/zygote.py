"""Processes that need not import the appliance again: a helper imports it once and forks what is asked for.

The helper is started when the first process is wanted and has one thread, so that a fork of it is as good as a new
interpreter. ``spawn()`` answers with a :class:`Forked`, which has what tests use of a ``subprocess.Popen``. Tests of the
start itself, of signals during it and of an installed guke start the real thing: ``python -m appliance``.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OPEN_FILES = 3


class Forked:
    """A process that the helper made: ``pid``, ``poll()``, ``wait()``, ``kill()``, ``send_signal()``, ``returncode``."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises :class:`subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                answer = self._connection.recv(4, socket.MSG_WAITALL)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self.returncode = int.from_bytes(answer, "big", signed=True)
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def spawn(module: str, args: list[str], env: dict[str, str], stdin: int, stdout: int, stderr: int) -> Forked:
    """``python -m module args…`` in the project's folder, on the three given files."""
    order = json.dumps({"module": module, "args": args, "env": env}).encode()
    with _lock:
        ours, theirs = socket.socketpair()
        with theirs:
            # One message carries the files; the order itself goes through the pair, however long it is.
            socket.send_fds(_helper(), [b"!"], [theirs.fileno(), stdin, stdout, stderr])
    ours.sendall(len(order).to_bytes(4, "big") + order)
    return Forked(ours)


_lock = threading.Lock()


@lru_cache(maxsize=1)
def _helper() -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _warm() -> None:
    """Imports all of the appliance: what a server, a command or a parser of files may need."""
    import appliance

    for found in pkgutil.walk_packages(appliance.__path__, "appliance."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Forks for each order; returns the order in the process that shall do it, None at the end of the tests."""
    while True:
        message, files, _flags, _address = socket.recv_fds(orders, 1, 1 + OPEN_FILES)
        if not message:
            return None
        # The one between waits for it, so that the helper is free at once.
        if os.fork() == 0:
            orders.close()
            return _tend(files)
        for file in files:
            os.close(file)


def _tend(files: list[int]) -> dict[str, Any] | None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection = socket.socket(fileno=files[0])
    with connection.makefile("rb") as asked:
        order = json.loads(asked.read(int.from_bytes(asked.read(4), "big")))
    child = os.fork()
    if child == 0:
        connection.close()
        for number, file in enumerate(files[1:]):
            os.dup2(file, number)
            os.close(file)
        return order  # type: ignore[no-any-return]
    for file in files[1:]:
        os.close(file)
    with contextlib.suppress(OSError):
        connection.sendall(child.to_bytes(4, "big"))
        _pid, status = os.waitpid(child, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    # Those between are nobody's children to wait for; what they were told to do ends with them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm()
    order = _serve(orders)
    if order is None:
        return
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["args"]
    if order["module"] == "appliance":
        from appliance.ops.cli import main

        sys.argv[0] = "guke"
        main()
    else:
        runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
