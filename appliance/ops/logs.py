"""Logs: one line a message on standard error, with the request's id. No query strings, no bodies, no secrets."""

from __future__ import annotations

import logging
import secrets
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s%(request)s %(message)s"


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.request = _request_id()
        return super().format(record).replace("\r", "").replace("\n", " ⏎ ")


def _request_id() -> str:
    # Flask is not imported just to log.
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_request_context():
        return ""
    # Made when the first message of a request is written: most requests have none.
    return f" [{flask.g.setdefault('request_id', secrets.token_hex(4))}]"


def to_stderr(level: int = logging.INFO) -> None:
    """Sets the logging of a process up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("huey", "httpx", "httpcore", "peewee", "waitress.queue"):
        logging.getLogger(name).setLevel(logging.ERROR if name == "waitress.queue" else logging.WARNING)
