"""The reports and the dashboard that every company starts with. Figures follow CONTRACT section 6."""

from __future__ import annotations

from typing import Any

from ..core import schema
from . import saved

Doc = dict[str, Any]

PAID: Doc = {"all": [{"field": "paid_at", "op": "not_empty"}, {"field": "status", "op": "ne", "value": "cancelled"}]}
"""A paid order."""

ITEM_PAID: Doc = {
    "all": [{"field": "order.paid_at", "op": "not_empty"}, {"field": "order.status", "op": "ne", "value": "cancelled"}]
}

VALUE = {"agg": "sum", "of": "amount", "minus": "refunded", "as": "value", "label": {"zh": "销售额", "en": "Sales"}}
"""What orders are worth: paid less refunded."""

ORDERS = {"agg": "count", "as": "orders", "label": {"zh": "付款单数", "en": "Paid orders"}}
CUSTOMERS = {"agg": "count", "as": "customers", "label": {"zh": "客户数", "en": "Customers"}}


def _orders(key: str, zh: str, en: str, measures: list[Doc], **more: Any) -> Doc:
    return {
        "key": key, "label": {"zh": zh, "en": en}, "form": "order", "where": PAID, "time": "paid_at",
        "measures": measures, "chart": "number", **more,
    }  # fmt: skip


def _items(key: str, zh: str, en: str, dimension: str, chart: str) -> Doc:
    amount = {"agg": "sum", "of": "amount", "as": "amount", "label": {"zh": "金额", "en": "Amount"}}
    lines = {"agg": "count", "as": "lines", "label": {"zh": "成交笔数", "en": "Times sold"}}
    return {
        "key": key, "label": {"zh": zh, "en": en}, "form": "order_item", "where": ITEM_PAID, "time": "order.paid_at",
        "dimensions": [{"field": dimension}], "measures": [amount] if chart == "bar" else [amount, lines],
        "chart": chart, "limit": 10,
    }  # fmt: skip


def _bought(times: int) -> Doc:
    return {"agg": "count", "where": {"field": "order_count", "op": "gte", "value": times}}


REPORTS: list[Doc] = [
    {"key": "customers", "label": {"zh": "客户数", "en": "Customers"}, "form": "customer", "measures": [CUSTOMERS],
     "chart": "number"},
    _orders("paying_customers", "付款客户", "Paying customers", [
        {"agg": "distinct", "of": "customer", "as": "customers", "label": {"zh": "付款客户", "en": "Paying customers"}},
    ], compare="previous"),
    _orders("sales", "销售额", "Sales", [VALUE], compare="previous"),
    _orders("orders", "付款单数", "Paid orders", [ORDERS], compare="previous"),
    _orders("sales_this_month", "本月销售额", "Sales this month", [VALUE], compare="previous", range="month"),
    _orders("average_order", "客单价", "Average order", [VALUE | {
        "agg": "avg", "as": "average", "label": {"zh": "客单价", "en": "Average order"},
    }], compare="previous"),
    {"key": "repurchase_rate", "label": {"zh": "复购率", "en": "Repurchase rate"}, "form": "customer",
     "chart": "number", "measures": [{"agg": "share", "part": _bought(2), "whole": _bought(1), "as": "rate",
                   "label": {"zh": "复购率", "en": "Repurchase rate"}}]},
    _orders("refund_rate", "退款率", "Refund rate", [{
        "agg": "share", "part": {"agg": "sum", "of": "refunded"}, "whole": {"agg": "sum", "of": "amount"}, "as": "rate",
        "label": {"zh": "退款率", "en": "Refund rate"},
    }]),
    _orders("sales_over_time", "销售走势", "Sales over time", [VALUE], chart="bar",
            dimensions=[{"field": "paid_at", "bucket": "auto"}]),
    {"key": "customers_by_rfm", "label": {"zh": "客户 RFM 分布", "en": "Customers by RFM segment"}, "form": "customer",
     "where": {"field": "rfm_segment", "op": "not_empty"}, "dimensions": [{"field": "rfm_segment"}],
     "measures": [CUSTOMERS], "chart": "bar"},
    _orders("sales_by_channel", "渠道占比", "Sales by channel", [VALUE], chart="pie",
            dimensions=[{"field": "channel"}]),
    _items("sales_by_category", "热销类目", "Top categories", "category", "bar"),
    _items("top_products", "热销商品", "Top products", "name", "leaderboard"),
    _orders("top_customers", "客户消费榜", "Top customers", [VALUE, ORDERS], chart="leaderboard", limit=10,
            dimensions=[{"field": "customer"}]),
    _orders("order_hours", "下单时段", "When orders are paid", [ORDERS], chart="heatmap", dimensions=[
        {"field": "paid_at", "bucket": "hour", "as": "hour", "label": {"zh": "钟点", "en": "Hour"}},
        {"field": "paid_at", "bucket": "weekday", "as": "weekday", "label": {"zh": "星期", "en": "Weekday"}},
    ]),
    _orders("channel_by_month", "各渠道每月销售额", "Sales by channel and month", [VALUE], chart="pivot", dimensions=[
        {"field": "paid_at", "bucket": "month"}, {"field": "channel"},
    ]),
    {"key": "new_customers", "label": {"zh": "每月新客", "en": "New customers a month"}, "form": "customer",
     "where": {"field": "first_paid_at", "op": "not_empty"}, "measures": [CUSTOMERS],
     "dimensions": [{"field": "first_paid_at", "bucket": "month"}], "chart": "area"},
]  # fmt: skip

OVERVIEW: Doc = {
    "key": "overview",
    "label": {"zh": "经营总览", "en": "Overview"},
    "tiles": saved.pack([
        ("sales", 3, 1), ("orders", 3, 1), ("paying_customers", 3, 1), ("average_order", 3, 1),
        ("sales_this_month", 3, 1), ("customers", 3, 1), ("repurchase_rate", 3, 1), ("refund_rate", 3, 1),
        ("sales_over_time", 8, 2), ("sales_by_channel", 4, 2),
        ("customers_by_rfm", 6, 2), ("sales_by_category", 6, 2),
        ("top_products", 6, 2), ("top_customers", 6, 2),
    ]),
}  # fmt: skip


@schema.seed
def install() -> None:
    """The built-in reports and dashboard; what the company changed in them stays."""
    saved.plant(REPORTS, [OVERVIEW])
