"""The import wizard, page by page, and in Chromium."""

from __future__ import annotations

import io
import re

import pytest

from tests.forms.importing.help import csv_file, xlsx_file
from tests.support.browser import DESKTOP, PHONE

ORDERS = "number,member_no,paid_at,amount\nN1,M1,2026-01-02,11.77\nN2,M2,2026-01-03,坏\nN1,M1,,12\n合计,,,\n"


def _upload(client, content: str | bytes = ORDERS, name: str = "orders.csv", form: str = "order"):
    raw = content.encode() if isinstance(content, str) else content
    return client.post(
        f"/forms/{form}/import", data={"file": (io.BytesIO(raw), name)}, content_type="multipart/form-data"
    )


def _draft(client, *args, **kwargs) -> str:
    answer = _upload(client, *args, **kwargs)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def _counts(page: str) -> list[int]:
    return [int(n.replace(",", "")) for n in re.findall(r'stat-value num">([\d,]+)<', page)][:4]


def test_a_file_goes_through_the_four_steps(client, work):
    where = _draft(client)
    page = client.get(where).text
    assert 'value="number" selected' in page and 'value="customer.member_no" selected' in page
    assert client.post(f"{where}/columns", data={"next": "1"}).headers["Location"] == f"{where}/preview"
    page = client.get(f"{where}/preview").text
    assert "正在检查整个文件" in page and "“坏”不是数字" in page and 'value="number" selected' in page
    work()
    check = client.get(f"{where}/check", htmx=True).text
    assert "2</b> 行可以导入" in check and "hx-trigger" not in check and "1</b> 行有读不懂" in check
    answer = client.post(
        f"{where}/options", data={"key": "number", "on_duplicate": "update", "bad_cells": "fail", "start": "1"}
    )
    assert answer.headers["Location"] == where
    running = client.get(f"{where}/progress", htmx=True).text
    assert "every 1s" in running and "取消" in running
    work()
    done = client.get(f"{where}/progress", htmx=True).text
    assert _counts(done) == [1, 1, 0, 1] and "every 1s" not in done and "不是数字" in done
    errors = client.get(f"{where}/errors")
    assert errors.data.decode("utf-8-sig").splitlines()[1].startswith("N2,M2,2026-01-03,坏,")
    assert client.get(f"{where}/file").data.decode() == ORDERS
    listed = client.get("/forms/order", query_string={"where": '{{"import":{}}}'.format(where.rsplit("/", 1)[1])})
    assert listed.status_code == 200 and "N1" in listed.text
    history = client.get("/imports").text
    assert "orders.csv" in history and "amy" in history


def test_the_undo_says_first_what_it_will_do(client, work):
    where = _draft(client)
    client.post(f"{where}/options", data={"key": "number", "on_duplicate": "update", "start": "1"})
    work()
    asked = client.get(f"{where}/undo", htmx=True).text
    assert "1 条订单移到回收站" in asked and "1 条客户移到回收站" in asked
    client.post(f"{where}/undo")
    work()
    page = client.get(where).text
    assert "已撤销" in page and "data-undo" not in page
    assert client.post(f"{where}/undo").status_code == 409


def test_what_is_missing_is_said_while_the_columns_are_chosen(client):
    where = _draft(client, "a,b\n1,2\n")
    page = client.post(f"{where}/columns", data={"column-0": "remark"}, htmx=True).text
    assert "还差必填的：订单号" in page
    assert client.post(f"{where}/columns", data={"column-0": "remark", "next": "1"}).status_code == 422
    page = client.post(f"{where}/columns", data={"column-0": "number"}, htmx=True).text
    assert "还差" not in page and "1 列会导入，1 列不导入" in page


def test_another_header_row_proposes_the_columns_anew(client):
    where = _draft(client, "x,y\n订单号,实付金额\nN1,5\n")
    page = client.post(f"{where}/sheet", data={"header_row": "2", "sheet": "0", "preset": ""}, htmx=True).text
    assert 'value="number" selected' in page and 'value="amount" selected' in page
    page = client.post(f"{where}/sheet", data={"header_row": "0", "sheet": "0", "preset": ""}, htmx=True).text
    assert 'value="number" selected' not in page and "A 列" in page


def test_ambiguous_dates_are_asked_on_the_page(client, work):
    where = _draft(client, "number,paid_at,ordered_at\nN1,03/04/2026,1月2日\n")
    client.get(f"{where}/preview")
    work()
    check = client.get(f"{where}/check", htmx=True).text
    assert 'name="order-1"' in check and 'name="year-2"' in check
    page = client.post(f"{where}/options", data={"key": "number", "order-1": "mdy", "year-2": "2025"}, htmx=True).text
    assert "2026-03-04" in page and "2025-01-02" in page and "bad-cell" not in page


def test_a_bad_file_is_refused_beside_the_button(client):
    answer = _upload(client, b"%PDF-1.7", "orders.pdf")
    assert answer.status_code == 422 and "不是表格文件" in answer.text
    assert client.post("/forms/order/import", data={}).status_code == 422


def test_an_import_is_seen_by_its_maker_and_administrators_only(client, staff_client, cy_client, work):
    where = _draft(staff_client)
    for path in ("", "/preview", "/check", "/progress", "/undo", "/file", "/errors"):
        assert cy_client.get(where + path).status_code == 404, path
    for path in ("/sheet", "/columns", "/options", "/cancel", "/discard", "/undo"):
        assert cy_client.post(where + path).status_code == 404, path
    assert client.get(where).status_code == 200
    staff_client.post(f"{where}/options", data={"key": "number", "start": "1"})
    work()
    assert "orders.csv" not in cy_client.get("/imports").text
    assert "orders.csv" in staff_client.get("/imports").text


def test_a_draft_can_be_dropped_and_a_started_import_cannot_be_changed(client, work):
    where = _draft(client)
    client.post(f"{where}/discard")
    assert client.get(where).status_code == 404
    where = _draft(client)
    client.post(f"{where}/options", data={"key": "number", "start": "1"})
    assert client.post(f"{where}/columns", data={"column-0": ""}).status_code == 409
    assert client.post(f"{where}/options", data={"start": "1"}).status_code == 409


def test_an_import_can_be_cancelled_before_it_begins(client, work):
    where = _draft(client)
    client.post(f"{where}/options", data={"key": "number", "start": "1"})
    client.post(f"{where}/cancel", htmx=True)
    assert "导入已取消" in client.get(where).text
    work()
    assert "导入已取消" in client.get(where).text


def test_the_list_exports_what_it_shows(client, work, tmp_path):
    where = _draft(client, "会员号,姓名,城市\n1,王芳,杭州\n2,李伟,上海\n", form="customer")
    client.post(f"{where}/options", data={"key": "*", "start": "1"})
    work()
    query = {"where": '{"field":"city","op":"eq","value":"杭州"}', "columns": "name,city", "format": "csv"}
    answer = client.get("/forms/customer/export", query_string=query)
    assert answer.data.decode("utf-8-sig").splitlines() == ["固客编号,姓名,城市", "1,王芳,杭州"]
    assert client.get("/forms/customer/export").data.startswith(b"PK")
    assert client.get("/forms/customer/export", query_string={"format": "pdf"}).status_code == 422


def test_a_big_export_is_made_in_the_background_for_the_one_who_asked(client, staff_client, work, monkeypatch):
    from appliance.forms.importing import views

    monkeypatch.setattr(views, "DIRECT", 1)
    where = _draft(client, "会员号\n1\n2\n3\n", form="customer")
    client.post(f"{where}/options", data={"key": "*", "start": "1"})
    work()
    page = client.get("/forms/customer/export?format=csv").headers["Location"]
    assert "every 1s" in client.get(page).text
    work()
    assert "3 条已导出" in client.get(page, htmx=True).text
    assert len(client.get(f"{page}/file").data.decode("utf-8-sig").splitlines()) == 4
    assert staff_client.get(page).status_code == 404 == staff_client.get(f"{page}/file").status_code


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_in_the_browser_a_taobao_report_becomes_orders_and_is_taken_back(page, samples, viewport, tmp_path):
    page.goto("/forms/order/import")
    page.set_input_files("#file", samples / "taobao_orders.csv")
    page.get_by_role("button", name="上传并读取").click()
    page.wait_for_url("**/imports/*")
    assert page.get_by_label("预设").input_value() == "taobao"
    _fits(page)
    # A column that the preset leaves out gets a target through the searchable list.
    page.get_by_role("button", name=re.compile("^运送方式")).click()
    page.get_by_role("combobox", name="搜索字段").fill("优惠券")
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="运送方式: 优惠券").is_visible()
    page.get_by_role("button", name="下一步：核对").click()
    page.wait_for_url("**/preview")
    page.get_by_text("每个单元格都读得懂").wait_for(timeout=60_000)
    _fits(page)
    page.get_by_role("button", name="开始导入").click()
    page.get_by_text("导入完成").wait_for(timeout=120_000)
    assert page.locator(".stat-value").all_inner_texts()[:2] == ["2,400", "25"]
    _fits(page)
    page.get_by_role("button", name="撤销这次导入").click()
    page.get_by_text("2,400 条订单移到回收站").wait_for()
    page.get_by_role("button", name="撤销导入", exact=True).click()
    page.get_by_text("这次导入已撤销").wait_for(timeout=120_000)


def test_in_the_browser_bad_cells_are_marked_and_say_why(page, tmp_path):
    rows = [["某店 2026年订单"], ["订单号", "付款时间", "实付金额"], ["N1", "1月2日", "十元"], ["N2", "03/04/2026", 5]]
    page.goto("/import?form=order")
    page.set_input_files("#file", xlsx_file(tmp_path / "o.xlsx", rows))
    page.get_by_role("button", name="上传并读取").click()
    page.get_by_role("button", name="下一步：核对").click()
    cell = page.locator(".bad-cell", has_text="十元")
    cell.wait_for(timeout=30_000)
    assert "不是数字" in cell.inner_text()
    page.get_by_text("日期要确认").wait_for(timeout=60_000)
    page.get_by_label("日/月/年").check()
    page.locator("td", has_text="2026-04-03").wait_for(timeout=30_000)
    page.get_by_label("只空着这一格").check()
    page.get_by_role("button", name="开始导入").click()
    page.get_by_text("导入完成").wait_for(timeout=60_000)
    assert page.locator(".stat-value").first.inner_text() == "2"


def _fits(page) -> None:
    """Nothing makes the page scroll sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} px too wide at {page.url}"


def test_the_file_input_is_reachable_by_keyboard(page, tmp_path):
    page.goto("/forms/customer/import")
    page.locator("#file").focus()
    assert page.evaluate("document.activeElement.id") == "file"
    csv_file(tmp_path / "a.csv", [["会员号"], ["1"]])
