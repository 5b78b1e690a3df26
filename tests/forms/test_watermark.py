"""Who exported, printed or looked stands on it, when the company wants that."""

from __future__ import annotations

import io

import openpyxl

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records


def make():
    return records.create(catalog.get("customer"), {"name": "王芳"}, SYSTEM)


def switch(client, **values):
    client.post("/settings/company", data={f"company.watermark_{key}": value for key, value in values.items()})


def test_sheets_and_prints_say_who_made_them(client, clock):
    clock.set("2026-06-15T10:00:00+08:00")
    one = make()
    plain = openpyxl.load_workbook(io.BytesIO(client.get("/forms/customer/export").data))
    assert len(plain.sheetnames) == 1 and "watermark" not in client.get(f"/forms/customer/records/{one}/print").text
    switch(client, exports="on")
    answer = client.get("/forms/customer/export")
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    assert book.worksheets[-1]["A1"].value == "amy 2026-06-15 10:00"
    assert "amy 2026-06-15 10:00" in (book.worksheets[0].oddFooter.center.text or "")
    assert book.worksheets[0].oddHeader.right.text and book.worksheets[0]["B2"].value == "王芳"
    assert "amy-1000" in answer.headers["Content-Disposition"]
    csv = client.get("/forms/customer/export?format=csv")
    assert "amy-1000" in csv.headers["Content-Disposition"] and "2026-06-15 10:00" not in csv.text.splitlines()[-1][:10]
    assert 'class="watermark"' in client.get(f"/forms/customer/records/{one}/print").text
    assert 'class="watermark"' not in client.get("/forms/customer").text


def test_the_screen_carries_the_name_when_the_company_wants_it(client, staff_client, anon):
    switch(client, screen="on")
    assert 'class="watermark"' in staff_client.get("/forms/customer").text
    picture = staff_client.get("/watermark.svg")
    assert "Bo 李" in picture.text and picture.mimetype == "image/svg+xml"
    assert anon.get("/watermark.svg").status_code in (302, 303, 401)
    assert 'class="watermark"' not in anon.get("/login").text
