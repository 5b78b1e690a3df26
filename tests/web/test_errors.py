"""What is shown when something cannot be done or went wrong."""

from __future__ import annotations

import json
import re

import pytest


def boom(app, error):
    from appliance.accounts.guards import requires_login

    @requires_login
    def view():
        raise error

    app.view_functions["web.home"] = view


def test_an_unknown_page_keeps_the_shell_for_who_is_signed_in(client, anon):
    answer = client.get("/no/such/page")
    assert answer.status_code == 404
    assert "没有找到" in answer.text and 'id="rail"' in answer.text
    bare = anon.get("/no/such/page")
    assert bare.status_code == 404 and 'id="rail"' not in bare.text


def test_an_unexpected_error_shows_an_id_that_the_log_has_and_no_trace(app, client, caplog):
    boom(app, RuntimeError("the secret reason"))
    answer = client.get("/")
    assert answer.status_code == 500
    incident = re.search(r"编号 ([0-9a-f]{8})", answer.text)[1]
    assert incident in caplog.text and "the secret reason" in caplog.text
    assert "the secret reason" not in answer.text and "Traceback" not in answer.text


def test_htmx_gets_a_notice_instead_of_a_page(app, client):
    from appliance.core.errors import Conflict

    boom(app, Conflict("有人先改了。"))
    answer = client.get("/", htmx=True)
    assert answer.status_code == 409 and not answer.data
    assert json.loads(answer.headers["HX-Trigger"])["guke:toast"]["message"] == "有人先改了。"


def test_programs_get_problem_json(app, client):
    from appliance.core.errors import FieldErrors

    boom(app, FieldErrors({"phone": "手机号少一位。"}))
    answer = client.get("/", headers={"Accept": "application/json"})
    assert answer.status_code == 422 and answer.mimetype == "application/problem+json"
    assert answer.get_json()["errors"] == [{"field": "phone", "message": "手机号少一位。"}]


def test_the_api_never_answers_with_a_page(anon, api):
    missing = api.raw("GET", "/no/such/thing")
    assert (missing.status_code, missing.mimetype) == (404, "application/problem+json")
    refused = anon.get("/api/v1/forms")
    assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("GET", 200)])
def test_a_wrong_method_is_said_so(client, method, status):
    answer = client.open("/me", method=method)
    assert answer.status_code == status


def test_too_much_is_413(app, client):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = client.post("/me/name", data={"name": "x" * 5000})
    assert answer.status_code == 413 and "文件太大" in answer.text


def test_every_answer_carries_the_security_headers(client, anon):
    for answer in (
        client.get("/"),
        anon.get("/login"),
        anon.get("/nope"),
        anon.get("/api/v1/forms"),
        anon.get("/static/css/guke.css"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_static_files_are_kept_for_good_when_the_url_names_their_version(anon):
    page = anon.get("/login").text
    url = re.search(r'href="(/static/css/guke\.css\?v=\w+)"', page)[1]
    assert "immutable" in anon.get(url).headers["Cache-Control"]
    assert anon.get("/static/css/guke.css").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("digits", [15, 25, 5000])
def test_a_number_that_no_id_can_be_finds_nothing_and_breaks_nothing(client, digits):
    number = "9" * digits
    for path in (
        "/messages/?before={}", "/messages/?customer={}", "/settings/log?before={}", "/notices?before={}",
        "/automation/runs?before={}", "/forms/customer/new?copy={}", "/forms/customer/pick?id={}",
        "/forms/customer/bin/purge?ids={}", "/forms/customer/export?ids={}", "/forms/customer/duplicates?id={}",
        "/forms/customer/duplicates?job={}", "/forms/customer?view={}", "/pool/customer?department={}",
        "/settings/workdays?year={}", "/customers/tags/edit?tag={}", "/settings/log?person={}",
    ):  # fmt: skip
        assert client.get(path.format(number)).status_code < 500, path
    for path, data in (
        ("/forms/customer/restore", "ids"), ("/forms/customer/bulk/delete", "ids"), ("/pool/customer/claim", "ids"),
        ("/forms/customer/views/order", "ids"), ("/messages/unknown", "ids"), ("/forms/customer/views/start", "view"),
        ("/forms/customer/paste", "ids"), ("/deputies", "deputy"), ("/sales/preferences", "early"),
    ):  # fmt: skip
        assert client.post(path, data={data: number}, htmx=True).status_code < 500, path
