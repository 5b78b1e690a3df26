"""Presets that the company saves, several sheets to several forms in one go, a template to fill in."""

from __future__ import annotations

import io

import openpyxl
import pytest

BOOK = {
    "会员": [["会员号", "姓名", "城市"], ["M1", "张三", "杭州"], ["M2", "李四", "宁波"]],
    "订单": [["订单号", "会员号", "实付金额", "付款时间"], ["N1", "M1", 99.5, "2026-01-02"], ["N2", "M2", 10, "2026-01-03"]],
    "空表": [],
    "说明": [["请不要改列名"]],
}  # fmt: skip


def book(sheets=BOOK) -> io.BytesIO:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    out.seek(0)
    return out


def upload(client, content: io.BytesIO, form: str = "order", name: str = "店铺.xlsx"):
    return client.post(f"/forms/{form}/import", data={"file": (content, name)}, content_type="multipart/form-data")


def csv(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


@pytest.fixture
def saved(client) -> str:
    """A preset "抖店" for orders, saved while a file was mapped by hand."""
    where = upload(client, csv("编号,买家,总额\nN1,M1,5\n"), name="a.csv").headers["Location"]
    mapping = {"column-0": "number", "column-1": "customer.member_no", "column-2": "amount", "next": "1"}
    client.post(f"{where}/columns", data=mapping)
    client.post(f"{where}/options", data={"key": "number", "on_duplicate": "skip", "bad_cells": "empty"})
    page = client.post(f"{where}/preset", data={"name": "抖店"}, htmx=True)
    assert page.status_code == 200 and "已存为预设「抖店」" in page.text
    return where


def test_a_saved_preset_is_recognised_by_its_headers(client, saved):
    where = upload(client, csv("总额,备注,编号,买家\n7,x,N2,M2\n"), name="b.csv").headers["Location"]
    page = client.get(where).text
    assert 'value="number" selected' in page and 'value="amount" selected' in page and ">抖店</option>" in page
    page = client.get(f"{where}/preview").text
    assert 'value="skip" checked' in page and 'value="empty" checked' in page
    # Without the preset only what the names say is left.
    page = client.post(f"{where}/sheet", data={"preset": "", "sheet": "0", "header_row": "1"}, htmx=True).text
    assert 'value="number" selected' not in page


def test_the_command_line_takes_it_by_name(client, cli, saved, tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("编号,买家,总额\nN1,M1,5\nN3,M1,坏\n", encoding="utf-8")
    answer = cli("import", "order", str(file), "--preset", "抖店", "--json").json
    assert (answer["created"], answer["failed"]) == (2, 0)
    assert cli("import", "order", str(file), "--preset", "没有").status == 1


def test_the_same_name_takes_the_new_decisions_and_bad_names_are_refused(client, saved):
    page = client.post(f"{saved}/preset", data={"name": " "}, htmx=True)
    assert page.status_code == 422 and "请给预设起个名字" in page.text
    assert client.post(f"{saved}/preset", data={"name": "长" * 41}, htmx=True).status_code == 422
    assert client.post(f"{saved}/preset", data={"name": "抖店"}, htmx=True).status_code == 200
    assert client.get("/forms/order/import").text.count('badge-accent">抖店') <= 1


def test_a_preset_is_renamed_deleted_and_brought_back_by_its_owner(client, staff_client, saved):
    page = client.get("/forms/order/import").text
    number = page.split("/import-presets/")[1].split('"')[0]
    assert "/import-presets/" not in staff_client.get("/forms/order/import").text
    assert staff_client.post(f"/import-presets/{number}/delete").status_code == 403
    client.post(f"/import-presets/{number}", data={"name": "小店"})
    assert "小店" in client.get("/forms/order/import").text
    answer = client.post(f"/import-presets/{number}/delete", htmx=True)
    assert f"/import-presets/{number}/restore" in answer.headers["HX-Trigger"]
    assert "小店" not in client.get("/forms/order/import").text
    client.post(f"/import-presets/{number}/restore")
    assert "小店" in client.get("/forms/order/import").text
    assert client.post("/import-presets/99/delete").status_code == 404


def test_sheets_go_to_their_forms_in_one_go(client, api, work):
    answer = upload(client, book())
    assert answer.headers["Location"].endswith("/sheets")
    page = client.get(answer.headers["Location"]).text
    assert page.count("<select") == 3 and "空表" not in page
    assert page.index('value="customer" selected') < page.index('value="order" selected')
    assert page.count(" selected") == 2
    first = client.post(answer.headers["Location"], data={"sheet-0": "customer", "sheet-1": "order"}).headers[
        "Location"
    ]
    assert "会员" in client.get(first).text
    client.post(f"{first}/columns", data={"next": "1"})
    page = client.get(f"{first}/preview").text
    assert "下一个工作表" in page and "张三" in page
    second = client.post(f"{first}/options", data={"key": "member_no", "start": "1"}).headers["Location"]
    assert second != first
    page = client.get(f"{second}/preview").text
    assert "全部开始导入" in page
    last = client.post(f"{second}/options", data={"key": "number", "start": "1"}).headers["Location"]
    assert "等待" in client.get(last).text
    work()
    assert "等待" not in client.get(last).text and "全部工作表一起撤销" in client.get(last).text
    orders = api.get("/forms/order/records", sort="number")["records"]
    people = {r["id"]: r["values"]["name"] for r in api.get("/forms/customer/records")["records"]}
    assert [people[r["values"]["customer"]] for r in orders] == ["张三", "李四"]
    client.post(f"{last}/undo-all")
    work()
    assert (
        api.get("/forms/order/records", count=1)["total"] == api.get("/forms/customer/records", count=1)["total"] == 0
    )


def test_when_a_sheet_fails_the_next_ones_do_not_start(client, api, work):
    where = upload(client, book()).headers["Location"]
    first = client.post(where, data={"sheet-0": "customer", "sheet-1": "order"}).headers["Location"]
    second = client.post(f"{first}/options", data={"key": "member_no", "start": "1"}).headers["Location"]
    client.post(f"{second}/options", data={"key": "number", "start": "1"})
    client.post(f"{first}/cancel")
    work()
    assert "前一个工作表没有导入完" in client.get(second).text
    assert api.get("/forms/order/records", count=1)["total"] == 0


def test_a_file_for_one_form_goes_straight_on(client):
    answer = upload(client, book({"订单": BOOK["订单"], "说明": BOOK["说明"]}))
    assert not answer.headers["Location"].endswith("/sheets")
    where = answer.headers["Location"]
    assert "把几个工作表一次导入到不同的表单" in client.get(where).text
    assert client.post(f"{where}/sheets", data={"sheet-0": ""}).status_code == 422
    assert client.post(f"{where}/sheets", data={"sheet-0": "nothing"}).status_code in (404, 422)


def test_the_template_comes_back_as_it_was_filled_in(client, api, work):
    answer = client.get("/forms/order/import/template")
    made = openpyxl.load_workbook(io.BytesIO(answer.data))
    sheet, notes = made.worksheets
    headers = [cell.value for cell in sheet[1]]
    assert "订单号" in headers and sheet.data_validations.dataValidation
    assert any(row[0] == "订单号" and row[2] for row in notes.iter_rows(values_only=True))
    values = {"订单号": "N9", "实付金额": 12.5, "付款时间": "2026-01-02 10:00"}
    for column, name in enumerate(headers, start=1):
        if name in values:
            sheet.cell(row=2, column=column, value=values[name])
    out = io.BytesIO()
    made.save(out)
    out.seek(0)
    where = upload(client, out).headers["Location"]
    page = client.get(where).text
    # Every column of the template finds its field again.
    assert page.count("is-mapped") == len(headers)
    client.post(f"{where}/options", data={"key": "number", "start": "1"})
    work()
    assert api.get("/forms/order/records")["records"][0]["values"]["amount"] == "12.50"


@pytest.mark.parametrize("form", ["customer", "order", "order_item", "product"])
def test_every_form_has_its_template_for_those_who_may_import(client, anon, form):
    assert client.get(f"/forms/{form}/import/template").status_code == 200
    assert anon.get(f"/forms/{form}/import/template").status_code in (302, 303, 401)
