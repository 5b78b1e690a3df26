"""Actions that make records, write related ones, and write more than plain values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts import departments, people, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records
from tests.support.clock import Clock
from tests.support.http import Api, Client

from .conftest import Shop

Work = Callable[[], Any]


@pytest.fixture
def made(api: Api, work: Work) -> Any:
    """Makes records and rules by the API and runs rules by hand."""

    class Made:
        def add(self, form: str, **values: Any) -> int:
            return int(api.post(f"/forms/{form}/records", {"values": values})["id"])

        def values(self, form: str, record_id: int) -> dict[str, Any]:
            return dict(api.get(f"/forms/{form}/records/{record_id}")["values"])

        def all(self, form: str) -> list[dict[str, Any]]:
            return [
                r["values"] | {"id": r["id"]}
                for r in api.get(f"/forms/{form}/records", sort="id", limit=100)["records"]
            ]

        def rule(self, form: str, *do: dict[str, Any], **more: Any) -> str:
            doc = {"label": "规则", "form": form, "on": {"manual": True}, "do": list(do), "enabled": True}
            return str(api.post("/rules", doc | more)["key"])

        def run(self, key: str, *ids: int) -> dict[str, Any]:
            api.post(f"/rules/{key}:run", {"ids": list(ids)} if ids else {})
            work()
            return dict(api.get(f"/rules/{key}/runs")["runs"][0])

        def refuse(self, form: str, do: dict[str, Any]) -> list[str]:
            doc = {"label": "规则", "form": form, "on": {"manual": True}, "do": [do]}
            return [e["field"].removeprefix("do.0.") for e in api.post("/rules", doc, expect=422)["errors"]]

    return Made()


def test_a_new_customer_gets_an_owner_and_the_owner_a_task_once(made: Any, work: Work, api: Api, clock: Clock) -> None:
    made.rule(
        "customer",
        {"action": "assign", "by": "province", "map": {"浙江": "bo"}, "else": "cy"},
        {"action": "create_task", "title": "回访 {{ record.name }}", "assignee": "owner", "due": {"hours": 2}, "priority": "high"},
        on={"created": True},
    )  # fmt: skip
    now = clock.now()
    ann = made.add("customer", name="安", province="浙江")
    work()
    work()
    (task,) = made.all("task")
    assert (task["title"], task["assignee"], task["priority"], task["customer"]) == ("回访 安", "bo", "high", ann)
    assert (task["form"], task["record"], task["status"]) == ("customer", ann, "open")
    from appliance.forms.fields.moment import DateTime

    due = catalog.get("task").fields["due_at"]
    assert isinstance(due, DateTime) and due.parse(task["due_at"]) - now in range(7200, 7203)


def test_doing_it_twice_for_one_occasion_is_doing_it_once_and_undo_takes_the_tasks_back(
    made: Any, client: Client, work: Work, shop: Shop
) -> None:
    shop.add(ann=(0, 0, 0), ben=(0, 0, 0))
    key = made.rule("customer", {"action": "create_task", "title": "打电话", "assignee": "bo"}, once_per="year")
    run = made.run(key)
    assert run["changed"] == 2 and len(made.all("task")) == 2
    assert made.run(key)["changed"] == 0 and len(made.all("task")) == 2
    done = made.all("task")[0]["id"]
    records.update(catalog.get("task"), done, {"status": "done"}, users.actor_of(people.find("bo")))  # type: ignore[arg-type]
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    # What somebody has worked on since stays.
    assert [t["id"] for t in made.all("task")] == [done]


def test_tasks_go_to_managers_departments_and_roles_and_nobody_is_said(made: Any, shop: Shop) -> None:
    sales = departments.create("销售部", SYSTEM, head=people.find("amy"))
    departments.set_members(sales, [people.find("bo"), people.find("cy")], SYSTEM)  # type: ignore[list-item]
    ann, ben = made.add("customer", name="安", owner="bo"), made.add("customer", name="本")
    key = made.rule("customer", {"action": "create_task", "title": "看看", "assignee": "manager_of_owner"})
    run = made.run(key, ann, ben)
    assert run["changed"] == 1 and [t["assignee"] for t in made.all("task")] == ["amy"]
    made.run(
        made.rule("customer", {"action": "create_task", "title": "轮", "assignee": f"department:{sales}"}), ann, ben
    )
    assert sorted(t["assignee"] for t in made.all("task") if t["title"] == "轮") == ["bo", "cy"]


def test_a_record_of_any_form_is_made_with_texts_and_what_the_record_holds(
    made: Any, work: Work, client: Client
) -> None:
    ann = made.add("customer", name="安", phone="13800000001", owner="bo")
    order = made.add("order", number="A1", customer=ann, amount="99.00")
    key = made.rule("order", {"action": "create_record", "form": "follow_up", "values": {
        "content": "订单 {{ record.number }}（{{ record.customer.name }}）", "kind": "wechat",
        "customer": {"field": "customer"}, "next_at": {"now": True, "plus": {"days": 1}},
    }})  # fmt: skip
    run = made.run(key, order)
    (found,) = made.all("follow_up")
    assert (found["content"], found["kind"], found["customer"]) == ("订单 A1（安）", "wechat", ann)
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    assert made.all("follow_up") == []


def test_open_tasks_of_a_customer_are_closed_and_an_order_writes_its_customer(
    made: Any, client: Client, work: Work
) -> None:
    ann, ben = made.add("customer", name="安", city="杭州"), made.add("customer", name="本")
    mine = made.add("task", title="一", customer=ann), made.add("task", title="二", customer=ann, status="done")
    other = made.add("task", title="三", customer=ben)
    key = made.rule("customer", {
        "action": "update_related", "form": "task", "where": {"field": "status", "op": "in", "value": ["open", "doing"]},
        "values": {"status": "cancelled", "content": {"field": "city"}},
    })  # fmt: skip
    run = made.run(key, ann)
    assert run["changed"] == 1
    assert [made.values("task", i)["status"] for i in (*mine, other)] == ["cancelled", "done", "open"]
    assert made.values("task", mine[0])["content"] == "杭州"
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    assert made.values("task", mine[0])["status"] == "open"
    order = made.add("order", number="A1", customer=ben)
    made.run(
        made.rule("order", {"action": "update_related", "relation": "customer", "values": {"stage": "customer"}}), order
    )
    assert (made.values("customer", ben)["stage"], made.values("customer", ann)["stage"]) == ("customer", None)


def test_rules_that_write_each_other_s_records_stop_by_themselves(made: Any, work: Work) -> None:
    ann = made.add("customer", name="安")
    order = made.add("order", number="A1", customer=ann)
    made.rule(
        "order", {"action": "update_related", "relation": "customer", "values": {"remark": {"field": "shop"}}},
        {"action": "set", "values": {"amount": {"add": 1}}}, on={"updated": ["amount"]},
    )  # fmt: skip
    made.run(made.rule("order", {"action": "set", "values": {"amount": "1"}}), order)
    work()
    assert 5 < float(made.values("order", order)["amount"]) < 12


def test_set_takes_moments_other_fields_sums_and_lists(made: Any, clock: Clock) -> None:
    catalog.add_field(
        catalog.get("customer"),
        {"key": "likes", "label": "喜好", "type": "multi_choice", "choices": ["茶", "酒", "书"]},
    )
    catalog.add_field(catalog.get("customer"), {"key": "visits", "label": "到店", "type": "integer"})
    catalog.add_field(catalog.get("customer"), {"key": "call_on", "label": "约定", "type": "date"})
    clock.set("2026-12-01T10:00:00+08:00")
    ann = made.add("customer", name="安", nickname="小安", likes=["茶", "酒"], visits=2)
    key = made.rule("customer", {"action": "set", "values": {
        "call_on": {"now": True, "plus": {"days": 3}}, "wechat": {"field": "nickname"}, "visits": {"add": 5},
        "likes": {"add": ["书"], "remove": ["酒"]},
    }})  # fmt: skip
    made.run(key, ann)
    got = made.values("customer", ann)
    assert (got["call_on"], got["wechat"], got["visits"], got["likes"]) == ("2026-12-04", "小安", 7, ["茶", "书"])
    made.run(
        made.rule(
            "customer", {"action": "set", "values": {"call_on": {"now": True, "plus": {"days": 3, "working": True}}}}
        ),
        ann,
    )
    assert made.values("customer", ann)["call_on"] == "2026-12-04"
    clock.set("2026-12-04T10:00:00+08:00")
    made.run(
        made.rule(
            "customer", {"action": "set", "values": {"call_on": {"now": True, "plus": {"days": 1, "working": True}}}}
        ),
        ann,
    )
    assert made.values("customer", ann)["call_on"] == "2026-12-07"


def test_parameters_that_make_no_sense_are_refused_at_their_place(made: Any) -> None:
    assert made.refuse("customer", {"action": "create_task", "title": "", "assignee": "owner"}) == ["title"]
    assert made.refuse("customer", {"action": "create_task", "title": "{{ record.nam }}", "assignee": "owner"}) == [
        "title"
    ]
    assert made.refuse("customer", {"action": "create_task", "title": "x", "assignee": "没有"}) == ["assignee"]
    assert made.refuse(
        "customer", {"action": "create_task", "title": "x", "assignee": "bo", "due": {"hours": "二"}}
    ) == ["due"]
    assert made.refuse("customer", {"action": "create_record", "form": "nichts", "values": {}}) == ["form"]
    assert made.refuse("customer", {"action": "create_record", "form": "order", "values": {}}) == ["values.number"]
    assert made.refuse(
        "order",
        {"action": "create_record", "form": "follow_up", "values": {"content": "x", "next_at": {"field": "shop"}}},
    ) == ["values.next_at"]
    assert made.refuse("customer", {"action": "update_related", "form": "product", "values": {"name": "x"}}) == ["form"]
    assert made.refuse(
        "customer",
        {"action": "update_related", "form": "task", "where": {"field": "x", "op": "eq"}, "values": {"title": "x"}},
    )[0].startswith("where")
    assert made.refuse("customer", {"action": "set", "values": {"name": {"now": True}}}) == ["values.name"]
    assert made.refuse("customer", {"action": "set", "values": {"birthday": {"now": True, "plus": {"jahre": 1}}}}) == [
        "values.birthday"
    ]


def test_the_editor_takes_the_new_actions_and_shows_them_again(client: Client, api: Api) -> None:
    from .conftest import Pages

    pages = Pages(client)
    key = pages.rule(do=[
        {"action": "create_task", "title": "回访 {{ record.name }}", "assignee": "owner", "due.count": "2", "due.unit": "hours", "due.working": "1"},
        {"action": "create_record", "form": "follow_up", "field": ["content", "customer"], "value.content": "你好", "value.customer~mode": "field", "value.customer~field": "id"},
        {"action": "update_related", "target": "in:task.customer", "where": '{"field": "status", "op": "eq", "value": "open"}', "field": ["status"], "value.status": "done"},
        {"action": "set", "field": ["first_seen_at"], "value.first_seen_at~mode": "now", "value.first_seen_at~plus.count": "3", "value.first_seen_at~plus.unit": "days"},
    ])  # fmt: skip
    rule = api.get(f"/rules/{key}")
    assert rule["do"][0]["due"] == {"hours": 2, "working": True}
    assert rule["do"][1]["values"] == {"content": "你好", "customer": {"field": "id"}}
    assert rule["do"][2] | {"action": ""} == {
        "action": "", "form": "task", "via": "customer", "values": {"status": "done"},
        "where": {"field": "status", "op": "eq", "value": "open"},
    }  # fmt: skip
    assert rule["do"][3]["values"] == {"first_seen_at": {"now": True, "plus": {"days": 3}}}
    words = rule["words"]
    assert "给负责人建任务「回访 {{ record.name }}」，2 小时（只算工作时间）内完成" in words, words
    page = client.get(f"/automation/rules/{key}").text
    assert 'value="in:task.customer" selected' in page and 'value="3"' in page and 'value="now" selected' in page
    fresh = client.get("/automation/forms/customer/action?action=create_record&slot=s1&s1.form=order").text
    assert "s1.value.number" in fresh and 'value="id" selected' in fresh


@pytest.mark.parametrize("form", ["customer", "order", "lead", "task"])
def test_every_action_asks_for_its_inputs_in_the_list_too(made: Any, client: Client, form: str) -> None:
    ann = made.add("customer", name="安")
    values = {
        "customer": {"name": "本"},
        "order": {"number": "A1", "customer": ann},
        "lead": {"name": "陈"},
        "task": {"title": "一"},
    }
    record = made.add(form, **values[form])
    from appliance.automation import actions

    for cls in actions.offered(catalog.get(form)):
        if cls.name == "set":
            continue
        dialog = client.post(f"/forms/{form}/bulk/{cls.name}", data={"ids": str(record)}, htmx=True)
        assert dialog.status_code == 200 and 'name="do.' in dialog.text, (form, cls.name, dialog.text[:500])


def test_a_bulk_operation_makes_tasks_in_the_person_s_name_and_one_click_takes_them_back(
    made: Any, client: Client, work: Work
) -> None:
    ann, ben = made.add("customer", name="安", owner="bo"), made.add("customer", name="本", owner="cy")
    typed = {"ids": f"{ann},{ben}", "go": "1", "do.title": "问 {{ record.name }}", "do.assignee": "owner"}
    answer = client.post("/forms/customer/bulk/create_task", data=typed, htmx=True)
    assert answer.status_code == 204
    assert sorted(t["title"] for t in made.all("task")) == ["问 安", "问 本"]
    undo = re.search(r"/forms/customer/bulk/revert/\d+", answer.headers["HX-Trigger"])
    assert undo and client.post(undo[0], htmx=True).status_code == 204
    work()
    assert made.all("task") == []


def test_texts_that_are_set_may_hold_what_the_record_says(made: Any) -> None:
    ann = made.add("customer", name="安", city="杭州")
    order = made.add("order", number="A-1", customer=ann, amount=9)
    run = made.run(
        made.rule(
            "customer",
            {"action": "set", "values": {"remark": "{{ record.city }}的{{ record.name }}"}},
            {"action": "update_related", "form": "order", "values": {"remark": "{{ record.name }}的订单"}},
        ),
        ann,
    )
    assert run["status"] == "done"
    assert made.values("customer", ann)["remark"] == "杭州的安"
    assert made.values("order", order)["remark"] == "安的订单"
    assert made.refuse("customer", {"action": "set", "values": {"remark": "{{ record.nmae }}"}}) == ["values.remark"]
