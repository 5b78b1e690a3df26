"""0.3.0, customers and the rule engine: connections, events, segments, messages, tasks, points and the like.

Tables that are new are made as this release's models say; columns that older tables gained are added below.
"""

from __future__ import annotations

from . import steps


def apply() -> None:
    steps.create_missing_tables()
