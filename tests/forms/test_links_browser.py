"""Inputs of files, signatures, related records and line items, as a hand uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.forms.test_files import png
from tests.support.browser import DESKTOP, PHONE

FIELDS: list[dict[str, Any]] = [
    {"key": "title", "label": "标题", "type": "text", "required": True},
    {"key": "crew", "label": "人员", "type": "relations", "form": "helper"},
    {"key": "photos", "label": "照片", "type": "images"},
    {"key": "sign", "label": "签名", "type": "signature"},
    {
        "key": "lines", "label": "明细", "type": "sub_form",
        "fields": [
            {"key": "what", "label": "项目", "type": "text", "required": True},
            {"key": "count", "label": "数量", "type": "integer"},
            {"key": "price", "label": "单价", "type": "money"},
            {"key": "amount", "label": "金额", "type": "formula", "formula": "count * price", "result": "money"},
        ],
    },
]  # fmt: skip


@pytest.fixture
def job(page: Any, template: Any) -> Any:
    """Calls of the API of the running server."""
    headers = {"Authorization": f"Bearer {template.tokens['amy']}"}

    def call(method: str, path: str, body: Any = None) -> Any:
        answer = page.request.fetch(f"/api/v1{path}", method=method, data=body, headers=headers)
        assert answer.ok, answer.text()
        return answer.json()

    name = {"key": "name", "label": "姓名", "type": "text", "required": True}
    call("POST", "/forms", {"key": "helper", "label": "帮手", "title_field": "name", "fields": [name]})
    call("POST", "/forms/helper/records", {"values": {"name": "张伟"}})
    call("POST", "/forms", {"key": "visit", "label": "上门", "title_field": "title", "fields": FIELDS})
    return call


def test_files_are_chosen_a_signature_is_drawn_and_people_are_added(page: Any, job: Any) -> None:
    page.goto("/forms/visit/new")
    page.fill("#f-title", "一")
    page.set_input_files("#f-photos", [{"name": "a.png", "mimeType": "image/png", "buffer": png()}])
    page.wait_for_selector(".file-entry img")
    pad = page.locator(".sign-input canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    for step in range(8):
        page.mouse.move(box["x"] + 40 + step * 20, box["y"] + 30 + (step % 2) * 40)
    page.mouse.up()
    expect(page.locator(".signature-state")).to_have_text("✓")
    page.click("#f-crew")
    page.click("text=张伟")
    page.click("[data-quick]")
    page.fill("[id='f-quick.name']", "李娜")
    page.click(".quick-form button[type=submit]")
    expect(page.locator("[data-chips] > .chip-held")).to_have_count(2)
    page.locator(".rows-line [data-row-remove]").first.click()
    page.click("button[type=submit]:has-text('保存') >> nth=0")
    page.wait_for_url(re.compile(r"/forms/visit/records/\d+$"))
    values = job("GET", "/forms/visit/records")["records"][0]["values"]
    assert [f["name"] for f in values["photos"]] == ["a.png"] and values["sign"]["type"] == "image/png"
    assert len(values["crew"]) == 2
    page.click(".files-gallery .file-picture")
    expect(page.locator("dialog.lightbox[open] img")).to_be_visible()
    page.keyboard.press("Escape")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_rows_are_added_pasted_totalled_and_computed(page: Any, job: Any, viewport: Any) -> None:
    page.goto("/forms/visit/new")
    page.fill("#f-title", "一")
    page.fill("[name='lines.0.what']", "甲")
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.setData("text/plain", "乙\\t2\\t10\\r\\n丙\\t3\\t1.5\\r\\n");
        document.querySelector("[name='lines.0.what']")
          .dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }""")
    expect(page.locator(".rows-line")).to_have_count(2)
    expect(page.locator("[data-computed]")).to_have_text(["¥20.00", "¥4.50"])
    expect(page.locator("[data-total]")).to_have_text(["5", "24.50"])
    page.locator("[data-row-copy]").first.click()
    page.locator("[data-row-down]").first.click()
    page.locator("[data-row-remove]").last.click()
    page.click("button[type=submit]:has-text('保存') >> nth=0")
    page.wait_for_url(re.compile(r"/forms/visit/records/\d+$"))
    rows = job("GET", "/forms/visit/records")["records"][0]["values"]["lines"]
    assert [(r["what"], r["count"], r["amount"]) for r in rows] == [("乙", 2, "20.00"), ("乙", 2, "20.00")]
