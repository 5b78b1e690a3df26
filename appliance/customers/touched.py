"""Customers whose figures changed since they were last scored, and the asking for the job that scores."""

from __future__ import annotations

import time
from collections.abc import Collection

from ..core import clock, jobs
from ..core.db import PARAM, Statement
from .models import RfmTouched

JOB = "customers.rescore"
CROWD = 500_000
"""Scoring rests a second for so many customers, so that a stream of orders does not keep a large company's box busy."""

_statement = Statement(RfmTouched.insert_many([(PARAM,)], fields=[RfmTouched.customer_id]))
_last: tuple[float, int] = (0.0, 0)
"""When this process last scored (monotonic), and how many seconds it rests after that."""


def mark(ids: Collection[int], *, rest: int = 0) -> None:
    """Notes customers for the next scoring and asks for it. Only inside ``write()``."""
    _statement.executemany([(i,) for i in ids])
    ask(rest)


def ask(least: int = 0) -> None:
    """Asks for a scoring: now, or after the rest that the last one has earned, ``least`` seconds or more."""
    ended, earned = _last
    rest = max(earned, least) if jobs.attended() else 0
    due = clock.now() + rest if rest and time.monotonic() - ended < rest else clock.now()
    jobs.enqueue(JOB, {}, due_at=due, unique=JOB)


def scored(customers: int) -> None:
    """Notes that a scoring of so many customers ended."""
    global _last
    _last = (time.monotonic(), customers // CROWD)
