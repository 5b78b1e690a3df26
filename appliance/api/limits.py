"""How fast one person's programs may ask, and what a repeated POST gets."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Response, make_response, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import Actor, current_actor
from ..core import clock, jobs, schema, settings
from ..core.db import write
from ..core.errors import UserError
from ..customers import erasing
from .models import IdempotentAnswer

erasing.texts(IdempotentAnswer, "body")

View = TypeVar("View", bound=Callable[..., Any])

settings.declare(
    "api.rate",
    60_000,
    _l("每人每分钟最多的 API 请求数"),
    "integer",
    least=60,
    most=1_000_000,
)

_lock = threading.Lock()
_buckets: dict[int | None, tuple[float, float]] = {}
BURST_SECONDS = 10


class TooMany(UserError):
    """Answered with 429 and ``Retry-After``."""

    status = 429

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(_("请求太频繁，请 %(n)d 秒后再试。", n=seconds))


def throttle(actor: Actor) -> None:
    """A token bucket for each person. Raises :class:`TooMany`."""
    rate = settings.get("api.rate") / 60
    burst = rate * BURST_SECONDS
    now = time.monotonic()
    with _lock:
        left, since = _buckets.get(actor.id, (burst, now))
        left = min(burst, left + (now - since) * rate)
        _buckets[actor.id] = (left - 1 if left >= 1 else left, now)
    if left < 1:
        raise TooMany(max(1, round((1 - left) / rate)))


KEPT = clock.DAY


def idempotent(view: View) -> View:
    """A POST that carries an ``Idempotency-Key`` is done once: a repetition gets the first answer again.

    The answer is stored in the transaction of the work, so after a crash either both are there or neither.
    """

    @wraps(view)
    def run(*args: Any, **kwargs: Any) -> Response:
        given = request.headers.get("Idempotency-Key")
        if given is None:
            return make_response(view(*args, **kwargs))
        if not 1 <= len(given) <= 200:
            raise UserError(_("Idempotency-Key 要有 1 到 200 个字符。"), "Idempotency-Key")
        key = _digest(f"{current_actor().id}\n{request.path}\n{given}".encode())
        fingerprint = _digest(request.get_data(cache=True))
        with write():
            known = IdempotentAnswer.get_or_none(IdempotentAnswer.key == key)
            if known is None or known.created_at < clock.now() - KEPT:
                return _first(view, args, kwargs, key, fingerprint)
        if known.request != fingerprint:
            raise UserError(_("这个 Idempotency-Key 已用于另一个请求，请换一个。"), "Idempotency-Key")
        response = make_response(known.body, known.status)
        response.mimetype = "application/json"
        response.headers["Idempotent-Replayed"] = "true"
        return response

    return run  # type: ignore[return-value]


def _first(view: Callable[..., Any], args: Any, kwargs: Any, key: str, fingerprint: str) -> Response:
    response = make_response(view(*args, **kwargs))
    fresh = {
        IdempotentAnswer.request: fingerprint,
        IdempotentAnswer.status: response.status_code,
        IdempotentAnswer.body: response.get_data(as_text=True),
        IdempotentAnswer.created_at: clock.now(),
    }
    # An answer of the day before yesterday may still stand there.
    IdempotentAnswer.insert({IdempotentAnswer.key: key} | fresh).on_conflict(
        conflict_target=[IdempotentAnswer.key], update=fresh
    ).execute()
    return response


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@jobs.handler("api.forget", label=_l("清理接口请求的旧回答"))
def forget(job: Any) -> None:
    """Drops answers that nobody can ask for any more."""
    with write():
        IdempotentAnswer.delete().where(IdempotentAnswer.created_at < clock.now() - KEPT).execute()


@schema.seed
def plan() -> None:
    jobs.schedule("api.forget", "40 3 * * *", "api.forget", {}, catch_up="skip")
