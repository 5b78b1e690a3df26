"""A real ``guke serve`` in its own process, on a free port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from . import zygote

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def guke(
    *args: str | Path, data: Path | None = None, timeout: float = 120, cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs one ``guke`` command to its end in a process of its own. ``cold``: with an interpreter of its own too."""
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start("appliance", args, environment(data), nothing, out, err, cold=cold)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(args, status, *texts)


def start(
    module: str,
    args: Iterable[str | Path],
    env: dict[str, str],
    stdin: IO[Any],
    stdout: IO[Any],
    stderr: IO[Any],
    *,
    cold: bool = False,
) -> subprocess.Popen[bytes] | zygote.Forked:
    """``python -m module args…``: a fork of a process that has imported the appliance, or ``cold``, the real thing."""
    if cold:
        command = [sys.executable, "-m", module, *map(str, args)]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    return zygote.spawn(module, [str(a) for a in args], env, stdin.fileno(), stdout.fileno(), stderr.fileno())


def environment(data: Path | None) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    if data:
        env["GUKE_DATA"] = str(data)
    return env


class Server:
    """``with Server(data) as server: …``; ``kill()`` is kill -9, ``stop()`` is what systemd does.

    ``cold``: started with an interpreter of its own, as systemd does; otherwise see :func:`start`.
    """

    def __init__(
        self, data: Path, port: int | None = None, options: tuple[str, ...] = (), *, cold: bool = False
    ) -> None:
        self.data = data
        self.cold = cold
        self.port = port or free_port()
        self.options = options
        self.log = data.parent / f"{data.name}-server.log"
        self.process: subprocess.Popen[bytes] | zygote.Forked | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, wait: float = 30) -> Server:
        with open(os.devnull) as nothing, self.log.open("ab") as log:
            args = ["serve", "--port", str(self.port), *self.options]
            self.process = start("appliance", args, environment(self.data), nothing, log, log, cold=self.cold)
        self.wait(wait)
        return self

    def wait(self, seconds: float = 30) -> None:
        """Returns when ``/healthz`` answers 200; raises with the log when it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                break
            if self.healthy():
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"guke serve did not come up:\n{self.output()}")

    def healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process, "the server is not started"
        return self.process.pid

    def rss(self) -> int:
        """Resident memory of the server process in bytes (its short-lived children not counted)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the server has no memory figure: is it running?")

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout: float = 15) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process, "the server is not started"
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
