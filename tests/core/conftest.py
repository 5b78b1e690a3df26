"""An empty database of its own for each test, without the application around it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.core import jobs, schema
from appliance.core.db import close_database, open_database
from appliance.core.jobs import registry


@pytest.fixture
def folder(bare: Path, tmp_path: Path) -> Iterator[Path]:
    """A prepared data folder whose database is open."""
    shutil.copytree(bare, tmp_path, dirs_exist_ok=True)
    open_database(tmp_path)
    schema.prepare()
    yield tmp_path
    jobs.resign()
    close_database()


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``handler("kind", run, backoff=…)`` registers a kind of job for one test."""
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))

    def register(kind: str, run: Any, **options: Any) -> None:
        jobs.handler(kind, **options)(run)

    return register
