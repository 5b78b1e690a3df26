"""What a new installation finds: value tags by a table, and a reminder for customers who fall silent.

They are switched off. Nothing changes behind anybody's back: a person looks at the preview and switches them on.
"""

from __future__ import annotations

from typing import Any

from ..accounts.actor import SYSTEM
from ..core import schema
from ..customers import tags
from . import rules, tables
from .definitions import Book

TAG_GROUPS: list[dict[str, Any]] = [
    {
        "key": "value", "label": {"zh": "价值", "en": "Value"}, "exclusive": True, "color": "orange",
        "tags": [
            {"name": "高价值核心粉", "color": "red"}, {"name": "潜力消费粉", "color": "orange"},
            {"name": "低价值围观粉", "color": "gray"},
        ],
    },
    {
        "key": "attention", "label": {"zh": "提醒", "en": "Needs attention"}, "color": "purple",
        "tags": [{"name": "沉默预警", "color": "purple"}],
    },
]  # fmt: skip

NIGHTLY = "0 3 * * *"

VALUE_TABLE: dict[str, Any] = {
    "key": "customer_value", "label": {"zh": "客户价值分层", "en": "Customer value"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"tag_group": "value"},
    "rows": [
        {
            "where": {"all": [
                {"field": "total_paid", "op": "gte", "value": "2000"},
                {"field": "order_count", "op": "gte", "value": 3},
                {"field": "last_paid_at", "op": "within", "value": {"days": 180}},
            ]},
            "then": "高价值核心粉",
        },
        {
            "where": {"any": [
                {"all": [
                    {"field": "order_count", "op": "gte", "value": 1},
                    {"field": "last_paid_at", "op": "within", "value": {"days": 90}},
                ]},
                {"field": "total_paid", "op": "gte", "value": "500"},
            ]},
            "then": "潜力消费粉",
        },
    ],
    "default": "低价值围观粉",
}  # fmt: skip

SILENT: dict[str, Any] = {
    "key": "silent_30_days", "label": {"zh": "30 天未购提醒", "en": "No purchase for 30 days"}, "form": "customer",
    "on": {"schedule": NIGHTLY},
    "where": {"all": [
        {"field": "order_count", "op": "gte", "value": 1},
        {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}},
    ]},
    "do": [{"action": "add_tag", "tag": "沉默预警"}],
}  # fmt: skip

BACK: dict[str, Any] = {
    "key": "bought_again", "label": {"zh": "复购后取消沉默预警", "en": "Bought again"}, "form": "customer",
    "on": {"schedule": NIGHTLY},
    "where": {"all": [
        {"tag": "沉默预警"},
        {"field": "last_paid_at", "op": "within", "value": {"days": 30}},
    ]},
    "do": [{"action": "remove_tag", "tag": "沉默预警"}],
}  # fmt: skip


@schema.seed
def install() -> None:
    """What the company changed or deleted stays so."""
    for group in TAG_GROUPS:
        tags.install_group(group)
    plant(tables.book, VALUE_TABLE)
    for doc in (SILENT, BACK):
        plant(rules.book, doc)


def plant(book: Book[Any], doc: dict[str, Any]) -> None:
    """Saves a definition that was never there, switched off."""
    keys = {key.partition("~")[0] for (key,) in book.row.select(book.row.key).tuples()}
    if doc["key"] not in keys:
        book.save(doc, SYSTEM, enabled=False, system=True)
