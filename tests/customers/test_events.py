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


def test_the_api_takes_many_and_tells_of_each_that_makes_no_sense(api: Api) -> None:
    good = event(1, "watch", "2026-11-02T20:00:00+08:00", seconds=130, props={"product": "面膜"}, live_session="r-1")
    rows = [
        good,
        event(2, "dance", "2026-11-02T20:00:00+08:00"),
        event(3, "watch", "昨天"),
        event(4, "watch", "2026-11-02T20:00:00+08:00", seconds=-1),
        event(5, "watch", "2026-11-02T20:00:00+08:00") | {"customer": {}},
        event(6, "watch", "2026-11-02T20:00:00+08:00") | {"customer": {"shoe": "42"}},
        event(7, "watch", "2026-11-02T20:00:00+08:00", live_session=99),
        event(8, "watch", "2026-11-02T20:00:00+08:00", props={"x": "y" * 9000}),
        event(9, "watch", "2999-11-02T20:00:00+08:00"),
        "watch",
        event(11, "watch", "2026-11-02T20:00:00+08:00", colour="red"),
        good,
    ]
    told = api.post("/events", {"events": rows})
    assert (told["accepted"], told["duplicate"]) == (1, 1)
    assert [f["index"] for f in told["failed"]] == list(range(1, 11))
    assert all(len(f["error"]) > 8 and f["error"].endswith("。") for f in told["failed"])
    customer = who(api, "douyin_id", "u1")["id"]
    [shown] = api.get("/events", customer=customer)["events"]
    assert shown | {"event_id": 0, "received_at": ""} == {
        "event_id": 0, "received_at": "", "connection": "douyin-main", "id": "e-1", "customer": customer, "type": "watch",
        "at": "2026-11-02T20:00:00+08:00", "seconds": 130, "live_session": None, "channel": "douyin",
        "times": 1, "props": {"product": "面膜"},
    }  # fmt: skip


def test_events_are_listed_page_by_page_newest_first(api: Api, tell: Any) -> None:
    tell(*[event(n, "like" if n % 2 else "watch", f"2026-11-{n + 1:02}T20:00:00+08:00") for n in range(9)])
    customer = who(api, "douyin_id", "u1")["id"]
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get("/events", customer=customer, limit=4, cursor=cursor)
        seen += [e["id"] for e in page["events"]]
        cursor = page["next_cursor"]
    assert seen == [f"e-{n}" for n in reversed(range(9))]
    likes = api.get("/events", customer=customer, type="like,share", since="2026-11-05")["events"]
    assert [e["id"] for e in likes] == ["e-7", "e-5"]
    api.get("/events", expect=422)
    api.get("/events", customer=customer + 1, expect=404)


def test_who_may_not_make_customers_tells_nothing_and_nobody_sees_events_of_others_customers(
    api: Api, staff_api: Api, tell: Any
) -> None:
    row = event(1, "watch", "2026-11-02T20:00:00+08:00")
    tell(row)
    theirs = who(api, "douyin_id", "u1")["id"]
    api.patch("/roles/staff", {"forms": {"customer": {"verbs": ["see", "create"], "scope": {"whose": "me"}}}})
    staff_api.get("/events", customer=theirs, expect=404)
    told = staff_api.post("/events", {"events": [event(2, "watch", "2026-11-02T20:00:00+08:00")]})
    assert told["accepted"] == 0 and "不能查看" in told["failed"][0]["error"]
    api.patch("/roles/staff", {"forms": {"customer": {"verbs": ["see"]}}})
    staff_api.post("/events", {"events": [row]}, expect=403)
    staff_api.post("/event-types", {"key": "dance", "label": "跳舞"}, expect=403)


def test_an_event_names_its_customer_by_any_identity_within_its_shop(api: Api, tell: Any) -> None:
    customer = api.post("/forms/customer/records", {"values": {"name": "王芳", "phone": "13800138000"}})["id"]
    at = "2026-11-02T20:00:00+08:00"
    told = tell(
        {"customer": {"phone": "+86 138 0013 8000", "douyin_id": "u9"}, "type": "like", "at": at},
        {"customer": {"douyin_id": "u9"}, "type": "like", "at": at},
        {"customer": customer, "type": "like", "at": at},
        {"customer": {"douyin_id": "u9", "scope": "shop-2"}, "type": "like", "at": at},
        {"customer": {"id": 999}, "type": "like", "at": at},
    )
    assert told.accepted == 4 and list(told.failed) == [4]
    assert api.get(f"/forms/customer/records/{customer}")["values"]["interaction_count"] == 3
    assert api.get("/forms/customer/records", count=1)["total"] == 2


def test_a_company_adds_kinds_and_says_what_they_count_as(api: Api, tell: Any, work: Callable[[], Any]) -> None:
    api.post("/event-types", {"key": "replay", "label": {"zh": "看回放", "en": "Replay"}, "icon": "eye"}, expect=201)
    api.post("/event-types", {"key": "replay", "label": "again"}, expect=422)
    wrong = api.post("/event-types", {"key": "Re Play", "label": "", "icon": "cat", "counts_as": "x"}, expect=422)
    assert {e["field"] for e in wrong["errors"]} == {"key", "label", "icon", "counts_as"}
    tell(event(1, "replay", "2026-11-02T20:00:00+08:00", seconds=40))
    assert who(api, "douyin_id", "u1")["values"]["watch_seconds"] == 0
    api.patch("/event-types/replay", {"counts_as": "watch"})
    work()
    assert who(api, "douyin_id", "u1")["values"]["watch_seconds"] == 40
    tell(event(2, "replay", "2026-11-03T20:00:00+08:00", seconds=2))
    assert who(api, "douyin_id", "u1")["values"]["watch_seconds"] == 42
    api.delete("/event-types/replay")
    assert tell(event(3, "replay", "2026-11-03T20:00:00+08:00")).accepted == 0
    assert who(api, "douyin_id", "u1")["values"]["watch_seconds"] == 42
    api.delete("/event-types/watch", expect=422)


def test_a_token_that_may_only_write_records_may_write_events(app: Any, api: Api, template: Any) -> None:
    from appliance.accounts import tokens, users

    row = event(1, "watch", "2026-11-02T20:00:00+08:00")
    for words, status in ((["write", "form:customer"], 200), (["read"], 403), (["write", "form:order"], 403)):
        scope = tokens.Scope.read(words)
        limited = Api(api.client, tokens.create(users.by_login("amy").id, "x", scope=scope))
        assert limited.raw("POST", "/events", {"events": [row]}).status_code == status, words


def test_kinds_have_a_page_where_errors_stand_beside_their_field(client: Any) -> None:
    page = client.get("/settings/event-types").text
    assert "互动类型" in page and "加入粉丝团" in page and "计入观看时长" in page
    bad = client.post("/settings/event-types/save", data={"zh": "", "key": "Re Play", "icon": "eye"}, htmx=True)
    assert bad.headers["HX-Retarget"] == "#kind-dialog" and "请填写名称" in bad.text and 'value="Re Play"' in bad.text
    saved = client.post(
        "/settings/event-types/save", data={"zh": "看回放", "icon": "eye", "counts_as": "watch"}, htmx=True
    )
    assert "看回放" in saved.text and "kan_hui_fang" in saved.text
    client.post("/settings/event-types/save", data={"kind": "kan_hui_fang", "zh": "回放", "icon": "star"}, htmx=True)
    gone = client.post("/settings/event-types/kan_hui_fang/delete", htmx=True)
    assert "回放" not in gone.text and "/settings/event-types/kan_hui_fang/restore" in gone.headers["HX-Trigger"]
    client.post("/settings/event-types/kan_hui_fang/restore", htmx=True)
    assert "回放" in client.get("/settings/event-types").text
    assert client.post("/settings/event-types/watch/delete", htmx=True).status_code == 422


def test_the_manual_names_every_kind_of_event(app: Any) -> None:
    from pathlib import Path

    import appliance
    from appliance.customers.events.kinds import BUILT_IN

    for language, place in (("zh", 1), ("en", 2)):
        text = (Path(appliance.__file__).parent / "help" / language / "events.md").read_text(encoding="utf-8").lower()
        missing = [kind[0] for kind in BUILT_IN if language == "zh" and kind[place] not in text]
        assert missing == [], language


def test_the_timeline_and_a_sessions_page_show_what_happened(client: Any, api: Api, tell: Any) -> None:
    session = {"title": "双十一专场", "channel": "douyin", "starts_at": "2026-11-02T19:00:00+08:00"}
    number = api.post("/forms/live_session/records", {"values": session})["id"]
    at = "2026-11-02T20:00:00+08:00"
    tell(event(1, "watch", at, seconds=130), event(2, "like", at), event(3, "like", at),
         event(4, "comment", at, props={"text": "<b>还有货吗"}), event(5, "add_to_cart", at, props={"product": "面膜"}))  # fmt: skip
    customer = who(api, "douyin_id", "u1")["id"]
    timeline = client.get(f"/customers/{customer}/timeline?kinds=events").text
    for told in ("观看 2 分 10 秒", "点赞 2 次", "&lt;b&gt;还有货吗", "商品 面膜", "双十一专场"):
        assert told in timeline, told
    assert "2 分 10 秒" in client.get(f"/forms/live_session/records/{number}").text
    people = client.get(f"/forms/live_session/records/{number}/panels/people").text
    assert f"/forms/customer/records/{customer}" in people and "2 分 10 秒" in people


def test_a_segment_over_the_figures_follows_the_events(api: Api, tell: Any, work: Callable[[], Any]) -> None:
    api.post(
        "/segments", {"key": "fans", "label": "铁粉", "where": {"field": "watch_seconds", "op": "gte", "value": 100}}
    )
    api.post("/segments", {"key": "chatty", "label": "爱聊", "where": {"event": "comment", "op": "gte", "value": 2}})
    work()

    def members(key: str) -> int:
        work()
        return len(next(v for v in api.get(f"/segments/{key}/members").values() if isinstance(v, list)))

    tell(event(1, "watch", "2026-11-02T20:00:00+08:00", seconds=60), event(2, "comment", "2026-11-02T20:00:00+08:00"))
    assert (members("fans"), members("chatty")) == (0, 0)
    tell(event(3, "watch", "2026-11-01T20:00:00+08:00", seconds=60), event(4, "comment", "2026-11-01T20:00:00+08:00"))
    assert (members("fans"), members("chatty")) == (1, 1)
