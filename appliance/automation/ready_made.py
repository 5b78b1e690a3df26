"""What a new installation finds: tags of value, activity, life cycle, RFM and watching by tables, and a reminder for customers
who fall silent: the practice of live-commerce shops, with thresholds that the company changes as it likes.

They are switched off. Nothing changes behind anybody's back: a person looks at the preview and switches them on.
"""

from __future__ import annotations

import logging
from typing import Any

from ..accounts.actor import SYSTEM
from ..core import schema
from ..core.db import write
from ..core.errors import UserError
from ..customers import tags
from ..customers.segments import store as segments
from . import rules, tables
from .definitions import Book

log = logging.getLogger(__name__)

Groups = dict[str, dict[str, Any]]
"""Key of a tag group → its definition."""


def _group(key: str, zh: str, en: str, color: str, *named: tuple[str, str], exclusive: bool = True) -> dict[str, Any]:
    tags_of = [{"name": name, "color": shade} for name, shade in named]
    return {"key": key, "label": {"zh": zh, "en": en}, "exclusive": exclusive, "color": color, "tags": tags_of}


TAG_GROUPS: Groups = {
    group["key"]: group
    for group in (
        _group("value", "价值", "Value", "orange",
               ("高价值核心粉", "red"), ("潜力消费粉", "orange"), ("低价值围观粉", "gray")),
        _group("attention", "提醒", "Needs attention", "purple", ("沉默预警", "purple"), exclusive=False),
        _group("guke_activity", "活跃度", "Activity", "green",
               ("铁杆活跃", "red"), ("近期互动", "green"), ("沉默流失预警", "gray")),
        _group("guke_life_cycle", "生命周期", "Life cycle", "cyan",
               ("新粉", "cyan"), ("首购粉", "blue"), ("复购粉", "green"), ("忠诚粉", "red")),
        _group("guke_rfm_segments", "RFM 客群", "RFM segments", "amber",
               ("重要价值客户", "red"), ("重要发展客户", "orange"), ("重要保持客户", "amber"), ("重要挽留客户", "purple"),
               ("一般价值客户", "green"), ("一般发展客户", "cyan"), ("一般保持客户", "blue"), ("一般挽留客户", "gray")),
        _group("guke_watch_and_spend", "观看互动与消费", "Watching, acting and spending", "pink",
               ("高观看高消费", "red"), ("高互动低消费", "pink")),
    )
}  # fmt: skip
"""Tags that the definitions below give. A group comes with the first of its definitions; later it is the company's own."""

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


def _test(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def _days(field: str, days: int) -> dict[str, Any]:
    return _test(field, "within", {"days": days})


ACTIVITY_TABLE: dict[str, Any] = {
    "key": "guke_customer_activity", "label": {"zh": "客户活跃度", "en": "Customer activity"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"tag_group": "guke_activity"},
    "rows": [
        {
            "where": {"all": [
                _days("last_interaction_at", 7),
                {"any": [_test("interaction_count", "gte", 20), _test("watch_seconds", "gte", 3_600)]},
            ]},
            "then": "铁杆活跃",
        },
        {"where": {"any": [_days("last_interaction_at", 30), _days("last_watch_at", 30)]}, "then": "近期互动"},
        {"where": {"any": [{"field": "last_interaction_at", "op": "not_empty"}, {"field": "last_watch_at", "op": "not_empty"}]},
         "then": "沉默流失预警"},
    ],
}  # fmt: skip

LIFE_CYCLE_TABLE: dict[str, Any] = {
    "key": "guke_customer_life_cycle", "label": {"zh": "客户生命周期", "en": "Customer life cycle"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"tag_group": "guke_life_cycle"},
    "rows": [
        {"where": {"all": [_test("order_count", "gte", 5), _days("last_paid_at", 180)]}, "then": "忠诚粉"},
        {"where": _test("order_count", "gte", 2), "then": "复购粉"},
        {"where": _test("order_count", "eq", 1), "then": "首购粉"},
    ],
    "default": "新粉",
}  # fmt: skip

RFM_TABLE: dict[str, Any] = {
    "key": "guke_customer_rfm_tags", "label": {"zh": "RFM 八类客群打标签", "en": "Tags of the eight RFM segments"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"tag_group": "guke_rfm_segments"},
    "rows": [
        {"where": _test("rfm_segment", "eq", segment), "then": f"{segment}客户"}
        for segment in ("重要价值", "重要发展", "重要保持", "重要挽留", "一般价值", "一般发展", "一般保持", "一般挽留")
    ],
}  # fmt: skip

WATCH_TABLE: dict[str, Any] = {
    "key": "guke_watch_and_spend", "label": {"zh": "观看互动与消费", "en": "Watching, acting and spending"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"tag_group": "guke_watch_and_spend"},
    "rows": [
        {"where": {"all": [_test("watch_seconds", "gte", 7_200), _test("total_paid", "gte", "1000")]}, "then": "高观看高消费"},
        {"where": {"all": [_test("interaction_count", "gte", 20), _test("total_paid", "lt", "100")]}, "then": "高互动低消费"},
    ],
}  # fmt: skip

TABLES = [VALUE_TABLE, ACTIVITY_TABLE, LIFE_CYCLE_TABLE, RFM_TABLE, WATCH_TABLE]
RULES = [SILENT, BACK]

SPENT_THIS_MONTH: dict[str, Any] = {
    "related": "order", "agg": "sum", "of": "amount", "minus": "refunded", "op": "gte", "value": "2000",
    "where": {"all": [
        {"field": "paid_at", "op": "this", "value": "month"}, {"field": "status", "op": "ne", "value": "cancelled"},
    ]},
}  # fmt: skip

VIP_SEGMENT: dict[str, Any] = {
    "key": "guke_month_vip", "label": {"zh": "本月消费满 2000 元", "en": "Spent ¥2,000 this month"}, "enabled": False,
    "where": SPENT_THIS_MONTH,
}  # fmt: skip

VIP: dict[str, Any] = {
    "key": "guke_month_vip_in", "label": {"zh": "本月消费满 2000 元：设为 VIP", "en": "¥2,000 this month: VIP"}, "form": "customer",
    "on": {"enters": "guke_month_vip"}, "do": [{"action": "set", "values": {"level": "vip"}}],
    "folder": "VIP",
}  # fmt: skip

NO_VIP: dict[str, Any] = {
    "key": "guke_month_vip_out", "label": {"zh": "不再满 2000 元（含退款）：取消 VIP", "en": "No longer ¥2,000 (refunds too): no VIP"},
    "form": "customer", "on": {"leaves": "guke_month_vip"}, "where": {"field": "level", "op": "eq", "value": "vip"},
    "do": [{"action": "set", "values": {"level": "normal"}}], "folder": "VIP",
}  # fmt: skip

LOSING: dict[str, Any] = {
    "key": "guke_losing_30_days", "label": {"zh": "30 天没有动静：预流失", "en": "Silent for 30 days: about to leave"}, "form": "customer",
    "on": {"schedule": NIGHTLY},
    "where": {"all": [
        {"field": "order_count", "op": "gte", "value": 1},
        {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}},
        {"not": {"field": "last_interaction_at", "op": "within", "value": {"days": 30}}},
        {"not": {"field": "last_watch_at", "op": "within", "value": {"days": 30}}},
    ]},
    "do": [{"action": "add_tag", "tag": "预流失"}],
}  # fmt: skip

BACK_AGAIN: dict[str, Any] = {
    "key": "guke_losing_no_more", "label": {"zh": "又有动静：取消预流失", "en": "Active again: no longer about to leave"},
    "form": "customer", "on": {"schedule": NIGHTLY},
    "where": {"all": [
        {"tag": "预流失"},
        {"any": [
            {"field": key, "op": "within", "value": {"days": 30}}
            for key in ("last_paid_at", "last_interaction_at", "last_watch_at")
        ]},
    ]},
    "do": [{"action": "remove_tag", "tag": "预流失"}],
}  # fmt: skip

BIRTHDAY: dict[str, Any] = {
    "key": "guke_birthday_week", "label": {"zh": "生日前 7 天", "en": "Birthday in 7 days"}, "form": "customer",
    "on": {"date": "birthday", "offset": {"days": -7}, "at": "09:00", "yearly": True},
    "do": [{"action": "add_tag", "tag": "快过生日"}],
}  # fmt: skip


@schema.seed
def install() -> None:
    """What the company changed or deleted stays so."""
    for doc in TABLES:
        plant(tables.book, doc, doc["target"]["tag_group"])
    for doc in RULES:
        plant(rules.book, doc, "attention")
    segments.plant([VIP_SEGMENT])
    for doc in (LOSING, BACK_AGAIN, VIP, NO_VIP, BIRTHDAY):
        plant(rules.book, doc)


def plant(book: Book[Any], doc: dict[str, Any], group: str | None = None) -> None:
    """Saves a definition that was never there, switched off, with the tags that it gives. Where the company has its own use for
    one of these (a tag in another group, a changed field) it is left out: an upgrade never stops at it."""
    keys = {key.partition("~")[0] for (key,) in book.row.select(book.row.key).tuples()}
    if doc["key"] in keys:
        return
    try:
        with write():
            if group is not None:
                tags.install_group(TAG_GROUPS[group])
            book.save(doc, SYSTEM, enabled=False, system=True)
    except UserError as error:
        log.info("the ready-made %s is left out: %s", doc["key"], error.message)
