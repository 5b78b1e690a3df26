"""The nightly job of this room."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from ..core import jobs, schema
from . import store


@schema.seed
def timer() -> None:
    jobs.schedule("connections.upkeep", "45 4 * * *", "connections.upkeep")


@jobs.handler("connections.upkeep", label=_l("清理删除的连接"))
def upkeep(job: jobs.Job) -> None:
    store.forget()
