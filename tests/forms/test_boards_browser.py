"""Boards, cells and bulk edits in Chromium, by mouse and by keyboard."""

from __future__ import annotations

import re

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.core import clock, settings
from appliance.forms import catalog, query, records
from tests.forms.test_boards import PROJECT
from tests.forms.test_list_browser import SMALL, WIDE, fits
from tests.support.browser import PHONE

both = pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])


@pytest.fixture
def viewport():
    return WIDE


@pytest.fixture
def ids(app):
    form = catalog.create_form(PROJECT, SYSTEM)
    day = clock.today(settings.tz()).replace(day=12)
    rows = [
        {"name": f"活动{i}", "stage": "idea" if i < 3 else "done", "starts": day.isoformat(), "budget": 100 * (i + 1)}
        for i in range(4)
    ]
    return records.create_many(form, rows, SYSTEM).ids


def values(record_id):
    return query.Query(catalog.get("project"), SYSTEM).get(record_id).values


def count(page, key):
    return page.locator(f".kanban-column[data-key={key}] .kanban-count span").first.inner_text()


def undo(page):
    page.locator(".toast-note button", has_text="撤销").last.click()


def drag(page, source, target):
    a, b = source.bounding_box(), target.bounding_box()
    page.mouse.move(a["x"] + 40, a["y"] + 10)
    page.mouse.down()
    page.mouse.move(a["x"] + 60, a["y"] + 20, steps=4)
    page.mouse.move(b["x"] + b["width"] / 2, b["y"] + min(60, b["height"] / 2), steps=12)
    page.wait_for_timeout(150)
    page.mouse.up()


def test_a_card_is_dragged_to_another_column_and_back_by_undo(page, ids):
    page.goto("/forms/project?kind=kanban&by=stage")
    assert (count(page, "idea"), count(page, "run")) == ("3", "0")
    with page.expect_response(re.compile(r"/boards/move/")):
        drag(
            page,
            page.locator(f".board-card[data-id='{ids[1]}']"),
            page.locator(".kanban-column[data-key=run] [data-cards]"),
        )
    page.locator(".kanban-column[data-key=run] .kanban-count span", has_text="1").wait_for()
    assert values(ids[1])["stage"] == "run" and count(page, "idea") == "2"
    assert page.url.endswith("by=stage")
    undo(page)
    page.locator(f".kanban-column[data-key=idea] .board-card[data-id='{ids[1]}']").wait_for()
    assert values(ids[1])["stage"] == "idea"


def test_a_card_is_moved_by_the_keyboard(page, ids):
    page.goto("/forms/project?kind=kanban&by=stage")
    page.locator(f".board-card[data-id='{ids[0]}'] a").focus()
    page.keyboard.press("m")
    page.locator(".board-pop button", has_text="完成").click()
    page.locator(".toast-note", has_text="完成").wait_for()
    assert values(ids[0])["stage"] == "done"


def test_a_refused_card_goes_back_where_it_was(page, ids):
    page.goto("/forms/project?kind=kanban&by=stage")
    records.update(catalog.get("project"), ids[2], {"stage": "run"}, SYSTEM)
    page.locator(f".board-card[data-id='{ids[2]}'] [data-move-card]").click()
    page.locator(".board-pop button", has_text="完成").click()
    page.locator(".toast-note[data-kind=error]", has_text="进行中").wait_for()
    page.locator(f".kanban-column[data-key=idea] .board-card[data-id='{ids[2]}']").wait_for()
    assert values(ids[2])["stage"] == "run"
    page.complaints.allow("409")


def test_an_entry_is_dragged_to_another_day_and_back_by_undo(page, ids):
    page.goto("/forms/project?kind=calendar&date=starts")
    first = values(ids[0])["starts"]
    to = first[:-2] + "20"
    with page.expect_response(re.compile(r"/boards/move/")):
        drag(page, page.locator(f".cal-bar-entry[data-id='{ids[0]}']"), page.locator(f".cal-day[data-day='{to}']"))
    page.locator(f".cal-bar-entry[data-id='{ids[0]}'][data-first='{to}']").wait_for()
    assert values(ids[0])["starts"] == to
    undo(page)
    page.locator(f".cal-bar-entry[data-id='{ids[0]}'][data-first='{first}']").wait_for()


def test_a_click_on_a_day_makes_a_record_with_that_day(page, ids):
    page.goto("/forms/project?kind=calendar&date=starts")
    day = values(ids[0])["starts"][:-2] + "25"
    page.locator(f".cal-day[data-day='{day}']").click(position={"x": 20, "y": 60})
    page.wait_for_url("**/new?*")
    assert page.locator("[name=starts]").input_value() == day


def test_a_full_day_opens_its_list(page, ids):
    records.create(catalog.get("project"), {"name": "第五个", "starts": values(ids[0])["starts"]}, SYSTEM)
    page.goto("/forms/project?kind=calendar&date=starts")
    page.locator(".cal-hidden").first.click()
    page.locator("#board-dialog .cal-entry").nth(4).wait_for()
    assert page.locator("#board-dialog .cal-entry").count() == 5


def test_a_branch_is_dragged_under_another_row_and_opened(page, ids):
    page.goto("/forms/project?kind=tree")
    row, to = (page.locator(f"#tree tr[data-id='{i}']") for i in (ids[0], ids[3]))
    row.hover()
    grip, target = row.locator("[data-grip]").bounding_box(), to.bounding_box()
    page.mouse.move(grip["x"] + 8, grip["y"] + 8)
    page.mouse.down()
    page.mouse.move(target["x"] + 200, target["y"] + 15, steps=8)
    page.mouse.up()
    page.locator(f"#tree tr[data-id='{ids[3]}'][aria-expanded=false]").wait_for()
    assert values(ids[0])["parent"] == ids[3]
    page.locator(f"#tree tr[data-id='{ids[3]}'] [data-toggle-branch]").click()
    page.locator(f"#tree tr[data-id='{ids[0]}'][data-level='2']").wait_for()


def cell(page, record_id, key):
    place = page.locator("thead th").evaluate_all("(all, key) => all.findIndex(th => th.dataset.key === key)", key)
    return page.locator(f"tbody tr[data-id='{record_id}'] > *").nth(place)


def test_cells_are_edited_one_after_the_other_and_taken_back(page, ids):
    page.goto("/forms/project")
    cell(page, ids[3], "budget").dblclick()
    page.locator("#cell-editor [name=budget]").fill("55.5")
    page.keyboard.press("Tab")
    page.locator(f"#cell-editor form[hx-post*='/records/{ids[2]}/cells/name']").wait_for()
    assert values(ids[3])["budget"] == 5550 and "55.50" in cell(page, ids[3], "budget").inner_text()
    page.keyboard.press("Escape")
    page.locator("#cell-editor").wait_for(state="hidden")
    undo(page)
    page.locator("tbody", has_text="¥400.00").wait_for()
    assert values(ids[3])["budget"] == 40000


def test_a_cell_says_what_is_wrong_and_shows_what_somebody_else_saved(page, ids):
    page.goto("/forms/project")
    cell(page, ids[3], "budget").dblclick()
    box = page.locator("#cell-editor [name=budget]")
    box.fill("很多")
    page.keyboard.press("Enter")
    page.locator("#cell-editor .field-error").wait_for()
    records.update(catalog.get("project"), ids[3], {"budget": "9"}, SYSTEM)
    page.locator("#cell-editor [name=budget]").fill("8")
    page.keyboard.press("Enter")
    page.locator("#cell-editor .theirs", has_text="¥9.00").wait_for()
    page.locator("#cell-editor [type=submit]").click()
    page.locator("tbody", has_text="¥8.00").wait_for()
    assert values(ids[3])["budget"] == 800


def test_the_arrow_keys_walk_and_enter_edits(page, ids):
    page.goto("/forms/project")
    page.locator(".list-table").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    at = page.evaluate("[document.activeElement.dataset.l, document.activeElement.parentElement.dataset.id]")
    assert at == ["阶段", str(ids[2])]
    page.keyboard.press("Enter")
    page.locator("#cell-editor select").select_option("done")
    page.keyboard.press("Enter")
    page.locator(f"tr[data-id='{ids[2]}']", has_text="完成").wait_for()
    assert values(ids[2])["stage"] == "done"


def test_a_column_is_as_wide_as_it_was_drawn(page, ids):
    page.goto("/forms/project")
    handle = page.locator("th[data-key=stage] .col-resize").bounding_box()
    page.mouse.move(handle["x"] + 4, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 104, handle["y"] + 10, steps=5)
    with page.expect_response(re.compile("/layout")):
        page.mouse.up()
    wide = page.locator("th[data-key=stage]").bounding_box()["width"]
    page.goto("/forms/project")
    assert abs(page.locator("th[data-key=stage]").bounding_box()["width"] - wide) < 3


def test_a_field_of_many_records_is_edited_and_taken_back(page, ids):
    page.goto("/forms/project")
    page.locator("[data-pick-page]").check()
    page.locator("[data-bulk$='/edit']").click()
    page.locator("#bulk-field").select_option("stage")
    page.locator("#bulk-input select").select_option("done")
    page.locator(".bulk-preview", has_text="将修改 3 条，另有 1 条已经是这样").wait_for()
    assert page.locator(".bulk-samples li").count() == 3
    page.locator("#bulk-form [type=submit]").click()
    page.locator(".toast-note", has_text="已修改 3 条").wait_for()
    assert {values(i)["stage"] for i in ids} == {"done"}
    undo(page)
    page.locator(".toast-note", has_text="已恢复 3 条").wait_for()
    assert [values(i)["stage"] for i in ids] == ["idea"] * 3 + ["done"]


def test_what_a_board_shows_is_chosen_and_saved_as_a_view(page, ids):
    page.goto("/forms/project?kind=kanban")
    page.locator("#board-menu summary").click()
    page.locator("#board-form [name=sum]").select_option("budget")
    page.locator("#board-form [type=submit]").click()
    page.wait_for_url("**sum=budget*")
    page.locator(".kanban-count small", has_text="¥600.00").wait_for()
    page.locator(".list-chips [data-view-form]").click()
    page.locator("#view-dialog [name=name]").fill("按阶段")
    page.locator("#view-dialog [type=submit]").click()
    page.wait_for_url("**view=*")
    assert page.locator(".kanban-column").count() == 4 and page.locator(".list-chips").count() == 0


@both
@pytest.mark.parametrize("kind", ["kanban", "calendar", "gallery", "tree"])
def test_every_kind_fits_and_names_its_buttons(page, ids, kind):
    page.goto(f"/forms/project?kind={kind}")
    page.locator(".kinds").first.wait_for()
    fits(page)
    # What a day hides is told in a line as low as its entries.
    small = [button for button in page.evaluate(SMALL) if "cal-hidden" not in button]
    assert small == [] or kind == "tree" or kind == "kanban"


@pytest.mark.parametrize("viewport", [PHONE], ids=["390"])
def test_on_a_phone_the_calendar_is_a_list_and_an_entry_is_moved_by_asking(page, ids):
    page.goto("/forms/project?kind=calendar&date=starts")
    entry = page.locator(f".cal-agenda .cal-entry[data-id='{ids[0]}']")
    entry.locator("[data-move-entry]").click()
    to = values(ids[0])["starts"][:-2] + "22"
    page.locator("#board-dialog input[type=date]").fill(to)
    page.locator("#board-dialog .btn-primary").click()
    page.locator(".toast-note", has_text="22").wait_for()
    assert values(ids[0])["starts"] == to
