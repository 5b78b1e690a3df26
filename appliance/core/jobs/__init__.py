"""All later work is a row: a due time, a lease, an owner, a state to go on from.

``@handler("kind")`` says who does it, ``enqueue`` asks for it, ``schedule`` asks again and again, ``work`` does what is
due. A process that dies loses nothing: its jobs go on from their last state, in this process or the next.
"""

from __future__ import annotations

from .job import Job, JobCancelled, JobStopped, LeaseLost, stop_asked
from .owner import others, resign
from .queue import attended, cancel, enqueue, get, retry, ring
from .registry import handler, kinds, label
from .runner import run, work, work_on
from .timers import next_time, schedule, unschedule

__all__ = [
    "Job",
    "JobCancelled",
    "JobStopped",
    "LeaseLost",
    "attended",
    "cancel",
    "enqueue",
    "get",
    "handler",
    "kinds",
    "label",
    "next_time",
    "others",
    "resign",
    "retry",
    "ring",
    "run",
    "schedule",
    "stop_asked",
    "unschedule",
    "work",
    "work_on",
]
