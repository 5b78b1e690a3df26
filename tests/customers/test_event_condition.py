"""The condition ``{"event": …}`` finds whom plain Python finds, for one customer and for all, and says itself in words."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core import clock as core_clock
from appliance.core.db import read, write
from appliance.core.i18n import speaking
from appliance.customers.events import ingest
from appliance.customers.events.models import Event
from appliance.forms import catalog, conditions, records
from appliance.forms.conditions import ConditionError
from appliance.forms.query import Query
from tests.support.http import Api

DAY = 86_400
NOW = int(dt.datetime(2026, 6, 15, 2, 0, tzinfo=dt.UTC).timestamp())
KINDS = ("watch", "comment", "follow")

events = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(KINDS),
        st.integers(0, 12),
        st.sampled_from([None, 0, 30, 90]),
        st.sampled_from([None, {"product": "面膜"}, {"product": "口红", "n": 3}, {"n": "3"}, {"n": 7.5, "on": True}]),
    ),
    max_size=12,
)
wheres = st.sampled_from(
    [
        None,
        {"field": "seconds", "op": "gte", "value": 30},
        {"field": "props.product", "op": "eq", "value": "面膜"},
        {"field": "props.product", "op": "ne", "value": "面膜"},
        {"not": {"field": "props.n", "op": "gte", "value": 3}},
        {"any": [{"field": "props.n", "value": "3"}, {"field": "props.on", "value": True}]},
        {"all": [{"field": "props.n", "op": "not_empty"}, {"field": "type", "op": "in", "value": ["watch"]}]},
    ]
)
compared = st.one_of(
    st.tuples(st.just("count"), st.sampled_from(["eq", "ne", "gte", "lt"]), st.integers(0, 3)),
    st.tuples(st.just("sum"), st.sampled_from(["eq", "ne", "gte", "lt"]), st.sampled_from([0, 30, 120])),
    st.tuples(
        st.just("last"), st.sampled_from(["within", "not_within"]), st.builds(lambda n: {"days": n}, st.integers(0, 9))
    ),
    st.tuples(st.just("last"), st.sampled_from(["empty", "not_empty"]), st.none()),
)


def number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def meets(where: Any, kind: str, seconds: int | None, props: dict[str, Any] | None) -> bool:
    """A condition over one event, by its definition."""
    if where is None:
        return True
    if "all" in where or "any" in where:
        return (all if "all" in where else any)(
            meets(c, kind, seconds, props) for c in where.get("all") or where["any"]
        )
    if "not" in where:
        return not meets(where["not"], kind, seconds, props)
    field, op, wanted = where["field"], where.get("op", "eq"), where.get("value")
    if field == "type":
        return kind in wanted
    if field == "seconds":
        return seconds is not None and seconds >= wanted
    found = (props or {}).get(field.removeprefix("props."))
    if op == "not_empty":
        return found is not None
    if op == "gte":
        return number(found) is not None and found >= wanted
    same = found is not None and (
        found is wanted if isinstance(wanted, bool) else found in (wanted, 3 if wanted == "3" else wanted)
    )
    return same if op == "eq" else not same


def expected(who: int, told: list[Any], doc: dict[str, Any]) -> bool:
    """Whether a customer meets the condition, by its definition."""
    days = doc.get("within", {"days": 1000})["days"]
    mine = [
        (days_ago, seconds)
        for customer, kind, days_ago, seconds, props in told
        if customer == who
        and kind in doc["event"]
        and days_ago <= days
        and meets(doc.get("where"), kind, seconds, props)
    ]
    agg, op, value = doc["agg"], doc["op"], doc.get("value")
    if agg == "last":
        if op in ("empty", "not_empty"):
            return bool(mine) == (op == "not_empty")
        inside = bool(mine) and min(d for d, _s in mine) <= value["days"]
        return inside == (op == "within")
    total = len(mine) if agg == "count" else sum(seconds or 0 for _d, seconds in mine)
    return {"eq": total == value, "ne": total != value, "gte": total >= value, "lt": total < value}[op]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    told=events, chosen=st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True), where=wheres,
    within=st.sampled_from([None, 3, 7]), test=compared,
)  # fmt: skip
def test_it_finds_whom_plain_python_finds(
    app: Flask, told: list[Any], chosen: list[str], where: Any, within: int | None, test: tuple[str, str, Any]
) -> None:
    core_clock.use(lambda: NOW)
    try:
        with read():
            form = catalog.get("customer")
            with write():
                Event.delete().execute()
                ids = records.create_many(form, [{"name": f"c{i}"} for i in range(4)], SYSTEM).ids
            rows = [
                {"customer": ids[c], "type": kind, "at": NOW - days * DAY, "seconds": seconds, "props": props}
                for c, kind, days, seconds, props in told
            ]
            assert ingest.ingest(rows, SYSTEM).failed == {}
            doc: dict[str, Any] = {"event": chosen, "agg": test[0], "op": test[1], "value": test[2]}
            doc |= {} if where is None else {"where": where}
            doc |= {} if within is None else {"within": {"days": within}}
            wanted = [i for n, i in enumerate(ids) if expected(n, told, doc)]
            found = [r.id for r in Query(form, SYSTEM).where(doc).each() if r.id in ids]
            assert sorted(found) == wanted
            assert [i for i in ids if conditions.holds(doc, form, i)] == wanted
            with speaking("zh"):
                assert conditions.words(doc, form) and conditions.explain(doc, form, ids[0]).words
    finally:
        core_clock.use(None)


@pytest.fixture
def watched(app: Flask, clock: Any) -> int:
    clock.set("2026-06-15T10:00:00+08:00")
    rows = [
        {"connection": "dy", "id": f"{n}", "customer": {"douyin_id": "u1"}, "type": "gift", "at": f"2026-06-1{n}T20:00:00+08:00",
         "props": {"name": "嘉年华", "worth": 3000 * n}}
        for n in (1, 2)
    ]  # fmt: skip
    ingest.ingest(rows, SYSTEM)
    with read():
        return next(r.id for r in Query(catalog.get("customer"), SYSTEM).each())


def test_it_reads_as_a_sentence_and_explains_itself(watched: int) -> None:
    with read(), speaking("zh"):
        form = catalog.get("customer")
        doc = {
            "event": "gift", "within": {"days": 30}, "where": {"field": "props.name", "value": "嘉年华"}, "agg": "sum",
            "of": "props.worth", "op": "gte", "value": 5000,
        }  # fmt: skip
        told = conditions.explain(doc, form, watched)
        assert told.passed
        assert told.words == "最近 30 天 送礼（名称 是 嘉年华）的worth合计 不低于 5,000.00"
        assert told.actual == "9,000.00"
        last = {"event": ["gift"], "agg": "last", "op": "not_within", "value": {"days": 3}}
        assert conditions.explain(last, form, watched).document() == {
            "words": "最近一次送礼 不在最近 3 天 内", "passed": False, "actual": "2026-06-12 20:00",
        }  # fmt: skip


WRONG = {
    "a kind nobody knows": {"event": "dance"},
    "an average": {"event": "watch", "agg": "avg", "of": "seconds", "op": "gte", "value": 1},
    "a field that events have not": {"event": "watch", "where": {"field": "city", "value": "杭州"}},
    "a test of records inside": {"event": "watch", "where": {"tag": "新粉"}},
    "a misspelt key": {"event": "watch", "withing": {"days": 3}},
    "a sum of words": {"event": "watch", "agg": "sum", "of": "type", "op": "gte", "value": 1},
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_is_refused_with_a_sentence(app: Flask, case: str) -> None:
    with read(), pytest.raises(ConditionError) as told:
        conditions.validate(WRONG[case], catalog.get("customer"))
    assert len(str(told.value)) > 8


def test_an_order_has_no_events(app: Flask) -> None:
    with read(), pytest.raises(ConditionError):
        conditions.validate({"event": "watch"}, catalog.get("order"))


def test_it_is_public_api_and_goes_through_a_session(api: Api, watched: int) -> None:
    session = {"title": "618 专场", "host": "小满", "channel": "douyin", "starts_at": "2026-06-12T19:00:00+08:00",
               "ends_at": "2026-06-12T22:00:00+08:00"}  # fmt: skip
    api.post("/forms/live_session/records", {"values": session})
    from appliance.core import jobs

    jobs.work()
    for host, found in (("小满", 1), ("大寒", 0)):
        where = {"event": "gift", "where": {"field": "live_session.host", "value": host}}
        assert api.post("/forms/customer/records:count", {"where": where}) == {"count": found}


def test_the_builder_offers_events_with_the_props_they_have(client: Any, watched: int) -> None:
    meta = client.get("/forms/customer/conditions/meta").get_json()
    entries = {e["id"]: e for e in meta["forms"]["customer"]["tests"] if e["test"] == "event"}
    assert set(entries) == {"event:count", "event:sum", "event:last"}
    fields = {f["key"]: f for f in meta["forms"]["_event"]["fields"]}
    assert {"seconds", "live_session", "props.name", "props.worth"} <= set(fields)
