"""Connections in app packages: what they ask for comes along, what opens them does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.http import Api

PACKAGE: dict[str, Any] = {
    "app": "shop_alerts",
    "version": "1.0.0",
    "label": "店铺提醒",
    "connections": [
        {"key": "shop-group", "label": "店铺群", "kind": "wecom_robot", "params": {"style": "markdown"}},
        {"key": "erp", "label": "ERP", "kind": "webhook_out", "params": {"url": "https://erp.example.com/hook"}},
    ],
    "rules": [
        {
            "key": "tell_erp", "label": "告诉 ERP", "form": "customer", "on": {"created": True},
            "do": [{"action": "call_webhook", "connection": "erp"}],
        },
    ],
}  # fmt: skip


def write(tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "package.json"
    file.write_text(json.dumps(PACKAGE | changes, ensure_ascii=False), "utf-8")
    return file


def test_what_needs_a_secret_stays_off_until_it_is_filled_in(cli: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    done = cli("app", "install", write(tmp_path), "--json").ok().json
    assert {"connection:shop-group", "connection:erp", "rule:tell_erp"} <= set(done["added"])
    group, erp = api.get("/connections/shop-group"), api.get("/connections/erp")
    assert (group["enabled"], group["params"]["style"], erp["enabled"]) == (False, "markdown", True)
    assert cli("app", "install", write(tmp_path), "--json").ok().json["installed"] is False
    url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123456789"
    api.patch("/connections/shop-group", {"enabled": True, "params": {"url": url}})
    cli("app", "install", write(tmp_path, version="1.1.0")).ok()
    assert api.get("/connections/shop-group")["secrets"]["url"] == {"set": True, "ends": "6789"}
    assert api.get("/connections/shop-group")["enabled"] is True


def test_an_export_holds_no_secret_and_can_be_installed_again(
    cli: Callable[..., Any], api: Api, tmp_path: Path
) -> None:
    secret = "a-very-secret-secret"
    params = {"url": "https://a.example.com", "secret": secret}
    api.post("/connections", {"kind": "webhook_out", "key": "erp", "label": "ERP", "params": params}, expect=201)
    file = tmp_path / "export.json"
    cli("app", "export", file).ok()
    text = file.read_text("utf-8")
    found = json.loads(text)["connections"][0]
    assert (found["key"], found["params"]["url"]) == ("erp", "https://a.example.com")
    assert "secret" not in found["params"] and secret not in text


def test_a_package_with_a_secret_in_it_is_refused(cli: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    leaky = [{"key": "erp", "label": "ERP", "kind": "webhook_out", "params": {"url": "https://a.cn", "secret": "abc"}}]
    done = cli("app", "install", write(tmp_path, connections=leaky))
    assert done.status == 1 and "不能有密码和令牌" in done.err
    assert api.get("/connections")["connections"] == []


def test_what_is_still_in_use_stays_when_the_app_goes(cli: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    cli("app", "install", write(tmp_path)).ok()
    rule = PACKAGE["rules"][0] | {"key": "mine", "label": "我的规则"}
    api.post("/rules", rule, expect=201)
    cli("app", "remove", "shop_alerts").ok()
    assert [one["key"] for one in api.get("/connections")["connections"]] == ["erp"]
