"""Taobao and Tmall: 订单报表 (ExportOrderList…), csv in GB18030 or xlsx, one row an order."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l

from .base import Preset

STATUS = {
    "等待买家付款": "pending",
    "买家已付款，等待卖家发货": "paid",
    "买家已付款,等待卖家发货": "paid",
    "卖家部分发货": "paid",
    "卖家已发货，等待买家确认": "shipped",
    "卖家已发货,等待买家确认": "shipped",
    "交易成功": "completed",
    "交易关闭": "closed",
}


class TaobaoOrders(Preset):
    name = "taobao"
    label = _l("淘宝/天猫 订单报表")
    form = "order"
    signature = frozenset({"订单编号", "买家会员名", "订单状态"})
    columns: ClassVar = {
        "订单编号": "number",
        "买家会员名": "customer.taobao_nick",
        "买家应付货款": "order_item.amount",
        "买家实际支付金额": "amount",
        "订单状态": "status",
        "买家留言": "remark",
        "收货人姓名": "customer.name",
        "收货地址": "customer.@address",
        "联系手机": "customer.phone",
        "联系电话": "customer.phone",
        "订单创建时间": "ordered_at",
        "订单付款时间": "paid_at",
        "发货时间": "shipped_at",
        "确认收货时间": "received_at",
        "宝贝标题": "order_item.name",
        "宝贝总数量": "order_item.quantity",
        "订单备注": "remark",
        "店铺名称": "shop",
        "退款金额": "refunded",
    }
    values: ClassVar = {"status": STATUS}
    constants: ClassVar = {"channel": "taobao", "customer.channel": "taobao"}
    derived = ("refunded",)
    key = "number"
    note = _l("付款后又关闭的订单保留付款时间，退款金额照报表，计为已付款、已退款；没有付款就关闭的不计入付款订单。")

    def derive(self, cells: dict[str, list[Any]], size: int) -> dict[str, list[Any]]:
        """A closed order that was paid and names no refund has been paid back whole: Taobao leaves no other way."""
        status, paid = cells.get("订单状态"), cells.get("订单付款时间")
        refunds, amounts = cells.get("退款金额"), cells.get("买家实际支付金额")
        if status is None or paid is None or amounts is None or refunds is not None:
            return {}
        return {
            "refunded": [
                amount if state == "交易关闭" and when is not None else None
                for state, when, amount in zip(status, paid, amounts, strict=True)
            ]
        }
