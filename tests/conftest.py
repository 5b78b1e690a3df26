"""Fixtures of all tests: a data folder, people who are signed in, clients, a clock, workers, a server, a browser.

A finished data folder is prepared once a process (administrator amy, staff bo and cy, their sessions, a token) and
copied for each test, so a test starts in milliseconds and shares nothing.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.accounts.sessions import COOKIE
from tests.support import browser as chrome
from tests.support import world
from tests.support.clock import Clock
from tests.support.http import Api, Client
from tests.support.people import AMY, BO, CY
from tests.support.server import ROOT, Server, guke

SAMPLES = Path(__file__).parent / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Compiles the translations of a checkout and names the place of compiled templates, once for all workers and servers;
    an installed guke has the translations in its wheel."""
    if not hasattr(config, "workerinput"):
        hook = runpy.run_path(str(ROOT / "packaging" / "compile_translations.py"))
        hook["compile_all"](ROOT)
        os.environ["GUKE_CACHE"] = tempfile.mkdtemp(prefix="guke-templates-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["GUKE_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones begin, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> world.Template:
    made = world.prepare(tmp_path_factory.mktemp("template") / "data")
    # What is imported by now stays: the collector need not look at all of it again for every test.
    gc.collect()
    gc.freeze()
    return made


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy: a new database as nobody has used it yet, with what every company begins with."""
    from appliance.core import schema
    from appliance.core.db import close_database, open_database

    folder = tmp_path_factory.mktemp("bare") / "data"
    folder.mkdir()
    open_database(folder)
    schema.prepare()
    close_database()
    return folder


@pytest.fixture
def data(template: world.Template, tmp_path: Path) -> Path:
    """A data folder with amy (administrator), bo and cy (staff), nothing else."""
    folder = tmp_path / "data"
    shutil.copytree(template.folder, folder)
    return folder


@pytest.fixture
def samples() -> Path:
    """tests/data: read only."""
    return SAMPLES


@pytest.fixture
def app(data: Path) -> Iterator[Flask]:
    """The whole application on ``data``, in this process."""
    with world.running(data) as app:
        yield app


@pytest.fixture
def anon(app: Flask) -> Client:
    """A browser nobody has signed in with."""
    return world.client(app)


@pytest.fixture
def client(app: Flask, template: world.Template) -> Client:
    """Amy's browser: the administrator."""
    return world.client(app).use_session(template.sessions[AMY.login])


@pytest.fixture
def staff_client(app: Flask, template: world.Template) -> Client:
    """Bo's browser: staff."""
    return world.client(app).use_session(template.sessions[BO.login])


@pytest.fixture
def cy_client(app: Flask, template: world.Template) -> Client:
    """Cy's browser: a second member of staff."""
    return world.client(app).use_session(template.sessions[CY.login])


@pytest.fixture
def api(app: Flask, template: world.Template) -> Api:
    """The API with amy's token."""
    return Api(FlaskClient(app), template.tokens[AMY.login])


@pytest.fixture
def staff_api(app: Flask, template: world.Template) -> Api:
    """The API with bo's token."""
    return Api(FlaskClient(app), template.tokens[BO.login])


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Time stands still from here on; ``clock.move(days=3)``, ``clock.set("2026-06-15T10:00:00+08:00")``."""
    from appliance.core import clock as core_clock

    source = Clock()
    core_clock.use(source)
    yield source
    core_clock.use(None)


@pytest.fixture
def work(app: Flask) -> Callable[[], dict[str, Any]]:
    """``work()`` does everything that is due now and returns what it did."""
    from appliance.core import jobs

    def run() -> dict[str, Any]:
        return jobs.work()

    return run


@dataclass
class Done:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ok(self) -> Done:
        assert self.status == 0, f"exit status {self.status}\n{self.out}\n{self.err}"
        return self


@pytest.fixture
def cli(data: Path) -> Callable[..., Done]:
    """``cli("import", "order", path, "--json").ok().json`` runs a command in this process."""

    def run(*args: str | Path) -> Done:
        return Done(*world.command(data, [str(a) for a in args]))

    return run


@pytest.fixture
def cli_proc(data: Path) -> Callable[..., Done]:
    """As ``cli``, in a process of its own: for what depends on signals, exit codes or a clean start."""

    def run(*args: str | Path, timeout: float = 120) -> Done:
        done = guke(*args, data=data, timeout=timeout)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    """A real ``guke serve`` on a free port over ``data``; stopped (or found killed) at the end."""
    server = Server(data)
    server.start()
    yield server
    try:
        server.stop()
    except subprocess.TimeoutExpired:
        server.kill()
        pytest.fail(f"SIGTERM did not stop the server within 15 s:\n{server.output()[-3000:]}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One Chromium a process; tests use ``page``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chrome.chromium(), headless=True, args=chrome.FLAGS)
        yield instance
        instance.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED = pytest.StashKey[bool]()


@pytest.fixture
def viewport() -> dict[str, int]:
    """The window's size. ``@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])`` gives others."""
    return chrome.DESKTOP


@pytest.fixture
def new_page(
    chromium: Any, server: Server, template: world.Template, request: pytest.FixtureRequest, viewport: dict[str, int]
) -> Iterator[Callable[..., Any]]:
    """``new_page("bo")`` opens a window signed in as bo, ``new_page(None)`` one where nobody is."""
    contexts = []
    complaints = chrome.Complaints()

    def open_page(login: str | None = AMY.login, **options: Any) -> Any:
        context = chromium.new_context(
            base_url=server.url,
            **{"viewport": viewport, "locale": "zh-CN", "timezone_id": "Asia/Shanghai", **options},
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        if login:
            context.add_cookies([{"name": COOKIE, "value": template.sessions[login], "url": server.url}])
        page = context.new_page()
        complaints.listen(page)
        page.complaints = complaints
        return page

    yield open_page
    if request.node.stash.get(_FAILED, False):
        for number, context in enumerate(contexts):
            for page in context.pages:
                shot = server.data.parent / f"failure-{number}.png"
                page.screenshot(path=shot)
                print(f"the page when the test failed: {shot} at {page.url}")
        print(server.output()[-3000:])
    for context in contexts:
        context.close()
    assert not complaints.found, "the pages did something wrong:\n" + "\n".join(complaints.found)


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """A Chromium window signed in as amy. The test fails on script errors, CSP violations, 404s and 5xx.

    ``page.complaints.allow(pattern)`` forgives what a test provokes on purpose.
    """
    return new_page(AMY.login)
