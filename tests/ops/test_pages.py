"""The administrator's pages: health, system, background work, incidents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.core import incidents, jobs
from appliance.core.errors import UserError
from appliance.core.jobs import registry
from appliance.ops import health
from tests.support.http import Client

Work = Callable[[], dict[str, Any]]


@pytest.fixture
def failing(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A kind of job, ``failing``, that fails while the list holds True."""
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))
    broken = [True]

    @jobs.handler("failing", label="失败的任务")
    def run(job: jobs.Job) -> None:
        if broken[0]:
            raise UserError("平台拒绝了请求，请检查密钥。")

    return broken


def test_health_needs_no_login(anon: Client) -> None:
    answer = anon.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_health_tells_of_dead_workers(anon: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        workers = 2

        def alive(self) -> bool:
            return False

    monkeypatch.setattr(health, "_bell", Dead())
    answer = anon.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "failing", "failing": ["workers"]})


@pytest.mark.parametrize("path", ["/admin", "/admin/backups", "/admin/jobs"])
def test_the_pages_are_the_administrators(anon: Client, staff_client: Client, client: Client, path: str) -> None:
    assert anon.get(path).status_code == 302
    assert staff_client.get(path).status_code == 403
    assert client.get(path).status_code == 200


def test_the_system_page_shows_version_space_and_backup(client: Client) -> None:
    from appliance import __version__

    page = client.get("/admin").text
    for word in (__version__, "可用磁盘", "最近备份", "内存占用"):
        assert word in page
    part = client.get("/admin", htmx=True).text
    assert "<html" not in part and "可用磁盘" in part


def test_an_incident_says_why_and_can_be_retried_or_skipped(client: Client, work: Work, failing: list[bool]) -> None:
    jobs.enqueue("failing")
    work()
    [incident] = incidents.unresolved()
    page = client.get("/admin/jobs").text
    assert "失败的任务" in page and "平台拒绝了请求" in page
    failing[0] = False
    assert client.post(f"/admin/incidents/{incident.id}/retry", htmx=True).status_code == 200
    assert work()["errors"] == []
    failing[0] = True
    jobs.enqueue("failing")
    work()
    [again] = incidents.unresolved()
    assert client.post(f"/admin/incidents/{again.id}/skip", htmx=True).status_code == 200
    assert incidents.count() == 0


def test_jobs_are_shown_by_status_cancelled_and_retried(client: Client, work: Work, failing: list[bool]) -> None:
    waiting = jobs.enqueue("failing", due_at=4_000_000_000)
    assert f"#{waiting}" in client.get("/admin/jobs?status=queued").text
    assert f"#{waiting}" not in client.get("/admin/jobs?status=done").text
    client.post(f"/admin/jobs/{waiting}/cancel", htmx=True)
    assert jobs.get(waiting).status == "cancelled"
    failing[0] = False
    client.post(f"/admin/jobs/{waiting}/retry", htmx=True)
    work()
    assert jobs.get(waiting).status == "done"


@pytest.mark.parametrize(
    "path", ["/admin/backups", "/admin/backups/settings", "/admin/jobs/1/cancel", "/admin/incidents/1/skip"]
)
def test_nothing_is_written_without_the_csrf_token(client: Client, path: str) -> None:
    assert client.post(path, csrf=False).status_code in (400, 403, 422)
