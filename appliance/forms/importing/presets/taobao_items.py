"""Taobao and Tmall: 宝贝报表 (ExportOrderDetailList…), one row an item of an order."""

from __future__ import annotations

from typing import ClassVar

from flask_babel import lazy_gettext as _l

from .base import Preset


class TaobaoItems(Preset):
    name = "taobao_items"
    label = _l("淘宝/天猫 宝贝报表")
    form = "order_item"
    signature = frozenset({"订单编号", "标题", "购买数量"})
    columns: ClassVar = {
        "订单编号": "order.number",
        "标题": "name",
        "价格": "price",
        "购买数量": "quantity",
        "商家编码": "product.sku",
    }
    constants: ClassVar = {"order.channel": "taobao"}
    note = _l("请先导入订单报表：宝贝按订单编号归到订单上，还没有的订单会以编号新建。")
