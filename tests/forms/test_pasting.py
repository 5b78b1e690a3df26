"""A column copied from a spreadsheet goes into the cells of a list: seen first, then written, taken back at once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.permissions import FormRights, Rights
from tests.support.http import Api, Client


@pytest.fixture
def people(api: Api) -> list[int]:
    shop = [{"key": "name", "label": "店名", "type": "text"}]
    api.post("/forms", {"key": "shop", "label": "门店", "title_field": "name", "fields": shop})
    api.post("/forms/shop/records", {"values": {"name": "东店"}})
    fields = [
        {"key": "name", "label": "姓名", "type": "text"},
        {"key": "age", "label": "年龄", "type": "integer", "max": 120},
        {"key": "level", "label": "级别", "type": "choice", "choices": ["金", "银"]},
        {"key": "shop", "label": "门店", "type": "relation", "form": "shop"},
        {"key": "files", "label": "文件", "type": "attachments"},
    ]
    api.post("/forms", {"key": "member", "label": "会员", "title_field": "name", "fields": fields})
    return [
        api.post("/forms/member/records", {"values": {"name": name, "age": age}})["id"]
        for name, age in (("甲", 20), ("乙", 30), ("丙", 40))
    ]


def paste(client: Client, ids: list[int], text: str, field: str = "age", **more: str) -> Any:
    data = {"ids": ",".join(map(str, ids)), "field": field, "text": text, **more}
    return client.post("/forms/member/paste", data=data, htmx=True)


def confirm(client: Client, ids: list[int], text: str, field: str = "age") -> Any:
    seen = re.search(r'name="seen" value="([^"]*)"', paste(client, ids, text, field).text)
    assert seen
    return paste(client, ids, text, field, go="1", seen=seen[1])


def held(api: Api, ids: list[int], field: str = "age") -> list[Any]:
    return [api.get(f"/forms/member/records/{i}")["values"][field] for i in ids]


def toast(answer: Any) -> Any:
    return json.loads(answer.headers["HX-Trigger"])["guke:toast"]


def test_it_is_shown_first_then_written_and_taken_back_at_once(client: Client, api: Api, people: list[int]) -> None:
    shown = paste(client, people, "21\r\n31\r\n40\r\n").text
    assert "将修改 2 条" in shown and "<s>20</s> → 21" in shown and "丙" not in shown
    assert held(api, people) == [20, 30, 40]
    done = confirm(client, people, "21\r\n31\r\n40\r\n")
    assert held(api, people) == [21, 31, 40] and "已修改 2 条" in toast(done)["message"]
    client.post(toast(done)["undo"], htmx=True)
    assert held(api, people) == [20, 30, 40]


def test_what_cannot_be_is_said_beside_its_record_and_the_rest_is_written(
    client: Client, api: Api, people: list[int]
) -> None:
    shown = paste(client, people, "many\n130\n\n9").text
    assert "2 条不能这样填" in shown and "不能大于 120" in shown and "将修改 1 条" in shown and "多出的 1 行" in shown
    confirm(client, people, "many\n130\n\n9")
    assert held(api, people) == [20, 30, None]


def test_choices_and_related_records_are_read_by_their_names(client: Client, api: Api, people: list[int]) -> None:
    confirm(client, people, "金\n银\n铜", "level")
    assert held(api, people, "level") == ["金", "银", None]
    assert "没有找到叫「西店」的门店" in paste(client, people, "东店\n西店", "shop").text
    confirm(client, people, "东店\n西店", "shop")
    assert held(api, people, "shop") == [1, None, None]


def test_a_cell_with_a_line_break_stays_one_value(client: Client, api: Api, people: list[int]) -> None:
    confirm(client, people, '"甲\n一"\n乙二', "name")
    assert [name.split() for name in held(api, people[:2], "name")] == [["甲", "一"], ["乙二"]]


@pytest.mark.parametrize(
    ("field", "text", "words"), [("age", "1\t2", "一列"), ("files", "1", "不能粘贴"), ("age", "", "没有可以")]
)
def test_what_makes_no_sense_is_refused(client: Client, people: list[int], field: str, text: str, words: str) -> None:
    assert words in paste(client, people, text, field).text


def test_what_somebody_changed_meanwhile_is_shown_again(client: Client, api: Api, people: list[int]) -> None:
    seen = re.search(r'name="seen" value="([^"]*)"', paste(client, people, "21").text)
    assert seen
    api.patch(f"/forms/member/records/{people[0]}", {"values": {"age": 25}})
    again = paste(client, people, "21", go="1", seen=seen[1])
    assert again.status_code == 409 and "<s>25</s> → 21" in again.text and held(api, people)[0] == 25


def test_only_what_the_person_may_write_and_see_is_written(staff_client: Client, api: Api, people: list[int]) -> None:
    see = frozenset({"see", "edit"})
    users.add_role("plain", "Plain", Rights(forms={"member": FormRights(see)}))
    users.update(users.by_login("bo").id, SYSTEM, role="plain")
    assert paste(staff_client, people, "21").status_code == 403
    own = {"field": "age", "op": "lt", "value": 35}
    rights = FormRights(see | {"bulk"}, own, {"level": "read", "shop": "hidden"})
    users.add_role("narrow", "Narrow", Rights(forms={"member": rights}))
    users.update(users.by_login("bo").id, SYSTEM, role="narrow")
    assert paste(staff_client, people, "金", "level").status_code == 403
    assert paste(staff_client, people, "1", "shop").status_code == 404
    assert "丙" not in paste(staff_client, people, "21\n22\n23").text
    confirm(staff_client, people, "21\n22\n23")
    assert held(api, people) == [21, 22, 40]


def test_in_the_browser_it_fills_the_rows_below(page: Any, api: Api, people: list[int]) -> None:
    page.goto("/forms/member")
    page.locator(".list-table").focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.evaluate(
        """() => { const data = new DataTransfer(); data.setData("text/plain", "61\\n62");
        document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })); }"""
    )
    page.locator("#bulk-dialog button[type=submit]").click()
    page.locator("tbody", has_text="62").wait_for()
    assert held(api, people) == [20, 62, 61], "the latest comes first"
