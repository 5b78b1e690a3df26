"""``guke`` with two additions for tests: a job of many small steps, and a page that answers slowly.

Run as ``python -m tests.ops.slow serve …``. Each step of the job leaves one row, in the transaction of its checkpoint.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from appliance.accounts.guards import public
from appliance.core import jobs
from appliance.core.db import write
from appliance.ops.cli import main
from appliance.web import app as web

STEPS = 40
PAUSE = 0.05
FAR = 4_000_000_000


@jobs.handler("steps")
def steps(job: jobs.Job) -> dict[str, int]:
    for step in range(job.state or 0, STEPS):
        with write():
            jobs.enqueue("mark", {"step": step}, due_at=FAR)
            job.save_state(step + 1)
        job.progress(step + 1, STEPS)
        time.sleep(PAUSE)
    return {"steps": STEPS}


@public
def slow() -> str:
    time.sleep(2)
    return "answered"


def create_app(data: Path, **options: Any) -> Any:
    app = _create_app(data, **options)
    app.add_url_rule("/slow", view_func=slow)
    return app


if __name__ == "__main__":
    _create_app, web.create_app = web.create_app, create_app
    main()
