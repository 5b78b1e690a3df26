"""Entries and files of events: a row gives the events it tells of, and takes them back with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.core.db import read
from appliance.customers.events.models import Event
from tests.support.http import Api

ENTRIES = "/forms/event_entry/records"
FIGURES = ("watch_seconds", "interaction_count", "last_watch_at", "last_interaction_at")


def figures(api: Api, customer: int) -> list[Any]:
    values = api.get(f"/forms/customer/records/{customer}")["values"]
    return [values[key] for key in FIGURES]


def counts() -> dict[str, int]:
    with read():
        return dict(Counter(kind for (kind,) in Event.select(Event.type).tuples()))


def test_a_live_rooms_export_becomes_events_and_can_be_taken_back(
    cli: Callable[..., Any], api: Api, samples: Path, work: Callable[[], Any]
) -> None:
    told = api.post("/events", {"events": [
        {"customer": {"douyin_id": "dy100002"}, "type": "watch", "at": "2026-09-01T10:00:00+08:00", "seconds": 5}
    ]})  # fmt: skip
    assert told["accepted"] == 1
    done = cli("import", "event_entry", samples / "live_room.xlsx", "--json").ok().json
    assert (done["created"], done["failed"], done["blank"], done["summary"]) == (1483, 17, 1, 1), done
    # Seventeen viewers have no number: nobody can tell who they were.
    found = api.get("/forms/customer/records", where=json.dumps({"field": "identities", "value": "dy100002"}))
    customer = found["records"][0]["id"]
    assert found["records"][0]["values"]["nickname"] == "阿梓涵"
    # 14 minutes watched, 12 comments, no like, gifts worth 9.90.
    assert figures(api, customer) == [845, 13, "2026-10-01T04:08:00+08:00", "2026-10-01T04:08:00+08:00"]
    shown = api.get("/events", customer=customer)["events"]
    assert [(e["type"], e["times"], e["seconds"]) for e in shown] == [
        ("gift", 1, None), ("comment", 12, None), ("watch", 1, 840), ("watch", 1, 5),
    ]  # fmt: skip
    assert shown[0]["props"] == {"value": 9.9} and shown[2]["props"] == {"fan_level": "5级"}
    assert counts()["watch"] == 1484
    liked = {"event": "like", "agg": "count", "op": "gte", "value": 12000}
    assert api.post("/forms/customer/records:count", {"where": liked})["count"] > 0
    cli("import", "undo", str(done["import_id"])).ok()
    assert counts() == {"watch": 1}
    assert figures(api, customer) == [5, 0, "2026-09-01T10:00:00+08:00", None]
    work()


def test_an_entrys_events_follow_it(api: Api) -> None:
    customer = api.post("/forms/customer/records", {"values": {"name": "王芳"}})["id"]
    other = api.post("/forms/customer/records", {"values": {"name": "李娜"}})["id"]
    values = {
        "customer": customer,
        "at": "2026-11-02T20:00:00+08:00",
        "watched": "0:10:00",
        "likes": 3,
        "followed": True,
    }
    entry = api.post(ENTRIES, {"values": values})["id"]
    assert figures(api, customer)[:2] == [600, 3] and counts() == {"watch": 1, "like": 1, "follow": 1}
    watch = api.get("/events", customer=customer, type="watch")["events"][0]["event_id"]
    api.patch(f"{ENTRIES}/{entry}", {"values": {"likes": None, "watched": "0:01:00", "customer": other}})
    assert (figures(api, customer)[:2], figures(api, other)[:2]) == ([0, 0], [60, 0])
    # It is still the same event: rules that wait for one do not hear of it again.
    assert api.get("/events", customer=other, type="watch")["events"][0]["event_id"] == watch
    api.delete(f"{ENTRIES}/{entry}")
    assert figures(api, other) == [0, 0, None, None] and counts() == {}
    api.post(f"{ENTRIES}/{entry}:restore")
    assert figures(api, other)[:2] == [60, 0]


def test_an_entry_tells_of_something_that_there_is(api: Api) -> None:
    customer = api.post("/forms/customer/records", {"values": {"name": "王芳"}})["id"]
    nothing = api.post(ENTRIES, {"values": {"customer": customer, "likes": 0}}, expect=422)
    assert nothing["errors"][0]["field"] == "watched"
    unknown = api.post(ENTRIES, {"values": {"customer": customer, "type": "dance"}}, expect=422)
    assert unknown["errors"][0]["field"] == "type"
    api.post(ENTRIES, {"values": {"customer": customer, "type": "message", "content": "还有货吗"}}, expect=201)
    assert counts() == {"message": 1}


def test_a_plain_file_of_events_needs_no_mapping(cli: Callable[..., Any], api: Api, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    lines = [
        "抖音号,互动类型,时间,次数,商品,互动编号",
        "u1,点赞,2026-11-02 20:00,5,,a1",
        "u1,加购,2026/11/2 20:01,,面膜,a2",
        "u2,跳舞,2026-11-02,,,a3",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    done = cli("import", "event_entry", file, "--json", "--key", "number").json
    assert (done["created"], done["failed"]) == (2, 1), done
    again = cli("import", "event_entry", file, "--json", "--key", "number", "--on-duplicate", "skip").json
    assert (again["created"], again["skipped"]) == (0, 2), again
    assert counts() == {"like": 1, "add_to_cart": 1}


def test_a_merge_takes_the_events_along_and_gives_them_back(api: Api) -> None:
    ids = [api.post("/forms/customer/records", {"values": {"name": name, "phone": phone}})["id"]
           for name, phone in (("王芳", "13800138000"), ("阿芳", "13900139000"))]  # fmt: skip
    session = api.post("/forms/live_session/records", {"values": {"title": "双十一", "external_id": "r1"}})["id"]
    row = {"type": "watch", "seconds": 60, "live_session": "r1", "at": "2026-11-02T20:00:00+08:00"}
    api.post("/events", {"events": [row | {"customer": i} for i in ids]})
    api.post(ENTRIES, {"values": {"customer": ids[1], "likes": 2, "at": "2026-11-03T20:00:00+08:00"}})

    def viewers() -> Any:
        return api.get(f"/forms/live_session/records/{session}")["values"]["viewers"]

    assert viewers() == 2
    merge = api.post("/forms/customer/records:merge", {"keep": ids[0], "merge": ids[1]})["merge"]
    assert figures(api, ids[0])[:2] == [120, 2] and viewers() == 1
    api.post("/events", {"events": [row | {"customer": ids[0], "seconds": 1}]})
    api.post(f"/forms/customer/merges/{merge}:undo")
    assert (figures(api, ids[0])[:2], figures(api, ids[1])[:2]) == ([61, 0], [60, 2]) and viewers() == 2


def test_what_somebody_said_goes_with_their_personal_data_and_they_can_have_it(api: Api, app: Any) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.core.i18n import speaking
    from appliance.customers import erasing, personal_data

    customer = api.post("/forms/customer/records", {"values": {"name": "王芳"}})["id"]
    row = {"customer": customer, "type": "comment", "at": "2026-11-02T20:00:00+08:00", "props": {"text": "我是王芳"}}
    api.post("/events", {"events": [row]})
    with read(), speaking("zh"):
        told = personal_data.collect(customer, SYSTEM).document["events"]["entries"]
        assert told == [{"at": "2026-11-02T20:00:00+08:00", "what": "评论", "text": "我是王芳"}]
        erasing.erase(customer, "本人要求", SYSTEM)
        assert [(e.type, e.props) for e in Event.select()] == [("comment", None)]
