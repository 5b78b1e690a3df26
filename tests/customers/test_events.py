"""Events: they come in any order, more than once, by any identity; what follows from them is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.customers.events import ingest
from tests.support.http import Api

Row = dict[str, Any]


@pytest.fixture
def tell(app: Any) -> Callable[..., ingest.Result]:
    """``tell({"type": "watch", …}, …)`` writes events as the system would."""

    def run(*rows: Row) -> ingest.Result:
        return ingest.ingest(rows, SYSTEM)

    return run


def who(api: Api, kind: str, value: str) -> dict[str, Any]:
    where = {"field": "identities", "op": "eq", "value": value}
    found = api.get("/forms/customer/records", where=json.dumps(where))
    assert len(found["records"]) == 1, found
    return found["records"][0]


def event(number: int, kind: str, at: str, **more: Any) -> Row:
    return {
        "connection": "douyin-main",
        "id": f"e-{number}",
        "customer": {"douyin_id": "u1"},
        "type": kind,
        "at": at,
        **more,
    }


def test_an_unknown_customer_is_made_and_events_count_once_in_whatever_order(api: Api, tell: Any) -> None:
    late = event(1, "watch", "2026-11-02T20:00:00+08:00", seconds=130)
    first = tell(late, event(2, "comment", "2026-11-02T20:01:00+08:00"), event(1, "watch", "2026-11-02T20:00:00+08:00"))
    assert (first.accepted, first.duplicate, first.failed) == (2, 1, {})
    second = tell(
        event(3, "watch", "2026-11-01T20:00:00+08:00", seconds=70), late, event(4, "like", "2026-10-01T20:00:00+08:00")
    )
    assert (second.accepted, second.duplicate) == (2, 1)
    values = who(api, "douyin_id", "u1")["values"]
    assert values["watch_seconds"] == 200
    assert values["last_watch_at"] == "2026-11-02T20:00:00+08:00"
    assert values["interaction_count"] == 2
    assert values["last_interaction_at"] == "2026-11-02T20:01:00+08:00"
    assert values["first_seen_at"] == "2026-11-02T20:00:00+08:00"
    assert values["identities"] == {"douyin_id": ["u1"]}
