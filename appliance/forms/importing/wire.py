"""Both ends of the pipe to the reader: frames of a length and a marshalled ``(kind, payload)``.

Only plain values travel (numbers, text, lists, dicts). marshal is four times as fast as JSON here, and both ends are
always the same Python.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from flask_babel import gettext as _

from ...core import settings
from ...core.errors import UserError
from ...core.i18n import current

OUT_OF_MEMORY = 77
SILENCE = 120
"""Seconds the child may think before its next frame."""
PACKAGE_ROOT = Path(__file__).resolve().parents[3]
MODULE = "appliance.forms.importing.reader"
_HEAD = struct.Struct("!I")
MAX_FRAME = 512 << 20


class OutOfMemory(Exception):
    """The file needs more memory than the child may have."""


def send(out: IO[bytes], kind: str, payload: Any) -> None:
    frame = marshal.dumps((kind, payload))
    out.write(_HEAD.pack(len(frame)))
    out.write(frame)
    out.flush()


def receive(source: IO[bytes]) -> Any:
    """The payload of the next frame; ``None`` when the other end has closed."""
    head = source.read(_HEAD.size)
    return marshal.loads(source.read(_HEAD.unpack(head)[0]))[1] if head else None  # nosec B302: from our own parent process


class Reader:
    """A child process and the file it reads. It parses the file once, however many questions are asked.

    A workbook too big for the quick way is read the frugal way. Raises :class:`UserError` when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frugal = False
        self.child: subprocess.Popen[bytes] | None = None
        self.opening = False

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_what: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child."""
        child, self.child, self.opening = self.child, None, False
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def prepare(self) -> None:
        """Lets the child begin to load the file while the caller does something else."""
        self.child = _spawn()
        assert self.child.stdin
        with suppress(BrokenPipeError):
            send(self.child.stdin, "request", self._document("open", {}))
        self.opening = True

    def _document(self, do: str, request: dict[str, Any]) -> dict[str, Any]:
        return request | {
            "do": do,
            "path": str(self.path),
            "frugal": self.frugal or request.get("frugal", False),
            "locale": current(),
            "settings": {d.key: settings.get(d.key) for d in settings.declared("company.")},
        }

    def ask(self, do: str, **request: Any) -> Generator[tuple[str, Any], None, None]:
        """The child's frames, ending with ``("end", …)``. Leaving the iterator early ends the child."""
        began = False
        try:
            for frame in self._ask(do, request):
                began = True
                yield frame
        except OutOfMemory:
            self.close()
            if self.frugal or began:
                raise UserError(_("文件太大或内容异常，读取时内存不够。请拆成几个文件再导入。")) from None
            self.frugal = True
            yield from self.ask(do, **request)

    def answer(self, do: str, **request: Any) -> Any:
        """The payload of the last frame."""
        return list(self.ask(do, **request))[-1][1]

    def _ask(self, do: str, request: dict[str, Any]) -> Generator[tuple[str, Any], None, None]:
        child = self.child = self.child or _spawn()
        assert child.stdin and child.stdout
        whole = False
        try:
            with suppress(BrokenPipeError):
                send(child.stdin, "request", self._document(do, request))
            for kind, payload in _Frames(child.stdout):
                if kind == "error":
                    raise UserError(payload)
                if self.opening:
                    self.opening = False
                    continue
                whole = kind == "end"
                yield kind, payload
                if whole:
                    return
            _raise_for(child)
        finally:
            if not whole:
                self.close()


def _spawn() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(PACKAGE_ROOT),
            "PYTHONIOENCODING": "utf-8",
            "LANG": "C.UTF-8",
        },
    )


def _raise_for(child: subprocess.Popen[bytes]) -> None:
    try:
        _out, err = child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        raise UserError(_("读取文件的时间太长，已停止。请检查文件，或拆成几个文件再导入。")) from None
    if child.returncode in (OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGSEGV) or b"memory allocation" in err:
        raise OutOfMemory
    if child.returncode == -signal.SIGXCPU:
        raise UserError(_("读取文件的时间太长，已停止。请检查文件，或拆成几个文件再导入。"))
    raise RuntimeError(f"the reader ended with {child.returncode}: {err.decode(errors='replace')[-2000:]}")


class _Frames:
    """Frames from a pipe; stops at its end, raises when the child is silent for too long."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.fd = pipe.fileno()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        while head := self._read(_HEAD.size):
            size = _HEAD.unpack(head)[0]
            if size > MAX_FRAME:
                raise UserError(_("文件内容异常，读取已停止。"))
            frame = self._read(size)
            if not frame:
                return
            yield marshal.loads(frame)  # nosec B302: plain values from our own child process

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        limit = time.monotonic() + SILENCE
        while size:
            ready, _w, _x = select.select([self.fd], [], [], max(limit - time.monotonic(), 0))
            if not ready:
                raise UserError(_("读取文件的时间太长，已停止。请检查文件，或拆成几个文件再导入。"))
            part = os.read(self.fd, min(size, 1 << 20))
            if not part:
                return b""
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
