"""Settings → Connections: what is kept, what is never shown, what is said when something fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import platforms
from tests.support.http import Api, Client
from tests.support.platforms import SECRET, Platforms

KIND = "webhook_out"


@pytest.fixture
def outside(app: Any) -> Iterator[Platforms]:
    from appliance.core import settings

    with platforms.serving() as found:
        settings.set("security.allowed_hosts", "127.0.0.1")
        yield found


def typed(outside: Platforms, **params: Any) -> dict[str, Any]:
    """What the page of a signed call sends."""
    given = platforms.connection(outside, KIND)["params"] | params
    return {"label": "订单系统", "enabled": "1", **{f"params.{key}": str(value) for key, value in given.items()}}


def test_an_administrator_adds_edits_switches_and_deletes_one(client: Client, api: Api, outside: Platforms) -> None:
    assert "还没有连接" in client.get("/settings/connections/").text
    assert "阿里云短信" in client.get("/settings/connections/new").text
    made = client.post(f"/settings/connections/new/{KIND}", data=typed(outside))
    assert made.status_code == 303
    assert "订单系统" in client.get("/settings/connections/").text
    client.post(f"/settings/connections/{KIND}", data={**typed(outside), "label": "新订单系统", "params.secret": ""})
    shown = api.get(f"/connections/{KIND}")
    assert (shown["label"], shown["enabled"], shown["version"]) == ("新订单系统", True, 2)
    client.post(f"/settings/connections/{KIND}/switch")
    assert api.get(f"/connections/{KIND}")["state"] == "off"
    gone = client.post(f"/settings/connections/{KIND}/delete", htmx=True)
    undo = json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"]
    api.get(f"/connections/{KIND}", expect=404)
    client.post(undo)
    assert api.get(f"/connections/{KIND}")["label"] == "新订单系统"


def test_an_error_stands_beside_its_field_and_what_was_typed_stays(client: Client, outside: Platforms) -> None:
    answer = client.post(f"/settings/connections/new/{KIND}", data=typed(outside, url="ftp://x", per_minute="many"))
    assert answer.status_code == 422
    assert "网址要以 http:// 或 https:// 开头" in answer.text and "请填写整数" in answer.text
    assert 'value="ftp://x"' in answer.text and 'value="many"' in answer.text and "<details open>" in answer.text
    assert SECRET not in answer.text


def test_a_secret_is_never_shown_again_in_any_place(
    client: Client, api: Api, outside: Platforms, data: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    client.post(f"/settings/connections/new/{KIND}", data=typed(outside, token="bearer-9f8e7d6c5b4a"))
    client.post(f"/settings/connections/{KIND}", data=typed(outside, token="bearer-0011223344zz"))
    outside.mode = "credentials"
    client.post(f"/settings/connections/{KIND}/test")
    pages = [f"/settings/connections/{KIND}", "/settings/connections/", "/settings/log", "/settings/system"]
    said = "".join(client.get(page).text for page in pages)
    said += json.dumps(api.get("/connections")) + json.dumps(api.get(f"/connections/{KIND}")) + caplog.text
    for secret in (SECRET, "bearer-9f8e7d6c5b4a", "bearer-0011223344zz"):
        assert secret not in said
        assert not any(secret.encode() in file.read_bytes() for file in data.iterdir() if file.is_file())
    assert "以 …cret 结尾" in said and "以 …44zz 结尾" in said
    assert api.get(f"/connections/{KIND}")["secrets"]["token"] == {"set": True, "ends": "44zz"}
    assert "签名密钥" not in _audited("connection.changed") and "Bearer 令牌" in _audited("connection.changed")


def _audited(action: str) -> str:
    from appliance.accounts.models import AuditEntry
    from appliance.core.db import read

    with read():
        return json.dumps(
            [row.detail for row in AuditEntry.select().where(AuditEntry.action == action)], ensure_ascii=False
        )


def test_what_was_typed_can_be_tried_before_it_is_kept(client: Client, api: Api, outside: Platforms) -> None:
    tried = client.post(f"/settings/connections/new/{KIND}", data={**typed(outside), "do": "test"})
    assert "对方已收到" in tried.text and api.get("/connections")["connections"] == []
    client.post(f"/settings/connections/new/{KIND}", data=typed(outside))
    wrong = client.post(f"/settings/connections/{KIND}", data={**typed(outside, secret="not-this-one"), "do": "test"})
    assert wrong.status_code == 422 and "请检查密钥" in wrong.text
    assert api.get(f"/connections/{KIND}")["state"] == "unused"
    kept = client.post(f"/settings/connections/{KIND}", data={**typed(outside, secret=""), "do": "test"})
    assert "对方已收到" in kept.text and api.get(f"/connections/{KIND}")["state"] == "working"


def test_repeated_failures_make_one_incident_that_a_success_settles(
    client: Client, api: Api, outside: Platforms
) -> None:
    api.post("/connections", platforms.connection(outside, KIND), expect=201)
    outside.mode = "broken"
    for times, incidents in ((2, 0), (3, 1)):
        for _n in range(times):
            api.raw("POST", f"/connections/{KIND}:test")
        assert _incidents() == incidents
    row = client.get("/settings/connections/").text
    assert "失败 5" in row and "HTTP 500" in row
    outside.mode = "ok"
    api.post(f"/connections/{KIND}:test")
    assert _incidents() == 0 and api.get(f"/connections/{KIND}")["today"] == {"ok": 1, "failed": 5}


def test_refused_credentials_are_told_to_administrators_once(
    client: Client, staff_client: Client, outside: Platforms
) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.connections import health, store

    store.create(platforms.connection(outside, KIND), SYSTEM)
    for _n in range(3):
        health.note(store.get(KIND), ok=False, error="对方不认可这个连接，请检查密钥。", refused=True)
    assert _incidents() == 1
    assert client.get("/notices").text.count("对方不认可这个连接") == 1
    assert "对方不认可" not in staff_client.get("/notices").text


def _incidents() -> int:
    from appliance.core import incidents

    return sum(row.kind == "connection" for row in incidents.unresolved())


def test_only_administrators_see_connections(staff_client: Client, staff_api: Api, outside: Platforms) -> None:
    assert staff_client.get("/settings/connections/").status_code == 403
    assert "/settings/connections/" not in staff_client.get("/").text
    staff_api.get("/connections", expect=403)


@pytest.mark.parametrize(
    ("doc", "field"),
    [
        ({"kind": "fax"}, "kind"),
        ({"kind": KIND}, "params.url"),
        ({"kind": KIND, "params": {"url": "https://a.example.com", "nonsense": 1}}, "params.nonsense"),
        ({"kind": KIND, "key": "Not A Key", "params": {"url": "https://a.example.com"}}, "key"),
        ({"kind": KIND, "label": "x" * 61, "params": {"url": "https://a.example.com"}}, "label"),
        ({"kind": "wecom_robot", "params": {"url": "https://a.example.com"}}, "params.url"),
        ({"kind": "smtp", "params": {"host": "smtp://a", "sender": "nobody"}}, "params.host"),
    ],
)
def test_the_api_names_what_is_wrong(api: Api, doc: dict[str, Any], field: str) -> None:
    problem = api.post("/connections", doc, expect=422)
    assert field in [error["field"] for error in problem["errors"]]
    assert api.get("/connections")["connections"] == []


def test_a_stale_version_and_a_taken_key_are_refused(api: Api) -> None:
    doc = {"kind": KIND, "key": "erp", "params": {"url": "https://a.example.com"}}
    api.post("/connections", doc, expect=201)
    api.post("/connections", doc, expect=409)
    api.patch("/connections/erp", {"label": "ERP", "version": 1})
    api.patch("/connections/erp", {"label": "ERP 2", "version": 1}, expect=409)


def test_deleted_for_good_after_a_month_with_its_secrets(api: Api, clock: Any, work: Any) -> None:
    from appliance.connections.models import ConnectionRow
    from appliance.core.db import read

    api.post("/connections", {"kind": KIND, "params": {"url": "https://a.example.com", "secret": "s" * 20}}, expect=201)
    api.delete(f"/connections/{KIND}")
    clock.move(days=29)
    work()
    with read():
        assert ConnectionRow.select().count() == 1
    clock.move(days=3)
    work()
    with read():
        assert ConnectionRow.select().count() == 0


def test_another_key_seals_the_secrets_anew(api: Api, outside: Platforms, cli: Any, app: Any) -> None:
    api.post("/connections", platforms.connection(outside, KIND), expect=201)
    before = _sealed()
    cli("rotate-key").ok()
    assert _sealed() != before
    assert api.post(f"/connections/{KIND}:test")["message"]


def _sealed() -> str:
    from appliance.core.db import db, read

    with read():
        return str(db.execute_sql("select secrets from connection").fetchone()[0])


def test_secrets_of_another_key_file_can_be_typed_anew(
    client: Client, api: Api, outside: Platforms, data: Path
) -> None:
    from appliance.core import folder, secrets

    api.post("/connections", platforms.connection(outside, KIND), expect=201)
    (data / folder.KEY_NAME).unlink()
    secrets.make_key(data)
    page = client.get(f"/settings/connections/{KIND}")
    assert page.status_code == 200 and re.search(r"结尾|留空不变", page.text) is None
    assert "重新填写" in api.raw("POST", f"/connections/{KIND}:test").get_json()["detail"]
    api.patch(f"/connections/{KIND}", {"params": {"secret": SECRET}})
    assert api.post(f"/connections/{KIND}:test")["message"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_manual_has_a_heading_for_every_kind_of_connection_and_way_out(app: Any, language: str) -> None:
    from appliance.connections import kinds
    from appliance.messaging import senders
    from appliance.web.help import FOLDER

    text = (FOLDER / language / "connections.md").read_text("utf-8")
    headings = re.findall(r"^##+ .*?(\w+)$", text, flags=re.M)
    wanted = {kind.key for kind in kinds.all_kinds()} | set(senders.SENDERS)
    assert wanted <= set(headings)
