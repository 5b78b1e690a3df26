"""Public form pages: made by those who design forms, filled in by anybody with the link, and by nobody too often."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.http import Api

FIELDS = [
    {"key": "name", "label": "姓名", "type": "text", "required": True},
    {"key": "phone", "label": "手机", "type": "phone", "unique": True},
    {"key": "channel", "label": "渠道", "type": "choice", "choices": ["douyin", "wechat"]},
    {"key": "score", "label": "推荐分", "type": "integer", "min": 0, "max": 10},
    {"key": "why", "label": "为什么", "type": "text", "show_if": {"field": "score", "op": "lt", "value": 7}},
    {"key": "boss", "label": "负责人", "type": "person"},
    {"key": "remark", "label": "备注", "type": "text"},
]


class Page:
    def __init__(self, client: Any, url: str) -> None:
        self.client, self.url = client, url
        self.settings: dict[str, Any] = {
            "title": "会员登记", "field": ["name", "phone", "channel", "score", "why"], "active": "1",
            **{f"shown-{key}": "1" for key in ("name", "phone", "score", "why")},
            "linked-channel": "1", "value-channel": "wechat",
        }  # fmt: skip

    def save(self, expect: int = 303, **changes: Any) -> str:
        answer = self.client.post(self.url, data=self.settings | changes)
        assert answer.status_code == expect, answer.text[-3000:]
        return answer.text

    @property
    def link(self) -> str:
        return re.search(r"/p/[\w-]+", self.client.get(self.url).text)[0]


@pytest.fixture
def made(client: Any, api: Api) -> Page:
    api.post("/forms", {"key": "member", "label": "会员", "title_field": "name", "fields": FIELDS})
    return Page(client, client.post("/forms/member/public").headers["Location"])


@pytest.fixture
def link(made: Page) -> str:
    made.save()
    return made.link


def members(api: Api) -> list[dict[str, Any]]:
    return [r["values"] for r in api.get("/forms/member/records", sort="id")["records"]]


def test_it_is_closed_until_it_is_opened(made: Page, anon: Any) -> None:
    assert anon.get(made.link).status_code == 410
    made.save()
    page = anon.get(made.link)
    assert page.status_code == 200 and "会员登记" in page.text and 'name="name"' in page.text
    assert page.headers["X-Robots-Tag"] == "noindex" and page.headers["Cache-Control"] == "no-store"
    assert 'name="channel"' not in page.text and "负责人" not in page.text
    assert anon.get("/p/wrong").status_code == 404


def test_an_answer_is_a_record(link: str, anon: Any, api: Api) -> None:
    done = anon.post(link, data={"name": "王芳", "phone": "138 0013 8000", "score": "9", "remark": "偷写"})
    assert done.status_code == 200 and "提交成功" in done.text
    one = members(api)[0]
    assert (one["name"], one["phone"], one["channel"], one["remark"]) == ("王芳", "13800138000", "wechat", None)
    assert one["created_by"] is None


def test_the_link_brings_what_it_may(link: str, anon: Any, api: Api) -> None:
    page = anon.get(f"{link}?channel=douyin&remark=x&name=甲").text
    assert '<input type="hidden" name="channel" value="douyin">' in page and 'value="甲"' not in page
    anon.post(f"{link}?channel=douyin", data={"name": "甲", "channel": "douyin"})
    assert members(api)[0]["channel"] == "douyin"
    # What the link cannot mean is left out.
    assert 'value="tiktok"' not in anon.get(f"{link}?channel=tiktok").text


def test_wrong_answers_stay_on_the_page_with_their_sentence(link: str, anon: Any, api: Api) -> None:
    page = anon.post(link, data={"name": "", "phone": "12", "score": "11"})
    assert page.status_code == 422 and page.text.count("field-error") >= 2 and 'value="12"' in page.text
    assert members(api) == []


def test_fields_appear_as_the_answers_ask_for_them(link: str, anon: Any, api: Api) -> None:
    assert anon.post(f"{link}/live", data={"score": "3"}).get_json()["states"]["why"]["shown"] is True
    assert anon.post(f"{link}/live", data={"score": "9"}).get_json()["states"]["why"]["shown"] is False
    anon.post(link, data={"name": "甲", "score": "9", "why": "不该有"})
    anon.post(link, data={"name": "乙", "score": "3", "why": "太贵"})
    assert [m["why"] for m in members(api)] == [None, "太贵"]


def test_a_known_phone_is_refused_or_only_filled_up(made: Page, link: str, anon: Any, api: Api) -> None:
    anon.post(link, data={"name": "王芳", "phone": "13800138000"})
    assert anon.post(link, data={"name": "冒充", "phone": "13800138000"}).status_code == 422
    made.save(on_known="fill")
    assert anon.post(link, data={"name": "冒充", "phone": "13800138000", "score": "8"}).status_code == 200
    assert [(m["name"], m["score"]) for m in members(api)] == [("王芳", 8)]


def test_customers_are_known_by_their_identities(client: Any, anon: Any, api: Api) -> None:
    api.post("/forms/customer/records", {"values": {"name": "王芳", "phone": "13800138000"}})
    page = Page(client, client.post("/forms/customer/public").headers["Location"])
    page.settings = {
        "title": "登记", "field": ["name", "phone", "city"], "shown-name": "1", "shown-phone": "1", "shown-city": "1",
        "active": "1", "on_known": "fill",
    }  # fmt: skip
    page.save()
    anon.post(page.link, data={"name": "冒充", "phone": "13800138000", "city": "杭州"})
    found = api.get("/forms/customer/records")["records"]
    assert [(r["values"]["name"], r["values"]["city"]) for r in found] == [("王芳", "杭州")]


def test_it_ends_with_its_date_and_its_number(made: Page, anon: Any, api: Api, clock: Any) -> None:
    clock.set("2026-11-20T10:00:00+08:00")
    made.save(most="2", closes_at="2026-11-21T00:00", opens_at="2026-11-20T12:00")
    assert "还没有开始" in anon.get(made.link).text
    clock.set("2026-11-20T12:00:00+08:00")
    for name in ("甲", "乙"):
        assert anon.post(made.link, data={"name": name}).status_code == 200
    assert anon.post(made.link, data={"name": "丙"}).status_code == 410 and "名额已满" in anon.get(made.link).text
    made.save(most="", closes_at="2026-11-21T00:00")
    assert anon.get(made.link).status_code == 200
    clock.set("2026-11-21T00:00:00+08:00")
    assert "已经截止" in anon.get(made.link).text
    assert anon.post(made.link, data={"name": "丙"}).status_code == 410
    assert len(members(api)) == 2


def test_one_device_answers_once_when_the_company_wants_so(made: Page, anon: Any, api: Api) -> None:
    made.save(once="1")
    anon.post(made.link, data={"name": "甲"})
    assert "已经填写过" in anon.get(made.link).text
    assert members(api)[0]["name"] == "甲"


def test_machines_are_told_nothing_and_write_nothing(link: str, anon: Any, api: Api) -> None:
    assert anon.post(link, data={"name": "机器", "website": "http://spam"}).status_code == 200
    assert anon.post(link, data={"name": "外站"}, csrf=False).status_code == 400
    assert members(api) == []


def test_one_address_cannot_flood_it(link: str, anon: Any, client: Any, api: Api, clock: Any) -> None:
    for i in range(60):
        assert anon.post(link, data={"name": f"甲{i}"}).status_code == 200
    refused = anon.post(link, data={"name": "多"})
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0 and 'value="多"' in refused.text
    clock.move(hours=1)
    assert anon.post(link, data={"name": "后来"}).status_code == 200


def test_wrong_settings_are_refused_beside_their_input(made: Page, client: Any) -> None:
    text = made.save(422, title="", closes_at="x", most="0", opens_at="2026-11-20T12:00", **{"value-channel": "tiktok"})
    assert text.count("field-error") >= 4
    assert "既不在页面上" in made.save(422, field=["phone"], **{"shown-phone": "1"})
    made.save(422, field=["name", "boss"], **{"shown-boss": "1"})
    assert client.get(made.url).text.count("is-invalid") == 0


def test_a_link_is_renewed_deleted_and_brought_back(made: Page, link: str, client: Any, anon: Any) -> None:
    client.post(f"{made.url}/renew")
    assert anon.get(link).status_code == 404 and anon.get(made.link).status_code == 200
    new = made.link
    client.post(f"{made.url}/delete")
    assert anon.get(new).status_code == 404 and "还没有公开表单" in client.get("/forms/member/public").text
    client.post(f"{made.url}/restore")
    assert anon.get(new).status_code == 200


def test_only_designers_make_them(made: Page, staff_client: Any, anon: Any) -> None:
    for path in ("/forms/member/public", made.url, f"{made.url}/qr.svg"):
        assert staff_client.get(path).status_code == 403
        assert anon.get(path).status_code in (302, 303)
    for path in (made.url, f"{made.url}/delete", f"{made.url}/renew", "/forms/member/public"):
        assert staff_client.post(path).status_code == 403


def test_the_code_is_a_picture_of_the_link(made: Page, client: Any) -> None:
    assert client.get(f"{made.url}/qr.svg").mimetype == "image/svg+xml"
    assert client.get(f"{made.url}/qr.png").data.startswith(b"\x89PNG")


def test_when_the_form_changes_the_page_shows_what_is_left(link: str, anon: Any, api: Api) -> None:
    api.delete("/forms/member/fields/score")
    page = anon.get(link)
    assert page.status_code == 200 and 'name="score"' not in page.text
    assert anon.post(link, data={"name": "甲"}).status_code == 200
    api.delete("/forms/member")
    assert anon.get(link).status_code == 404
