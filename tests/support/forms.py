"""A form of the company's own that has a field of every type that people can add."""

from __future__ import annotations

from typing import Any

CHOICES = ["new", {"value": "old", "label": {"zh": "老客", "en": "Old"}}, "lost"]
TREE = [
    {"value": "digital", "label": {"zh": "数码", "en": "Digital"}, "children": ["phone", "laptop"]},
    {"value": "food", "label": "食品", "children": ["fruit"]},
]
OPTIONS: dict[str, dict[str, Any]] = {
    "choice": {"choices": CHOICES},
    "multi_choice": {"choices": CHOICES},
    "cascade": {"tree": TREE},
    "decimal": {"digits": 3},
    "slider": {"step": 2.5},
    "barcode": {"kind": "code128"},
    "address": {"contact": True},
    "relation": {"form": "customer"},
    "relations": {"form": "product"},
    "sub_form": {
        "fields": [
            {"key": "item", "label": "品名", "type": "text"},
            {"key": "quantity", "label": "数量", "type": "integer"},
            {"key": "price", "label": "单价", "type": "money"},
            {"key": "cost", "label": "小计", "type": "formula", "formula": "{price} * {quantity}"},
        ],
        "totals": ["quantity", "cost"],
    },
    "formula": {"formula": "{v_integer} * 2 + {v_money}"},
    "lookup": {"relation": "v_relation", "field": "city"},
    "rollup": {"over": "v_sub_form", "agg": "sum", "of": "cost"},
    "auto_number": {"pattern": "AS-{yyyy}{mm}-{0000}"},
}
LAST = ("formula", "lookup", "rollup")


def addable() -> list[str]:
    """Every type that the designer's palette offers for any form, those that need others last."""
    from appliance.forms import fields

    kinds = [name for name, cls in fields.TYPES.items() if cls.addable and cls.only_forms is None]
    return sorted(kinds, key=lambda name: name in LAST)


def every_type(key: str = "after_sale") -> dict[str, Any]:
    """The definition: field ``v_<type>`` for each addable type, and a title."""
    fields = [{"key": f"v_{kind}", "label": f"值 {kind}", "type": kind, **OPTIONS.get(kind, {})} for kind in addable()]
    title = {"key": "title", "label": "标题", "type": "text"}
    return {"key": key, "label": "售后", "title_field": "title", "fields": [title, *fields]}
