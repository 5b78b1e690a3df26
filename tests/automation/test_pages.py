"""The pages of automation, as the browser asks for them."""

from __future__ import annotations

import pytest

from tests.support.http import Client

PAGES = (
    "/automation/rules", "/automation/rules/new", "/automation/rules/new?form=order",
    "/automation/rules/silent_30_days", "/automation/tables", "/automation/tables/new",
    "/automation/tables/new?form=order", "/automation/tables/customer_value", "/automation/runs",
    "/automation/rules/silent_30_days/enable", "/automation/tables/customer_value/enable",
    "/automation/rules/silent_30_days/effect", "/automation/tables/customer_value/effect",
    "/automation/rules/silent_30_days/versions", "/automation/rules/action?action=set&form=customer",
    "/automation/rules/action?action=add_tag&form=customer", "/automation/rules/action?action=assign&form=customer",
    "/automation/forms/customer/action/field?slot=s1&key=stage",
    "/automation/forms/customer/action/field?slot=s1&key=owner",
)  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_every_page_opens_for_an_administrator(client: Client, url: str) -> None:
    answer = client.get(url)
    assert answer.status_code == 200, answer.text[-3000:]


@pytest.mark.parametrize("url", PAGES[:9])
def test_staff_are_refused(staff_client: Client, url: str) -> None:
    assert staff_client.get(url).status_code == 403


def test_an_action_that_does_not_suit_the_form_is_not_offered(client: Client) -> None:
    assert client.get("/automation/rules/action?action=add_tag&form=order").status_code == 404
