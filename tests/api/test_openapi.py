"""The API's own description has every route of the API."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

from tests.support.http import Api

ELSEWHERE = {
    # Their documents are those of app packages, which the manual describes.
    "/tags", "/reports", "/dashboards", "/jobs",
}  # fmt: skip
"""First parts of the paths that the description leaves out."""

ONE_FORM = "customer"
"""Stands for every form: a form's paths are described under its own key."""


def shape(path: str) -> str:
    """A path with its parameters as ``{}``, whoever wrote it."""
    path = re.sub(rf"^/forms/{ONE_FORM}(?=/(?:records|query|merges))", "/forms/{}", path)
    return re.sub(r"<[^>]+>|\{\w+\}", "{}", path)


def routes(app: Flask) -> set[tuple[str, str]]:
    found = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")]
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    return {(m, shape(rule.rule.removeprefix("/api/v1"))) for rule in found for m in methods & (rule.methods or set())}


def described(document: Any) -> set[tuple[str, str]]:
    return {(m.upper(), shape(path)) for path, item in document["paths"].items() for m in item if m != "parameters"}


def left_out(path: str) -> bool:
    return "/" + re.split(r"[/:]", path)[1] in ELSEWHERE


def test_every_route_is_described_to_an_administrator(app: Flask, api: Api) -> None:
    api.post(f"/forms/{ONE_FORM}/fields", {"key": "id_card", "label": "身份证", "type": "id_card"}, expect=201)
    there, told = routes(app), described(api.get("/openapi.json"))
    assert sorted(one for one in there - told if not left_out(one[1])) == []
    assert sorted(one for one in told if one[1] in {path for _m, path in there} and one not in there) == []
    assert {
        part for part in ELSEWHERE if any(left_out(path) and path.startswith(part) for _m, path in there - told)
    } == ELSEWHERE


def test_roles_are_described_to_administrators_alone_and_shares_to_who_may_share(api: Api, staff_api: Api) -> None:
    assert "/roles" in api.get("/openapi.json")["paths"]
    told = staff_api.get("/openapi.json")["paths"]
    assert "/roles" not in told and "/forms/customer/records/{id}/shares" in told
    api.patch("/roles/staff", {"forms": {"customer": {"verbs": ["see"]}}})
    assert "/forms/customer/records/{id}/shares" not in staff_api.get("/openapi.json")["paths"]


def test_a_share_with_an_impossible_number_is_not_there(api: Api) -> None:
    made = api.post("/forms/customer/records", {"values": {"name": "王芳"}})["id"]
    api.delete(f"/forms/customer/records/{made}/shares/{2**65}", expect=404)
