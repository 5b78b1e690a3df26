"""Requests made up from the API's description, sent by an ordinary member of staff and by somebody with a narrow role: none
is answered with a fault of ours, and none tells what the role may not see."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.support import world
from tests.support.http import Api
from tests.support.people import AMY, BO

LIMIT = int(os.environ.get("GUKE_API_EXAMPLES", "2"))
"""Requests to each operation; more by hand."""
SECRETS = ("绝密备注九一三七", "13987654321", "看不见的客户", "Hangzhou-secret-grade")
KEPT = ("/tokens", "/me/tokens")


@pytest.fixture
def company(app: Flask, template: world.Template) -> Flask:
    """Two customers, one of them out of a narrow role's scope, and an order."""
    api = Api(FlaskClient(app), template.tokens[AMY.login])
    seen = api.post(
        "/forms/customer/records",
        {"values": {"name": "王芳", "city": "杭州", "remark": SECRETS[0], "phone": SECRETS[1]}},
    )
    api.post("/forms/customer/records", {"values": {"name": SECRETS[2], "city": "上海", "wechat": SECRETS[3]}})
    api.post("/forms/order/records", {"values": {"number": "N1", "customer": seen["id"], "amount": "9.90"}})
    return app


def narrow(app: Flask) -> None:
    """Bo sees customers of Hangzhou without their remark, phones masked, and no orders."""
    from appliance.accounts import users
    from appliance.accounts.permissions import FormRights, Rights

    verbs = frozenset({"see", "create", "edit", "delete", "export"})
    scope = {"field": "city", "op": "eq", "value": "杭州"}
    fields = {"remark": "hidden", "phone": "masked"}
    with app.test_request_context():
        users.update_role("staff", "员工", Rights(forms={"customer": FormRights(verbs, scope, fields)}))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("role", ["staff", "narrow"])
def test_no_request_of_an_ordinary_user_is_a_fault_or_tells_too_much(
    company: Flask, template: world.Template, role: str, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if role == "narrow":
        narrow(company)
    api = Api(FlaskClient(company), template.tokens[BO.login])
    schema = schemathesis.openapi.from_dict(api.get("/openapi.json"))
    schema.app = company
    failures: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.startswith(KEPT):
            continue

        @examples(LIMIT)
        @given(case=operation.as_strategy(generation_mode=mode), here=st.sampled_from([1, 2, None]))
        def ask(case: Any, here: int | None) -> None:
            if here and "id" in (case.path_parameters or {}):
                case.path_parameters["id"] = here
            answer = case.call(headers=api.headers)
            assert answer.status_code < 500, f"{answer.status_code} {answer.text[:300]} {case.as_curl_command()[:600]}"
            if role == "narrow":
                told = [secret for secret in SECRETS if secret in answer.text]
                assert not told, f"{told} {case.as_curl_command()[:600]}"

        try:
            ask()
        except (Exception, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)


def examples(limit: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=limit, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
