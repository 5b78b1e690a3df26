"""Cells that name several related records, line items of a company's own form, masked numbers: in and out again."""

from __future__ import annotations

import csv

import pytest

from tests.support.http import Api


def csv_file(path, rows):
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    return path


@pytest.fixture
def teams(api: Api) -> dict[str, int]:
    """People with a code of their own or none, two of them of the same name; teams of them; places by name only."""
    fields = [
        {"key": "name", "label": "姓名", "type": "text"},
        {"key": "code", "label": "工号", "type": "text", "unique": True},
    ]
    api.post("/forms", {"key": "member", "label": "成员", "title_field": "name", "fields": fields})
    place = [{"key": "name", "label": "店名", "type": "text"}]
    api.post("/forms", {"key": "place", "label": "门店", "title_field": "name", "fields": place})
    own = [
        {"key": "title", "label": "组名", "type": "text", "unique": True},
        {"key": "members", "label": "组员", "type": "relations", "form": "member"},
        {"key": "places", "label": "驻点", "type": "relations", "form": "place"},
    ]
    api.post("/forms", {"key": "team", "label": "小组", "title_field": "title", "fields": own})
    people = (("甲", "A001"), ("乙", "A002"), ("丙", "A003"), ("丙", "A004"), ("12", "A005"))
    made = {
        code: api.post("/forms/member/records", {"values": {"name": name, "code": code}})["id"] for name, code in people
    }
    return made | {
        name: api.post("/forms/place/records", {"values": {"name": name}})["id"] for name in ("东店", "西、南店")
    }


def held(api: Api) -> dict[str, tuple[list[int], list[int]]]:
    records = api.get("/forms/team/records")["records"]
    return {r["values"]["title"]: (r["values"]["members"], r["values"]["places"]) for r in records}


def test_several_records_are_named_by_what_is_unique_or_by_their_title(api, cli, teams, tmp_path):
    rows = [
        ["组名", "组员", "驻点"],
        ["一组", "A001、A002", "东店"],
        ["二组", "乙;A003", "东店"],
        ["三组", "", ""],
        ["四组", "12", ""],
    ]
    done = cli("import", "team", csv_file(tmp_path / "t.csv", rows), "--json").ok().json
    assert (done["created"], done["failed"]) == (4, 0)
    assert held(api) == {
        "一组": ([teams["A001"], teams["A002"]], [teams["东店"]]),
        "二组": ([teams["A002"], teams["A003"]], [teams["东店"]]),
        "三组": ([], []),
        "四组": ([teams["A005"]], []),
    }


def test_a_name_that_is_unknown_or_shared_is_said_with_its_row(api, cli, teams, tmp_path):
    rows = [["组名", "组员"], ["一组", "A001、丙"], ["二组", "戊"], ["三组", "A009"], ["四组", "乙"]]
    done = cli("import", "team", csv_file(tmp_path / "t.csv", rows), "--json").ok().json
    assert (done["created"], done["failed"]) == (1, 3) and list(held(api)) == ["四组"]
    with open(done["errors_file"], encoding="utf-8-sig") as file:
        said = file.read()
    assert "有 2 条成员叫「丙」" in said and "没有找到叫「戊」的成员" in said and "A009" in said


def test_an_exported_file_of_several_relations_comes_back(api, cli, teams, tmp_path):
    values = {"title": "一组", "members": [teams["A003"], teams["A001"]], "places": [teams["西、南店"], teams["东店"]]}
    record = api.post("/forms/team/records", {"values": values})["id"]
    before = held(api)
    cli("export", "team", tmp_path / "t.csv").ok()
    header, row = list(csv.reader((tmp_path / "t.csv").open(encoding="utf-8-sig")))
    cells = dict(zip(header, row, strict=True))
    assert cells["组员"] == "丙、甲" and cells["组员 · 固客编号"] == f"{teams['A003']}、{teams['A001']}"
    api.patch(f"/forms/team/records/{record}", {"values": {"members": [], "places": []}})
    done = cli("import", "team", tmp_path / "t.csv", "--key", "id", "--json").ok().json
    assert (done["updated"], done["failed"]) == (1, 0) and held(api) == before


@pytest.fixture
def repairs(api: Api) -> None:
    lines = [
        {"key": "part", "label": "配件", "type": "text", "required": True},
        {"key": "count", "label": "件数", "type": "integer"},
        {"key": "price", "label": "单价", "type": "money"},
        {"key": "sum", "label": "小计", "type": "formula", "formula": "{count} * {price}", "result": "money"},
    ]
    fields = [
        {"key": "number", "label": "单号", "type": "text", "unique": True},
        {"key": "lines", "label": "明细", "type": "sub_form", "fields": lines},
    ]
    api.post("/forms", {"key": "repair", "label": "维修单", "title_field": "number", "fields": fields})


ITEMS = [
    ["单号", "配件", "件数", "明细单价"],
    ["R1", "屏幕", "1", "300"],
    ["R1", "电池", "2", "80"],
    ["R2", "外壳", "1", "50"],
    ["R3", "", "", ""],
]


def lines(api: Api) -> dict[str, list[tuple[str, int, str]]]:
    records = api.get("/forms/repair/records", sort="number")["records"]
    return {
        r["values"]["number"]: [(row["part"], row["count"], row["price"]) for row in r["values"]["lines"]]
        for r in records
    }


def test_line_items_of_an_own_form_come_along_row_by_row(api, cli, repairs, tmp_path):
    file = csv_file(tmp_path / "r.csv", ITEMS)
    done = cli("import", "repair", file, "--json").ok().json
    assert (done["created"], done["failed"], done["children_created"]) == (3, 0, 3)
    wanted = {"R1": [("屏幕", 1, "300.00"), ("电池", 2, "80.00")], "R2": [("外壳", 1, "50.00")], "R3": []}
    assert lines(api) == wanted
    assert cli("import", "repair", file, "--json").ok().json["children_created"] == 0
    assert lines(api) == wanted, "what was there before the import keeps its items"
    cli("import", "undo", str(done["import_id"])).ok()
    assert lines(api) == {} and api.post("/forms/repair_lines/records:count", {})["count"] == 0


def test_items_of_one_record_may_lie_in_different_batches(api, cli, repairs, tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.forms.importing.plan.BATCH", 1)
    done = cli("import", "repair", csv_file(tmp_path / "r.csv", ITEMS), "--json").ok().json
    assert done["children_created"] == 3 and len(lines(api)["R1"]) == 2


def test_an_item_that_cannot_be_is_said_with_its_row(api, cli, repairs, tmp_path):
    rows = [["单号", "配件", "件数"], ["R1", "", "3"]]
    done = cli("import", "repair", csv_file(tmp_path / "r.csv", rows), "--json").ok().json
    assert done["failed"] == 1
    with open(done["errors_file"], encoding="utf-8-sig") as file:
        assert "配件" in file.read()


def test_a_masked_number_says_unchanged_only_for_the_record_that_holds_it(api, cli, tmp_path):
    fields = [
        {"key": "name", "label": "姓名", "type": "text", "unique": True},
        {"key": "card", "label": "证件", "type": "id_card"},
    ]
    api.post("/forms", {"key": "guest", "label": "住客", "title_field": "name", "fields": fields})
    for name, card in (("甲", "11010519491231002X"), ("乙", "440308199901010012")):
        api.post("/forms/guest/records", {"values": {"name": name, "card": card}})
    cli("export", "guest", tmp_path / "g.csv").ok()
    done = cli("import", "guest", tmp_path / "g.csv", "--json").ok().json
    assert (done["updated"], done["failed"]) == (2, 0)
    records = api.get("/forms/guest/records", sort="id")["records"]
    masks = [r["values"]["card"]["masked"] for r in records]
    assert all("*" in mask for mask in masks)
    rows = [["姓名", "证件"], ["甲", masks[1]], ["丙", masks[0]]]
    done = cli("import", "guest", csv_file(tmp_path / "h.csv", rows), "--json").ok().json
    assert (done["created"], done["updated"], done["failed"]) == (0, 0, 2)
    with open(done["errors_file"], encoding="utf-8-sig") as file:
        assert "只是号码的一部分" in file.read()
