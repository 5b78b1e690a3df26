"""``guke serve``: web, API and workers in one process, one server a data folder, and a stop that loses nothing."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from msgspec import Struct

from ..core import folder, i18n, jobs, secrets
from ..core.db import close_database
from ..core.errors import UserError
from . import health

if TYPE_CHECKING:
    from flask import Flask

    from ..core.jobs.doorbell import Doorbell

log = logging.getLogger(__name__)

THREADS = 6
WORKERS = 2
STOP_WITHIN = 10.0
"""Seconds from the signal to the end of the process."""

LINGER = 1.0
"""Of these, kept for closing the database."""

CHECK_EVERY = 10.0
"""Seconds between two checks of the workers."""

# The I/O thread spins on a channel that a worker is filling unless whole answers are sent at once.
SEND_BYTES = 1 << 20
CONNECTIONS = 500
IDLE_CONNECTION = 60
PROXY_HEADERS = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"}


class Options(Struct, frozen=True):
    """``trusted_proxy``: the address of a reverse proxy whose X-Forwarded-* headers are believed."""

    host: str = "127.0.0.1"
    port: int = 8080
    trusted_proxy: str | None = None


def serve(data: Path, options: Options) -> None:
    """Runs until SIGTERM or SIGINT. Raises :class:`UserError` when the folder or the address is taken."""
    # Nearly all that start-up makes lives as long as the process: the collector need not look at it, now or later.
    gc.disable()
    held = hold(data)
    stopper = _Stopper()
    try:
        from ..web.app import create_app

        app = create_app(data)
        if secrets.settle():
            log.info("the key that is no longer in use was taken out of the key file")
        web = _listen(app, options)
        from ..core.jobs.doorbell import Doorbell

        bell = Doorbell(WORKERS)
        health.watch(bell)
        bell.start()
        stopper.web = web
        log.info("listening on http://%s:%s, data in %s", options.host, web.port, data)
        gc.freeze()
        gc.enable()
        _loop(web, bell, stopper)
        _drain(web, bell, stopper.deadline)
    finally:
        jobs.resign()
        close_database()
        held.close()
    log.info("stopped")


def hold(data: Path) -> Any:
    """The lock of the one server of a folder; close it to let go. Raises :class:`UserError`."""
    held = folder.lock(data / folder.LOCK_NAME)
    if held is None:
        with i18n.speaking(i18n.SOURCE):
            raise UserError(_("数据目录 %(data)s 正由另一个固客服务使用，请先停止它。", data=str(data)))
    return held


class _Web:
    """waitress, turned by our own loop so that it can be drained. A name may stand for several addresses."""

    def __init__(self, app: Flask, **options: Any) -> None:
        from waitress import create_server, wasyncore
        from waitress.server import BaseWSGIServer

        self._map: dict[int, Any] = {}
        self._asyncore = wasyncore
        create_server(app, map=self._map, **options)
        self._listeners = [part for part in self._map.values() if isinstance(part, BaseWSGIServer)]
        self.port = self._listeners[0].effective_port

    def turn(self, seconds: float) -> None:
        """Serves what is ready, waiting for it at most so long."""
        self._asyncore.loop(timeout=seconds, map=self._map, use_poll=True, count=1)

    def wake(self) -> None:
        self._listeners[0].pull_trigger()

    def refuse(self) -> None:
        """Takes no new connections; those that are open stay."""
        for listener in self._listeners:
            listener.accepting = False
            listener.del_channel()
            listener.socket.close()

    def busy(self) -> bool:
        """Whether a request is being answered."""
        channels = [channel for listener in self._listeners for channel in list(listener.active_channels.values())]
        return any(channel.requests or channel.total_outbufs_len for channel in channels)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._asyncore.close_all(self._map)


def _listen(app: Flask, options: Options) -> _Web:
    trust: dict[str, Any] = {"clear_untrusted_proxy_headers": True}
    if options.trusted_proxy:
        trust |= {"trusted_proxy": options.trusted_proxy, "trusted_proxy_headers": PROXY_HEADERS}
    # Flask answers a body that is too large with a page; waitress would only cut the connection.
    body = int(app.config.get("MAX_CONTENT_LENGTH") or 1 << 30) + (1 << 20)
    try:
        return _Web(
            app,
            host=options.host,
            port=options.port,
            threads=THREADS,
            send_bytes=SEND_BYTES,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_CONNECTION,
            cleanup_interval=10,
            max_request_body_size=body,
            ident=None,
            **trust,
        )
    except OSError as e:
        with i18n.speaking():
            raise UserError(
                _(
                    "无法在 %(host)s:%(port)s 上监听（%(why)s），请换一个地址或端口。",
                    host=options.host,
                    port=options.port,
                    why=e.strerror or str(e),
                )
            ) from e


class _Stopper:
    """Turns a signal into a deadline; the loop sees it at once."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self.web: _Web | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)

    def _asked(self, number: int, _frame: Any) -> None:
        log.info("%s: finishing what is under way", signal.Signals(number).name)
        if self.deadline:
            return
        self.deadline = time.monotonic() + STOP_WITHIN
        if self.web is None:
            # Nothing has begun yet.
            raise SystemExit(0)
        self.web.wake()


def _loop(web: _Web, bell: Doorbell, stopper: _Stopper) -> None:
    check_at = time.monotonic() + CHECK_EVERY
    while not stopper.deadline:
        web.turn(CHECK_EVERY)
        if time.monotonic() >= check_at:
            check_at = time.monotonic() + CHECK_EVERY
            if not bell.alive():
                log.warning("a worker had died and was replaced")


def _drain(web: _Web, bell: Doorbell, deadline: float) -> None:
    """Takes no new connections, lets requests and jobs finish or save, until the deadline."""
    jobs.stop_asked.set()
    web.refuse()
    until = deadline - LINGER
    while web.busy() and time.monotonic() < until:
        web.turn(0.05)
    if not bell.stop(max(0.1, until - time.monotonic())):
        log.warning("a job did not stop in time; it goes on from its last state at the next start")
    web.close()
