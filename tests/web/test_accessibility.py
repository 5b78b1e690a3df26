"""axe-core finds nothing on the screens of the form engine, light and dark, on a desk and on a phone.

``tests/support/axe.min.js`` is axe-core 4.14.1 (Deque Systems, MPL-2.0), as npm has it; it is not part of what is shipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records
from tests.support.browser import PHONE

AXE = (Path(__file__).parents[1] / "support" / "axe.min.js").read_text(encoding="utf-8")
WIDE = {"width": 1440, "height": 900}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND = """rules => axe.run(document, {runOnly: rules}).then(found => found.violations.map(
    one => one.id + ": " + one.nodes.map(node => node.target.join(" ")).join(", ")))"""

TICKET = {
    "key": "ticket",
    "label": {"zh": "工单", "en": "Tickets"},
    "title_field": "subject",
    "color_field": "status",
    "fields": [
        {"key": "subject", "label": "问题", "type": "text", "required": True},
        {
            "key": "status",
            "label": "状态",
            "type": "choice",
            "indexed": True,
            "choices": [{"value": "new", "label": "新建", "color": "orange"}, {"value": "done", "label": "完成", "color": "cyan"}],
        },
        {"key": "urgency", "label": "紧急程度", "type": "rating", "max": 3},
        {"key": "topics", "label": "类型", "type": "multi_choice", "choices": [{"value": "a", "label": "破损", "color": "red"}]},
        {"key": "day", "label": "受理日期", "type": "date", "indexed": True},
        {"key": "score", "label": "满意度", "type": "slider", "min": 0, "max": 100},
        {"key": "note", "label": "说明", "type": "rich_text"},
        {"key": "parent", "label": "上级", "type": "relation", "form": "ticket"},
        {"key": "photos", "label": "照片", "type": "images"},
        {
            "key": "lines",
            "label": "明细",
            "type": "sub_form",
            "fields": [{"key": "item", "label": "商品", "type": "text"}, {"key": "count", "label": "数量", "type": "integer"}],
        },
    ],
    "layout": {
        "tabs": [
            {"label": "受理", "sections": [{"label": "基本", "columns": 2, "fields": ["subject", "status", "urgency", "topics"]}]},
            {"label": "处理", "sections": [{"label": "处理", "columns": 3, "fields": ["day", "score", "note", "lines"]}]},
        ]
    },
}  # fmt: skip
SCREENS = (
    "/designer", "/designer/bin", "/forms/ticket/design", "/forms/ticket", "/forms/ticket?kind=kanban",
    "/forms/ticket?kind=calendar", "/forms/ticket?kind=gallery", "/forms/ticket?kind=tree", "/forms/ticket?q=nothing",
    "/forms/ticket/new", "/forms/ticket/records/1", "/forms/ticket/records/1/edit", "/forms/ticket/records/1/print",
    "/forms/ticket/bin", "/forms/ticket/duplicates", "/forms/ticket/public", "/forms/ticket/import", "/imports",
    "/settings/departments", "/notices",
)  # fmt: skip


@pytest.fixture
def company(app: Any, clock: Any) -> None:
    """A form of many types with three records, one under another."""
    clock.set("2026-06-15T10:00:00+08:00")
    form = catalog.create_form(TICKET, SYSTEM)
    first = records.create(
        form,
        {"subject": "瓶身破损", "status": "new", "urgency": 2, "topics": ["a"], "day": "2026-06-15", "score": 40,
         "note": "<p>同意</p>", "lines": [{"item": "面霜", "count": 2}]},
        SYSTEM,
    )  # fmt: skip
    for status in ("new", "done"):
        records.create(form, {"subject": "发错货", "status": status, "day": "2026-06-16", "parent": first}, SYSTEM)


@pytest.mark.parametrize(
    ("viewport", "scheme", "locale"),
    [(WIDE, "light", "zh-CN"), (PHONE, "dark", "en-US")],
    ids=["1440-light", "390-dark"],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    company: None, new_page: Any, viewport: dict[str, int], scheme: str, locale: str
) -> None:
    page = new_page("amy", color_scheme=scheme, locale=locale, bypass_csp=True)
    found: dict[str, Any] = {}
    for path in SCREENS:
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.evaluate(AXE)
        wrong = page.evaluate(FIND, RULES)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > viewport["width"]:
            wrong.append(f"{width} px wide")
        if wrong:
            found[path] = wrong
    assert not found
