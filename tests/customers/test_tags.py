"""Tags: held by name, one of an exclusive group, set-based for many, each change in the history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee
import pytest
from flask import Flask

from appliance.accounts import permissions
from appliance.accounts.actor import SYSTEM, Actor
from appliance.core.db import read
from appliance.core.errors import UserError
from appliance.customers import tag_test, tagging, tags
from appliance.forms import catalog, conditions, query, records
from appliance.forms.hooks import Cause
from appliance.forms.models import Change
from tests.support.http import Api

RULE = Cause("rule", 7)


def customers(count: int, **values: Any) -> list[int]:
    form = catalog.get("customer")
    written = records.create_many(form, [{"name": f"c{i}", **values} for i in range(count)], SYSTEM)
    return [i for i in written.ids if i]


def held(customer_id: int) -> list[str]:
    return query.get(catalog.get("customer"), customer_id, SYSTEM).values["tags"]


def count(where: dict[str, Any]) -> int:
    return query.Query(catalog.get("customer"), SYSTEM).where(where).count()


@pytest.fixture
def levels(app: Flask) -> str:
    with read():
        return tags.install_group({"key": "level", "label": "层级", "exclusive": True, "tags": ["高", "中", "低"]}).key


def test_the_api_reads_and_writes_tags_by_name(api: Api) -> None:
    one = api.post("/forms/customer/records", {"values": {"name": "a", "tags": ["甲", "乙", "甲"]}})
    assert one["values"]["tags"] == ["甲", "乙"]
    path = f"/forms/customer/records/{one['id']}"
    api.patch(path, {"values": {"tags": {"add": ["丙"], "remove": ["甲"]}}})
    assert api.get(path)["values"]["tags"] == ["乙", "丙"]
    api.patch(path, {"values": {"tags": []}})
    assert api.get(path)["values"]["tags"] == []


def test_a_customer_holds_one_tag_of_an_exclusive_group(levels: str) -> None:
    with read():
        form, [one] = catalog.get("customer"), customers(1, tags=["高", "老客"])
        records.update(form, one, {"tags": {"add": ["低"]}}, SYSTEM)
        assert held(one) == ["低", "老客"]
        with pytest.raises(UserError, match="互斥"):
            records.update(form, one, {"tags": ["高", "低"]}, SYSTEM)


def test_add_where_writes_only_real_differences_with_their_changes(levels: str) -> None:
    with read():
        ids = customers(30)
        form = catalog.get("customer")
        assert tagging.add_where("高", ids[:10], SYSTEM, RULE) == 10
        everybody = query.Query(form, SYSTEM).ids_query()
        assert tagging.add_where("中", everybody, SYSTEM, RULE) == 30
        assert tagging.add_where("中", everybody, SYSTEM, RULE) == 0
        last = Change.select().where(Change.record_id == ids[0]).order_by(Change.id.desc()).first()
        assert last.fields == {"tags": {"add": ["中"], "remove": ["高"]}}
        assert (last.cause_kind, last.cause_id) == ("rule", 7)
        assert tagging.remove_where("中", ids[:3], SYSTEM, RULE) == 3
        assert count({"tag": "中"}) == 27


def test_assign_exclusive_previews_and_does_what_it_previewed(levels: str) -> None:
    with read():
        ids = customers(9)
        known, form = tags.ids_of(["高", "中", "低"]), catalog.get("customer")
        tagging.add_where("低", ids[:6], SYSTEM, RULE)
        row_id = form.col("id")
        outcome = peewee.Case(None, [(row_id <= ids[2], known["高"]), (row_id <= ids[4], known["低"])], None)
        source = form.table.select(row_id.alias("id"), outcome.alias("tag_id"))
        assert tagging.preview_exclusive(levels, source) == {("低", "高"): 3, ("低", None): 1}
        seen: list[int] = []
        assert tagging.assign_exclusive(levels, source, SYSTEM, RULE, on_batch=seen.append) == 4
        assert [held(i) for i in ids] == [["高"]] * 3 + [["低"]] * 2 + [[]] * 4
        assert seen == [4] and tagging.preview_exclusive(levels, source) == {}


@pytest.mark.parametrize("common", [0, 5_000])
def test_conditions_on_tags_mean_the_same_for_rare_and_common_tags(
    levels: str, common: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.customers.tag_field.COMMON", common)
    with read():
        ids = customers(6)
        tagging.add_where("高", ids[:2], SYSTEM, RULE)
        records.update_many(catalog.get("customer"), {i: {"tags": {"add": ["甲"]}} for i in ids[1:4]}, SYSTEM)
        assert count({"tag": "高"}) == 2 and count({"not": {"tag": "高"}}) == 4
        assert count({"field": "tags", "op": "has_any", "value": ["高", "甲"]}) == 4
        assert count({"field": "tags", "op": "has_all", "value": ["高", "甲"]}) == 1
        assert count({"field": "tags", "op": "has_none", "value": ["高", "甲"]}) == 2
        assert count({"field": "tags", "op": "empty"}) == 2 and count({"field": "tags", "op": "not_empty"}) == 4
        assert count({"tag": "没有这个"}) == 0


def test_a_tag_says_who_gave_it(levels: str, clock: Any) -> None:
    clock.set("2026-06-15T10:00:00+08:00")
    with read():
        [one] = customers(1)
        tagging.add_where("高", [one], SYSTEM, RULE)
        assert tag_test.why(one, "高").endswith("在 2026-06-15 10:00 打上")
        assert tag_test.why(one, "低") == "没有这个标签"


def test_a_deleted_tag_is_held_by_nobody_until_it_comes_back(levels: str) -> None:
    with read():
        ids = customers(3)
        tagging.add_where("高", ids, SYSTEM, RULE)
        tag = tags.get("高")
        tags.delete(tag.id)
        assert held(ids[0]) == [] and count({"tag": "高"}) == 0
        tags.restore(tag.id)
        assert count({"tag": "高"}) == 3
        tags.delete(tag.id)
        tags.create("高", group="level")
        assert count({"tag": "高"}) == 0


def test_a_group_is_not_made_exclusive_over_customers_who_hold_two(app: Flask) -> None:
    with read():
        group = tags.create_group("兴趣")
        for name in ("茶", "酒"):
            tags.create(name, group=group.key)
        customers(1, tags=["茶", "酒"])
        with pytest.raises(UserError, match="1 位客户"):
            tags.update_group(group.key, exclusive=True)


def test_counts_leave_out_deleted_customers(levels: str, work: Callable[[], Any]) -> None:
    with read():
        ids = customers(4)
        tagging.add_where("高", ids, SYSTEM, RULE)
        records.delete(catalog.get("customer"), ids[0], SYSTEM)
        assert tags.count_all()[tags.get("高").id] == 3


def test_who_may_not_see_tags_cannot_filter_by_them(levels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = lambda actor, form, key: "hidden" if key == "tags" else "edit"  # noqa: E731
    monkeypatch.setattr(permissions, "field_access", hidden)
    with read(), pytest.raises(UserError, match="没有字段"):
        conditions.validate({"tag": "高"}, catalog.get("customer"), Actor(9, "x", "x", role_ids=(1,)))
