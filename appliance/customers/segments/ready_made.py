"""Segments that every shop expects. They are switched off until somebody looks at them and switches them on."""

from __future__ import annotations

from typing import Any

from ...accounts.actor import Actor
from ...core import schema
from ...core.db import write
from . import store

BOUGHT = {"field": "order_count", "op": "gte", "value": 1}

SEGMENTS: list[dict[str, Any]] = [
    {
        "key": "guke_new_customers", "label": {"zh": "新客", "en": "New customers"},
        "description": {"zh": "最近 30 天第一次付款的客户", "en": "Paid for the first time within 30 days"},
        "where": {"field": "first_paid_at", "op": "within", "value": {"days": 30}},
    },
    {
        "key": "guke_high_value", "label": {"zh": "高价值", "en": "High value"},
        "description": {"zh": "累计消费满 2,000 元", "en": "Has spent 2,000 or more"},
        "where": {"field": "total_paid", "op": "gte", "value": 2000},
    },
    {
        "key": "guke_repeat_buyers", "label": {"zh": "复购", "en": "Repeat buyers"},
        "description": {"zh": "付过两单以上", "en": "Paid for two orders or more"},
        "where": {"field": "order_count", "op": "gte", "value": 2},
    },
    {
        "key": "guke_silent_30", "label": {"zh": "30 天沉默", "en": "Silent for 30 days"},
        "description": {"zh": "买过，但最近 30 天没有付款", "en": "Has bought, but not within the last 30 days"},
        "where": {"all": [BOUGHT, {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}}]},
    },
    {
        "key": "guke_silent_90", "label": {"zh": "90 天流失预警", "en": "Silent for 90 days"},
        "description": {"zh": "买过两单以上，最近 90 天没有付款", "en": "Bought twice or more, but not within the last 90 days"},
        "where": {"all": [
            {"field": "order_count", "op": "gte", "value": 2},
            {"field": "last_paid_at", "op": "not_within", "value": {"days": 90}},
        ]},
    },
    {
        "key": "guke_never_bought", "label": {"zh": "还没成交", "en": "Never bought"},
        "description": {"zh": "一单都没有付过", "en": "Has not paid for any order"},
        "where": {"field": "order_count", "op": "eq", "value": 0},
    },
    {
        "key": "guke_birthday_soon", "label": {"zh": "30 天内生日", "en": "Birthday within 30 days"},
        "description": {"zh": "从今天起 30 天内过生日", "en": "Birthday within 30 days from today"},
        "where": {"field": "birthday", "op": "anniversary_within", "value": {"days": 30}},
    },
    {
        "key": "guke_watching", "label": {"zh": "常看不买", "en": "Watching, not buying"},
        "description": {"zh": "最近 30 天看了半小时以上直播，没有付款", "en": "Watched half an hour or more within 30 days and paid for nothing"},
        "where": {"all": [
            {"event": ["watch"], "within": {"days": 30}, "agg": "sum", "of": "seconds", "op": "gte", "value": 1800},
            {"not": {"field": "last_paid_at", "op": "within", "value": {"days": 30}}},
        ]},
    },
    {
        "key": "guke_valued_and_silent", "label": {"zh": "高价值且沉默", "en": "High value, gone silent"},
        "description": {"zh": "最该联系的人：花得多，最近没来", "en": "Whom to call first: spent much, silent now"},
        "set": {"all": ["guke_high_value", "guke_silent_30"]},
    },
]  # fmt: skip


@schema.seed
def install() -> None:
    """What the company changed or deleted stays so."""
    store.plant({"enabled": False} | doc for doc in SEGMENTS)


def waiting() -> list[store.Segment]:
    """Those that nobody has switched on yet."""
    return [s for s in store.all() if s.system and not s.enabled and s.built_at is None]


def switch_on(actor: Actor) -> int:
    """Switches on all that nobody has switched on yet; returns how many."""
    with write():
        found = waiting()
        for segment in found:
            store.switch(segment.key, True, actor)
        return len(found)
