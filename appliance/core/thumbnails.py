"""Small copies of pictures, made on demand and kept. A picture from outside is only ever opened in a child process
(``thumbnail_maker``) with little memory and time; the copies hold nothing but pixels, so no place where it was taken."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from . import db, files
from .filetypes import RASTER
from .models import ThumbnailRow

log = logging.getLogger(__name__)

SIZES = {"thumb": 240, "preview": 1600}
"""Edge in pixels that a copy fits into."""
MIME = "image/webp"
MODULE = "appliance.core.thumbnail_maker"
SECONDS = 20
MAX_SOURCE = 64 << 20
_ROOT = Path(__file__).resolve().parents[2]
# Each child takes a core: two at a time are enough for a page of pictures.
_turn = threading.BoundedSemaphore(2)


def get(file_id: int, size: str) -> bytes | None:
    """The copy as WebP, ``None`` when the file is no picture that can be read. ``size``: a key of :data:`SIZES`."""
    known = _kept(file_id, size)
    if known is None:
        with _turn:
            known = _kept(file_id, size) or (_make(file_id, SIZES[size]),)
            with db.write():
                ThumbnailRow.insert(file_id=file_id, size=size, data=known[0]).on_conflict_ignore().execute()
    return known[0]


def _kept(file_id: int, size: str) -> tuple[bytes | None] | None:
    with db.read():
        row = ThumbnailRow.get_or_none((ThumbnailRow.file_id == file_id) & (ThumbnailRow.size == size))
    return None if row is None else (bytes(row.data) if row.data is not None else None,)


def _make(file_id: int, edge: int) -> bytes | None:
    known = files.get(file_id)
    if known.mime not in RASTER or known.size > MAX_SOURCE:
        return None
    with files.open_temp(file_id) as path:
        try:
            done = subprocess.run(
                [sys.executable, "-m", MODULE, str(path), str(edge)],
                capture_output=True,
                timeout=SECONDS,
                check=False,
                env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8"},
            )
        except subprocess.TimeoutExpired:
            log.warning("no thumbnail of file %d: it took too long", file_id)
            return None
    if done.returncode or not done.stdout:
        log.warning("no thumbnail of file %d: %s", file_id, done.stderr.decode(errors="replace")[-300:].strip())
        return None
    return done.stdout
