"""Live sessions: events and orders belong to the one they fall in, whichever came first; its figures follow all that happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.customers.events import ingest
from tests.support.http import Api

Work = Callable[[], dict[str, Any]]
LIVE = "/forms/live_session/records"


@pytest.fixture(autouse=True)
def now(clock: Any) -> None:
    clock.set("2026-11-20T10:00:00+08:00")


def at(hour: int, minute: int = 0, day: int = 11) -> str:
    return f"2026-11-{day}T{hour:02}:{minute:02}:00+08:00"


def live(api: Api, **values: Any) -> int:
    doc = {"title": "双十一", "host": "小满", "channel": "douyin", "starts_at": at(19), "ends_at": at(23)} | values
    return api.post(LIVE, {"values": doc})["id"]


def order(api: Api, number: str, moment: str, **values: Any) -> int:
    doc = {"number": number, "customer": {"douyin_id": "u1"}, "channel": "douyin", "amount": "100", "paid_at": moment}
    return api.post("/forms/order/records", {"values": doc | values})["id"]


def tell(*rows: dict[str, Any]) -> None:
    found = ingest.ingest([{"customer": {"douyin_id": "u1"}, "type": "watch", **row} for row in rows], SYSTEM)
    assert not found.failed, found.failed


def figures(api: Api, session: int) -> dict[str, Any]:
    values = api.get(f"{LIVE}/{session}")["values"]
    return {k: values[k] for k in ("viewers", "watch_seconds", "interactions", "orders", "buyers", "paid", "roi")}


NOTHING = {"viewers": 0, "watch_seconds": 0, "interactions": 0, "orders": 0, "buyers": 0, "paid": "0.00", "roi": None}


def of_order(api: Api, order_id: int) -> Any:
    return api.get(f"/forms/order/records/{order_id}")["values"]["live_session"]


def test_what_happens_during_a_session_is_its_own(api: Api) -> None:
    session = live(api, spend="50")
    tell(
        {"at": at(19, 30), "seconds": 600}, {"at": at(20), "type": "comment"}, {"at": at(18), "seconds": 9},
        {"at": at(21), "seconds": 60, "customer": {"douyin_id": "u2"}}, {"at": at(20), "customer": {"kuaishou_id": "k"}},
    )  # fmt: skip
    inside, outside = order(api, "A", at(20)), order(api, "B", at(23, 30))
    other = order(api, "C", at(20), channel="kuaishou")
    assert [of_order(api, o) for o in (inside, outside, other)] == [session, None, None]
    assert figures(api, session) == {
        "viewers": 2, "watch_seconds": 660, "interactions": 1, "orders": 1, "buyers": 1, "paid": "100.00", "roi": "1.0000",
    }  # fmt: skip


def test_a_session_told_of_later_or_moved_gathers_what_is_its_own_and_lets_go_of_the_rest(api: Api, work: Work) -> None:
    tell({"at": at(19, 30), "seconds": 600}, {"at": at(9), "seconds": 7})
    early = order(api, "A", at(9, 15))
    late = order(api, "B", at(23, 30), ordered_at=at(20))
    session = live(api)
    work()
    assert (of_order(api, early), of_order(api, late)) == (None, session)
    assert figures(api, session) | {"paid": ""} == NOTHING | {
        "viewers": 1, "watch_seconds": 600, "orders": 1, "buyers": 1, "paid": "",
    }  # fmt: skip
    api.patch(f"{LIVE}/{session}", {"values": {"starts_at": at(8), "ends_at": at(10)}})
    work()
    assert (of_order(api, early), of_order(api, late)) == (session, None)
    assert figures(api, session)["watch_seconds"] == 7
    api.delete(f"{LIVE}/{session}")
    work()
    assert of_order(api, early) is None
    api.post(f"{LIVE}/{session}:restore")
    work()
    assert of_order(api, early) == session and figures(api, session)["viewers"] == 1


def test_refunds_take_the_sums_back(api: Api) -> None:
    session = live(api, spend="100")
    one, two = order(api, "A", at(20)), order(api, "B", at(21), amount="300")
    assert (figures(api, session)["paid"], figures(api, session)["roi"]) == ("400.00", "3.0000")
    api.patch(f"/forms/order/records/{two}", {"values": {"refunded": "250"}})
    assert (figures(api, session)["paid"], figures(api, session)["roi"]) == ("150.00", "0.5000")
    api.patch(f"/forms/order/records/{one}", {"values": {"status": "cancelled"}})
    api.patch(f"{LIVE}/{session}", {"values": {"spend": "25"}})
    assert figures(api, session) | {"roi": ""} == NOTHING | {"orders": 1, "buyers": 1, "paid": "50.00", "roi": ""}
    assert figures(api, session)["roi"] == "1.0000"
    api.delete(f"/forms/order/records/{two}")
    assert figures(api, session) | {"roi": ""} == NOTHING | {"roi": ""}


def test_of_several_the_shops_own_then_the_one_that_began_last(api: Api) -> None:
    anybodys = live(api)
    later = live(api, starts_at=at(20), title="加场")
    shops = live(api, shop="旗舰店", title="旗舰店")
    assert of_order(api, order(api, "A", at(19, 30))) == anybodys
    assert of_order(api, order(api, "B", at(20, 30))) == later
    assert of_order(api, order(api, "C", at(20, 30), shop="旗舰店")) == shops


def test_an_event_that_names_its_session_belongs_to_it_known_or_not(api: Api, work: Work) -> None:
    tell({"at": at(9), "seconds": 5, "live_session": "room-7"})
    session = live(api, external_id="room-7")
    other = live(api, host="大寒", channel="kuaishou")
    work()
    assert figures(api, session)["watch_seconds"] == 5
    tell(
        {"at": at(9), "seconds": 1, "live_session": "room-7"}, {"at": at(9), "seconds": 2, "live_session": session},
        {"at": at(20), "seconds": 30, "live_session": {"host": "大寒"}, "customer": {"phone": "13800138000"}},
    )  # fmt: skip
    assert figures(api, session)["watch_seconds"] == 8
    assert figures(api, other)["watch_seconds"] == 30


def test_a_session_ends_after_it_began(api: Api) -> None:
    told = api.post(LIVE, {"values": {"title": "x", "starts_at": at(20), "ends_at": at(19)}}, expect=422)
    assert told["errors"][0]["field"] == "ends_at"
