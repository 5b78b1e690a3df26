"""A form that the company makes is in the API at once, and the API keeps what its own description promises."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks

from tests.support import world
from tests.support.forms import addable, every_type
from tests.support.http import Api
from tests.support.people import AMY, BO

load_all_checks()
PROMISES = [
    not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance,
]  # fmt: skip
FORM = "after_sale"
RECORDS = f"/forms/{FORM}/records"

VALUES: dict[str, Any] = {
    "title": "第一单", "v_text": "甲", "v_long_text": "a\nb", "v_rich_text": "<p>a</p>", "v_markdown": "# a", "v_integer": 3,
    "v_decimal": "0.125", "v_money": "9.90", "v_percent": "0.05", "v_rating": 4, "v_slider": 2.5, "v_date": "2026-11-01",
    "v_datetime": "2026-11-01T10:00:00+08:00", "v_time": "09:30", "v_duration": "1:30:00", "v_month": "2026-11",
    "v_yes_no": True, "v_choice": "new", "v_multi_choice": ["new", "lost"], "v_cascade": "digital/phone",
    "v_color": "#0080ff", "v_json": {"a": [1]}, "v_barcode": "A-1", "v_phone": "13800138000", "v_email": "a@b.cn",
    "v_url": "https://b.cn", "v_relation": 1, "v_person": "amy", "v_persons": ["amy", "bo"], "v_owner": "bo",
    "v_department": 1, "v_departments": [1], "v_id_card": "11010519491231002X", "v_region": "330106",
    "v_address": {"region": "330106", "detail": "文三路1号", "recipient": None, "phone": None},
    "v_location": {"lat": 30.2, "lng": 120.1, "label": None}, "v_attachments": [1], "v_images": [1], "v_signature": 2,
    "v_relations": [1], "v_sub_form": [{"item": "壳", "quantity": 2, "price": "3.00"}],
}  # fmt: skip
COMPUTED = {
    "v_formula": "15.90", "v_lookup": "杭州", "v_rollup": "6.00",
}  # fmt: skip


@pytest.fixture(scope="module")
def company(template: world.Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A company with the form, a customer, a product, a department."""
    folder = tmp_path_factory.mktemp("company") / "data"
    shutil.copytree(template.folder, folder)
    with world.running(folder) as app:
        api = Api(FlaskClient(app), template.tokens[AMY.login])
        api.post("/forms/customer/records", {"values": {"name": "王芳", "city": "杭州"}})
        api.post("/forms/product/records", {"values": {"sku": "P1", "name": "面霜"}})
        api.post("/departments", {"name": "售后部"})
        api.post("/forms", every_type(FORM))
        yield app


@pytest.fixture
def calls(company: Flask, template: world.Template) -> Callable[[str], Api]:
    return lambda login: Api(FlaskClient(company), template.tokens[login])


def described(api: Api) -> Any:
    """The API's own description as schemathesis reads it, over the application in this process."""
    schema = schemathesis.openapi.from_dict(api.get("/openapi.json"))
    schema.app = api.client.application
    return schema


def picture(api: Api, name: str) -> int:
    from io import BytesIO

    from PIL import Image

    content = BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "PNG")
    answer = FlaskClient.open(
        api.client, "/api/v1/files", method="POST", headers=api.headers,
        data={"file": (BytesIO(content.getvalue()), name)},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return int(answer.get_json()["id"])


def test_every_type_is_written_and_read_as_described(calls: Callable[[str], Api]) -> None:
    api = calls(AMY.login)
    filled = {f"v_{kind}" for kind in addable()} - {"v_auto_number", *COMPUTED} | {"title"}
    assert set(VALUES) == filled, "a value for each type"
    first, second, third = (picture(api, name) for name in ("a.png", "b.png", "c.png"))
    values = VALUES | {"v_attachments": [first], "v_images": [second], "v_signature": third}
    schema = described(api)
    case = schema["/forms/after_sale/records"]["POST"].Case(body={"values": values}, media_type="application/json")
    answer = case.call_and_validate(headers=api.headers, checks=PROMISES)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["values"].items() >= COMPUTED.items() and made["values"]["v_auto_number"].endswith("0001")
    # What it prints it takes again, and that changes nothing.
    printed = {key: made["values"][key] for key in VALUES}
    again = schema[RECORDS + "/{id}"]["PATCH"].Case(
        path_parameters={"id": made["id"]}, body={"values": printed}, media_type="application/json"
    )
    assert again.call_and_validate(headers=api.headers, checks=PROMISES).json()["version"] == 1


def operations(schema: Any) -> list[Any]:
    found = [result.ok() for result in schema.get_all_operations()]
    return [one for one in found if one.path.startswith((f"/forms/{FORM}", f"/forms/{FORM}_v_sub_form"))]


def examples(limit: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=limit, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


LIMIT = int(os.environ.get("GUKE_API_EXAMPLES", "4"))
"""Requests of each kind to each operation; more by hand."""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("login", [AMY.login, BO.login])
def test_the_api_does_what_it_says_to_any_request(calls: Callable[[str], Api], login: str, mode: Any) -> None:
    """Requests made up from the description, those it allows and those it does not, to each path of the form."""
    api = calls(login)
    amy = calls(AMY.login)
    for title in ("甲", "乙"):
        amy.post(RECORDS, {"values": {"title": title, "v_sub_form": [{"item": "壳"}]}})
    found = operations(described(api))
    assert {one.path for one in found} >= {RECORDS, RECORDS + "/{id}", RECORDS + ":upsert", f"/forms/{FORM}/query"}
    failures: list[str] = []
    for operation in found:

        @examples(LIMIT)
        @given(case=operation.as_strategy(generation_mode=mode), here=st.sampled_from([1, 2, 3, None]))
        def ask(case: Any, here: int | None) -> None:
            if here and "id" in (case.path_parameters or {}):
                case.path_parameters["id"] = here
            case.call_and_validate(headers=api.headers, checks=PROMISES)

        try:
            ask()
        except (Exception, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)
