"""Every view of every room is guarded, and the guard does what its mark says."""

from __future__ import annotations

import re

import pytest

from tests.support.people import BO

SAMPLE = {"int": "1", "default": "x", "path": "x", "string": "x", "float": "1.5", "uuid": "0" * 32}


def routes(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def url_of(rule):
    def value(found):
        kind, choices = found[1] or "default", found[2]
        return choices.split(",")[0].strip("' ") if kind == "any" else SAMPLE.get(kind, "x")

    return re.sub(r"<(?:(\w+)(?:\(([^)]*)\))?:)?\w+>", value, rule.rule)


def method_of(rule):
    return next(m for m in ("GET", "POST", "PATCH", "PUT", "DELETE") if m in rule.methods)


def test_every_view_carries_a_guard(app):
    from appliance.accounts import guards

    bare = [rule.endpoint for rule in routes(app) if guards.of(app.view_functions[rule.endpoint]) is None]
    assert bare == []


def test_a_second_guard_on_a_view_is_an_error():
    from appliance.accounts.guards import public, requires_login

    with pytest.raises(ValueError, match="two guards"):

        @public
        @requires_login
        def view() -> str:
            return ""


def test_a_view_without_a_guard_is_refused(app, client):
    from appliance.accounts import gate, guards

    app.view_functions["web.home"], kept = (lambda: "open!"), app.view_functions["web.home"]
    try:
        assert guards.of(app.view_functions["web.home"]) is None and gate
        assert client.get("/").status_code == 500
    finally:
        app.view_functions["web.home"] = kept


def test_nobody_gets_past_a_guard_without_signing_in(app, anon):
    from appliance.accounts import guards

    through = []
    for rule in routes(app):
        if guards.of(app.view_functions[rule.endpoint]).kind == "public":
            continue
        answer = anon.open(url_of(rule), method=method_of(rule))
        api = rule.rule.startswith(("/api/", "/hooks/"))
        turned_away = answer.status_code == 401 if api else answer.location and answer.location.startswith("/login")
        if not turned_away:
            through.append((rule.rule, answer.status_code))
    assert through == []


def test_staff_get_past_no_guard_for_administrators(app, staff_client):
    from appliance.accounts import guards

    through = []
    for rule in routes(app):
        if guards.of(app.view_functions[rule.endpoint]).kind == "admin" and not rule.rule.startswith("/api/"):
            answer = staff_client.open(url_of(rule), method=method_of(rule))
            if answer.status_code != 403:
                through.append((rule.rule, answer.status_code))
    assert through == []


def test_every_write_of_a_page_needs_the_csrf_token(app, client):
    open_to_all = []
    for rule in routes(app):
        if rule.rule.startswith(("/api/", "/hooks/")) or (method_of(rule) == "GET" and "POST" not in rule.methods):
            continue
        answer = client.open(url_of(rule), method="POST" if "POST" in rule.methods else method_of(rule), csrf=False)
        if answer.status_code != 400:
            open_to_all.append((rule.rule, answer.status_code))
    assert open_to_all == []


def test_a_session_cookie_opens_no_api(client):
    assert client.get("/api/v1/forms").status_code == 401


def test_a_token_opens_no_page(app, template):
    answer = app.test_client().get("/", headers={"Authorization": f"Bearer {template.tokens[BO.login]}"})
    assert answer.status_code == 302
