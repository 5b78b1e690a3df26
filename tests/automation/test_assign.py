"""Who gets the record: in turn, by weight, by load, by department, without those who are away."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts import departments, deputies, people, users
from appliance.accounts.actor import SYSTEM
from appliance.automation import actions
from appliance.automation.actions import Effect, Work
from appliance.core import clock, settings
from appliance.core.db import write
from appliance.forms import catalog, query, records
from appliance.forms.hooks import Cause
from tests.support.http import Api

from .conftest import Shop

Assign = Callable[..., Effect]


@pytest.fixture
def crowd(shop: Shop) -> list[int]:
    form = catalog.get("customer")
    written = records.create_many(
        form, [{"name": f"c{i}", "city": "杭州" if i % 2 else "上海"} for i in range(200)], SYSTEM
    )
    return [i for i in written.ids if i]


@pytest.fixture
def assign() -> Assign:
    """Runs the action on a batch; ``memory`` goes from batch to batch."""
    memory: dict[str, Any] = {}

    def run(ids: list[int], **doc: Any) -> Effect:
        form = catalog.get("customer")
        action = actions.build({"action": "assign"} | doc, form)
        with write():
            return action.apply(ids, Work(form, Cause("rule", 1), clock.now(), memory))

    return run


def owners(ids: list[int]) -> Counter[str]:
    form = catalog.get("customer")
    found = [
        r
        for start in range(0, len(ids), 500)
        for r in query.Query(form, SYSTEM).get_many(ids[start : start + 500], ["owner"])
    ]
    return Counter(people.login(r.values["owner"]) if r.values["owner"] else "" for r in found)


def away(login: str, deputy: str) -> int:
    today = clock.today(settings.tz())
    user, other = people.find(login), people.find(deputy)
    assert user and other
    return deputies.name(
        user, other, today.isoformat(), (today + dt.timedelta(days=1)).isoformat(), "", users.actor_of(user)
    )  # type: ignore[arg-type]


def test_weighted_shares_are_exact_over_any_cut_into_batches(crowd: list[int], assign: Assign) -> None:
    begin = 0
    for size in (1, 2, 7, 30, 60, 100):
        assign(crowd[begin : begin + size], weighted={"bo": 3, "cy": 1})
        begin += size
        got = owners(crowd[:begin])
        assert abs(got["bo"] - begin * 3 / 4) < 1.01, (begin, got)
    assert owners(crowd) == {"bo": 150, "cy": 50}


def test_turns_go_on_where_the_last_batch_ended(crowd: list[int], assign: Assign) -> None:
    for n in range(20):
        assign(crowd[n : n + 1], round_robin=["amy", "bo", "cy"])
    got = owners(crowd[:20])
    assert sorted(got.values()) == [6, 7, 7]


def test_who_is_away_is_passed_over_and_takes_part_again(crowd: list[int], assign: Assign) -> None:
    standing = away("bo", "amy")
    assign(crowd[:10], round_robin=["bo", "cy"])
    assert owners(crowd[:10]) == {"cy": 10}
    assign(crowd[10:20], weighted={"bo": 3, "cy": 1})
    assert owners(crowd[10:20]) == {"cy": 10}
    deputies.end(standing, users.actor_of(people.find("bo")))  # type: ignore[arg-type]
    assign(crowd[20:30], round_robin=["bo", "cy"])
    assert owners(crowd[20:30]) == {"bo": 5, "cy": 5}


def test_when_nobody_is_there_else_the_head_or_nobody_gets_it_and_it_says_why(crowd: list[int], assign: Assign) -> None:
    sales = departments.create("销售部", SYSTEM, head=people.find("amy"))
    departments.set_members(sales, [people.find("bo"), people.find("cy")], SYSTEM)  # type: ignore[list-item]
    away("bo", "amy"), away("cy", "amy")
    left = assign(crowd[:4], round_robin=[{"department": "销售部"}])
    assert set(left.skipped) == set(crowd[:4]) and "销售部现在都不在" in left.skipped[crowd[0]]
    assign(crowd[:4], round_robin=[{"department": "销售部"}], when_absent="head")
    assert owners(crowd[:4]) == {"amy": 4}
    assign(crowd[4:8], least_loaded=["bo", "cy"], **{"else": "amy"})
    assert owners(crowd[4:8]) == {"amy": 4}
    # One person by name keeps what is theirs: their deputy sees it.
    assign(crowd[8:9], to="bo")
    assert owners(crowd[8:9]) == {"bo": 1}


def test_a_person_who_left_gets_nothing_more(crowd: list[int], assign: Assign) -> None:
    users.disable(people.find("cy"), SYSTEM)  # type: ignore[arg-type]
    form = catalog.get("customer")
    action = actions.open_action({"action": "assign", "round_robin": ["bo", "cy"]}, form)
    with write():
        action.apply(crowd[:4], Work(form, Cause("rule", 1), clock.now(), {}))
    assert owners(crowd[:4]) == {"bo": 4}


def test_a_whole_department_takes_turns_and_the_table_may_name_one(crowd: list[int], assign: Assign) -> None:
    sales = departments.create("销售部", SYSTEM)
    departments.set_members(sales, [people.find("bo"), people.find("cy")], SYSTEM)  # type: ignore[list-item]
    effect = assign(crowd[:20], by="city", map={"杭州": f"department:{sales}"})
    assert owners(crowd[:20]) == {"bo": 5, "cy": 5, "": 10}
    assert "没有写明分给谁" in next(iter(effect.skipped.values()))


def test_the_least_loaded_does_not_count_what_is_closed(crowd: list[int], assign: Assign) -> None:
    form = catalog.get("customer")
    bo, cy = people.find("bo"), people.find("cy")
    records.update_many(form, {i: {"owner": bo, "stage": "lost"} for i in crowd[:50]}, SYSTEM)
    records.update_many(form, {i: {"owner": cy, "stage": "new"} for i in crowd[50:60]}, SYSTEM)
    assign(crowd[60:70], least_loaded=["bo", "cy"])
    assert owners(crowd[60:70]) == {"cy": 10}
    assign(crowd[70:80], least_loaded=["bo", "cy"], **{"except": {"stage": ["lost"]}})
    assert owners(crowd[70:80]) == {"bo": 10}


def test_ten_thousand_records_are_a_few_statements(shop: Shop, assign: Assign, monkeypatch: pytest.MonkeyPatch) -> None:
    form = catalog.get("customer")
    ids = [
        i
        for start in range(0, 10_000, 1000)
        for i in records.create_many(form, [{"name": f"n{start + n}"} for n in range(1000)], SYSTEM).ids
        if i
    ]
    from appliance.core.db import db

    asked = 0
    execute = type(db).execute_sql

    def counting(self: Any, *args: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(self, *args, **more)

    monkeypatch.setattr(type(db), "execute_sql", counting)
    assign(ids, weighted={"amy": 5, "bo": 3, "cy": 2})
    assert asked < 60, asked
    assert owners(ids) == {"amy": 5000, "bo": 3000, "cy": 2000}


def test_the_editor_takes_every_way_and_says_it_in_words(api: Api, client: Any, shop: Shop) -> None:
    from .conftest import Pages

    pages = Pages(client)
    sales = departments.create("销售部", SYSTEM)
    departments.set_members(sales, [people.find("bo")], SYSTEM)  # type: ignore[list-item]
    cases = [
        (
            {"way": "weighted", "weigh": ["bo", "cy"], "weight": ["3", "1"], "else": "amy"},
            "按比例分配：Bo 李 3 份、Cy 王 1 份，都不在时给amy",
        ),
        (
            {"way": "round_robin", "users": ["bo", f"department:{sales}"], "head": "1"},
            "轮流分配给Bo 李、销售部，都不在时给部门负责人",
        ),
        ({"way": "least_loaded", "users": ["bo", "cy"], "except.stage": ["lost"]}, "分配给Bo 李、Cy 王中手上最少的人"),
        (
            {"way": "by", "by": "city", "when": ["杭州"], "who": ["bo"], "else": "cy"},
            "按「城市」分配：杭州给Bo 李，其他给Cy 王",
        ),
    ]
    for typed, words in cases:
        key = pages.rule(do=[{"action": "assign"} | typed])
        rule = api.get(f"/rules/{key}")
        assert words in rule["words"], rule["words"]
        again = client.get(f"/automation/rules/{key}").text
        assert again.count("selected") >= 2
        do = rule["do"][0]
        assert do == api.patch(f"/rules/{key}", {"do": [do]})["do"][0]
    refused = api.post("/rules", {
        "label": "x", "form": "customer", "on": {"created": True},
        "do": [{"action": "assign", "weighted": {"bo": "三"}}, {"action": "assign", "round_robin": [{"department": "没有"}]}],
    }, expect=422)  # fmt: skip
    assert [e["field"] for e in refused["errors"]] == ["do.0.weighted.bo", "do.1.round_robin"]
