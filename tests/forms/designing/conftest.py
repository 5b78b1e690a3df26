"""A form of the company's own with a few records, and the actor who designs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http import Api

REPAIR: dict[str, Any] = {
    "key": "fix_job",
    "label": {"zh": "维修单", "en": "Repairs"},
    "title_field": "number",
    "fields": [
        {"key": "number", "label": "单号", "type": "text", "unique": True},
        {"key": "price", "label": "价格", "type": "text"},
        {"key": "state", "label": "状态", "type": "choice", "choices": ["待修", "已修"]},
        {"key": "shop", "label": "门店", "type": "text"},
    ],
}
PRICES = ["12", "¥1,300.50", "面议", None]


@pytest.fixture
def repair(api: Api) -> str:
    """The form's key; its four records hold :data:`PRICES`."""
    api.post("/forms", REPAIR, expect=201)
    for n, price in enumerate(PRICES):
        values = {"number": f"R{n}", "price": price, "state": "待修", "shop": "A" if n < 2 else "B"}
        api.post("/forms/fix_job/records", {"values": values})
    return "fix_job"


@pytest.fixture
def amy(app: Any) -> Any:
    """The administrator, as an actor."""
    from appliance.accounts import people, users

    actor_id = people.find("amy")
    assert actor_id is not None
    return users.actor_of(actor_id)
