"""Identity card numbers are sealed in the database and masked wherever they come out; looking at one is written down."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import Api, Client

NUMBER, OTHER = "11010519491231002X", "440524188001010014"
MASKED = "110***********002X"
FORM = {
    "key": "member", "label": "会员", "title_field": "name",
    "fields": [
        {"key": "name", "label": "姓名", "type": "text"},
        {"key": "card", "label": "身份证", "type": "id_card", "unique": True, "birthday": "born", "sex": "sex", "region": "home"},
        {"key": "born", "label": "生日", "type": "date"},
        {"key": "sex", "label": "性别", "type": "choice", "choices": ["男", "女"]},
        {"key": "home", "label": "籍贯", "type": "region"},
    ],
}  # fmt: skip


@pytest.fixture
def member(api: Api) -> int:
    api.post("/forms", FORM)
    return int(api.post("/forms/member/records", {"values": {"name": "张三", "card": "11010519491231002x"}})["id"])


def test_the_api_prints_the_mask_and_takes_its_token_again(api: Api, member: int) -> None:
    values = api.get(f"/forms/member/records/{member}")["values"]
    assert values["card"]["masked"] == MASKED
    assert NUMBER not in str(values)
    again = api.patch(f"/forms/member/records/{member}", {"values": {"card": values["card"]}})
    assert again["version"] == 1, "nothing changed"
    assert api.patch(f"/forms/member/records/{member}", {"values": {"card": NUMBER}})["version"] == 1


def test_it_fills_birthday_sex_and_region_where_they_are_empty(api: Api, member: int) -> None:
    values = api.get(f"/forms/member/records/{member}")["values"]
    assert (values["born"], values["sex"], values["home"]) == ("1949-12-31", "女", "110105")
    said = api.post("/forms/member/records", {"values": {"card": OTHER, "born": "1990-01-01"}})["values"]
    assert (said["born"], said["sex"]) == ("1990-01-01", "男")


@pytest.mark.parametrize("bad", ["110105194912310021", "11010519491331002X", "123", MASKED, 5.5, ["x"], True, "１"])
def test_a_number_that_cannot_be_is_refused(api: Api, member: int, bad: Any) -> None:
    problem = api.patch(f"/forms/member/records/{member}", {"values": {"card": bad}}, expect=422)
    assert problem["errors"][0]["field"] == "card"


def test_it_is_found_whole_and_by_its_last_four(api: Api, member: int) -> None:
    other = api.post("/forms/member/records", {"values": {"card": OTHER}})["id"]
    empty = api.post("/forms/member/records", {"values": {"name": "李四"}})["id"]

    def found(op: str, value: Any) -> set[int]:
        where = {"field": "card", "op": op, "value": value}
        return {r["id"] for r in api.post("/forms/member/query", {"where": where})["records"]}

    assert found("eq", NUMBER) == found("in", [NUMBER]) == found("ends_with", "002x") == {member}
    assert found("ne", NUMBER) == found("not_in", [NUMBER]) == {other, empty}
    assert found("empty", None) == {empty} and found("not_empty", None) == {member, other}
    assert found("ends_with", "9999") == set()
    api.post("/forms/member/query", {"where": {"field": "card", "op": "ends_with", "value": "2X"}}, expect=422)
    api.post("/forms/member/query", {"where": {"field": "card", "op": "contains", "value": "1949"}}, expect=422)
    api.get("/forms/member/records", sort="card", expect=422)


def test_it_is_unique_and_a_key_to_update_by(api: Api, member: int) -> None:
    assert api.post("/forms/member/records", {"values": {"card": NUMBER}}, expect=422)["errors"][0]["field"] == "card"
    done = api.post(
        "/forms/member/records:upsert",
        {"key": "card", "records": [{"card": NUMBER, "name": "张三丰"}, {"card": OTHER, "name": "新人"}]},
    )
    assert (done["updated"], done["created"]) == (1, 1)
    assert api.get(f"/forms/member/records/{member}")["values"]["name"] == "张三丰"


def test_no_page_list_history_search_or_export_holds_it_in_clear(
    api: Api, client: Client, member: int, tmp_path: Path, data: Path
) -> None:
    from tests.support import world

    api.patch(f"/forms/member/records/{member}", {"values": {"card": OTHER}})
    api.patch(f"/forms/member/records/{member}", {"values": {"card": NUMBER}})
    pages = [
        f"/forms/member/records/{member}", "/forms/member", f"/forms/member/records/{member}/edit",
        f"/forms/member/records/{member}/history", f"/search?q={NUMBER}", "/settings/log",
        "/forms/member?where=%7B%22field%22%3A%22card%22%2C%22op%22%3A%22ends_with%22%2C%22value%22%3A%22002X%22%7D",
    ]  # fmt: skip
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        text = answer.text.replace(f"q={NUMBER}", "").replace(f'value="{NUMBER}"', "").replace(f"「{NUMBER}」", "")
        assert OTHER not in text and NUMBER not in text.replace(f">{NUMBER}<", ""), page
    assert MASKED in client.get(f"/forms/member/records/{member}").text
    assert MASKED in client.get(f"/forms/member/records/{member}/history").text
    changes = api.get(f"/forms/member/records/{member}/changes")
    assert NUMBER not in str(changes) and OTHER not in str(changes)
    out = tmp_path / "members.csv"
    assert world.command(data, ["--data", str(data), "export", "member", str(out)])[0] == 0
    exported = out.read_text(encoding="utf-8-sig")
    assert MASKED in exported and NUMBER not in exported
    for file in data.iterdir():
        if file.is_file():
            content = file.read_bytes()
            assert NUMBER.encode() not in content and OTHER.encode() not in content, file.name


def test_only_who_sees_the_field_reveals_it_and_the_log_says_so(
    api: Api, client: Client, staff_api: Api, staff_client: Client, member: int
) -> None:
    why = {"reason": "核对身份"}
    assert staff_api.raw("POST", f"/forms/member/records/{member}/card:reveal", why).get_json() == {"value": NUMBER}
    shown = client.post(f"/forms/member/records/{member}/fields/card/reveal", data={"reason": "核对身份"}, htmx=True)
    assert NUMBER in shown.text
    log = client.get("/settings/log").text
    assert log.count("核对身份") == 2 and "身份证" in log
    api.post(f"/forms/member/records/{member}/name:reveal", {"reason": "核对身份"}, expect=404)
    api.post("/forms/member/records/99/card:reveal", {"reason": "核对身份"}, expect=404)


@pytest.mark.parametrize("access", ["masked", "hidden"])
def test_who_may_not_see_the_field_cannot_reveal_filter_or_copy_it(
    app: Any, api: Api, staff_api: Api, staff_client: Client, member: int, access: str
) -> None:
    from appliance.accounts import users
    from appliance.accounts.permissions import VERBS, FormRights, Rights

    with app.test_request_context():
        narrow = Rights(forms={"*": FormRights(frozenset(VERBS) - {"design", "purge"}, {}, {"card": access})})
        users.update_role("staff", "员工", narrow)
    url, why = f"/forms/member/records/{member}", {"reason": "核对身份"}
    # What is masked for a role can be had one by one; what is hidden is not there.
    expected = 200 if access == "masked" else 404
    assert staff_api.raw("POST", f"{url}/card:reveal", why).status_code == expected
    assert staff_client.post(f"{url}/fields/card/reveal", data=why, htmx=True).status_code == expected
    values = staff_api.get(f"/forms/member/records/{member}")["values"]
    token = api.get(f"/forms/member/records/{member}")["values"]["card"]["token"]
    assert token not in str(values) and NUMBER not in str(values)
    staff_api.post("/forms/member/query", {"where": {"field": "card", "op": "eq", "value": NUMBER}}, expect=422)
    assert token not in staff_client.get(f"/forms/member/records/{member}").text


def test_the_page_keeps_replaces_and_empties_it(api: Api, client: Client, member: int) -> None:
    token = api.get(f"/forms/member/records/{member}")["values"]["card"]["token"]

    def save(typed: str) -> Any:
        form = client.get(f"/forms/member/records/{member}/fields/card?edit=1", htmx=True)
        assert MASKED in form.text and NUMBER not in form.text
        client.post(
            f"/forms/member/records/{member}/fields/card",
            data={"card": typed, "card.kept": token, "base": token},
            htmx=True,
        )
        return api.get(f"/forms/member/records/{member}")["values"]["card"]

    assert save(MASKED)["token"] == token, "what is masked stays"
    assert save(OTHER)["masked"] == "440***********0014"


def test_an_import_seals_what_a_file_holds(api: Api, data: Path, tmp_path: Path, member: int) -> None:
    from tests.support import world

    file = tmp_path / "in.csv"
    file.write_text(f"姓名,身份证\n张三,{NUMBER}\n王五,{OTHER}\n赵六,110105194912310021\n", encoding="utf-8")
    status, out, _err = world.command(
        data, ["--data", str(data), "import", "member", str(file), "--key", "card", "--json"]
    )
    assert status == 0 and '"created": 1' in out and '"failed": 1' in out, out
    with sqlite3.connect(data / "guke.db") as db:
        stored = [row[0] for row in db.execute("SELECT card FROM f_member")]
    assert len(stored) == 2 and not any(NUMBER[6:14] in text for text in stored)


def test_another_installation_cannot_read_it(api: Api, data: Path, member: int) -> None:
    from appliance.core import folder, secrets

    (data / folder.KEY_NAME).unlink()
    secrets.make_key(data)
    values = api.get(f"/forms/member/records/{member}")["values"]
    assert values["card"]["masked"] == "*" * 18
    api.post(f"/forms/member/records/{member}/card:reveal", {"reason": "核对身份"}, expect=404)
