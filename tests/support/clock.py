"""Time that tests move by hand."""

from __future__ import annotations

import datetime as dt
import time

from appliance.core import clock


class Clock:
    """Stands still until moved. Starts at the machine's time, so that sessions made before it are still good."""

    def __init__(self) -> None:
        self.at = float(int(time.time()))

    def __call__(self) -> float:
        return self.at

    def now(self) -> int:
        return clock.now()

    def move(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> int:
        self.at += dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        return self.now()

    def set(self, moment: str | float) -> int:
        """``"2026-06-15T10:00:00+08:00"`` or UTC seconds."""
        self.at = dt.datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else float(moment)
        return self.now()
