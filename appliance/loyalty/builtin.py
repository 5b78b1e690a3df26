"""The built-in forms of loyalty: coupons, and the ones that customers hold."""

from __future__ import annotations

from typing import Any

from ..core import schema
from ..forms import catalog

FormDoc = dict[str, Any]


def _field(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "label": {"zh": zh, "en": en}, "system": True, **more}


def _kept(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return _field(key, type, zh, en, readonly=True, **more)


def _choices(*items: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [{"value": v, "label": {"zh": zh, "en": en}, "color": color} for v, zh, en, color in items]


def _help(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


GROUP = {"zh": "会员", "en": "Loyalty"}
NO_LIMIT = _help("留空不限。", "Empty: no limit.")

COUPON: FormDoc = {
    "key": "coupon", "label": {"zh": "优惠券", "en": "Coupons"}, "icon": "ticket", "title_field": "name", "system": True,
    "position": 52, "group": GROUP, "search": ["name", "key"],
    "columns": ["name", "kind", "value", "minimum", "stock", "issued", "used", "ends_on", "active"],
    "fields": [
        _field("name", "text", "名称", "Name", required=True, indexed=True),
        _field("key", "text", "代号", "Key", unique=True,
               help=_help("规则和应用模板按它找到这张券，例如 birthday_10。", "Rules and app packages find the coupon by it, e.g. birthday_10.")),
        _field("kind", "choice", "类型", "Kind", required=True, default="amount", choices=_choices(
            ("amount", "减金额", "Amount off", "red"), ("percent", "打折", "Percent off", "orange"),
        )),
        _field("value", "decimal", "优惠", "Value", required=True, digits=2,
               help=_help("减金额写元；打折写减去的百分比，15 就是八五折。", "For an amount: yuan; for a percentage: how much comes off, 15 means 15% off.")),
        _field("minimum", "money", "满多少可用", "Minimum order"),
        _field("valid_days", "integer", "领取后有效天数", "Days valid", min=1, max=3650),
        _field("starts_on", "date", "开始日期", "Starts on"),
        _field("ends_on", "date", "截止日期", "Ends on", indexed=True),
        _field("stock", "integer", "总张数", "How many", min=0, help=NO_LIMIT),
        _field("per_customer", "integer", "每人限领", "Per customer", default=1, min=1, help=NO_LIMIT),
        _field("active", "yes_no", "可发放", "May be issued", default=True),
        _field("remark", "long_text", "说明", "Remark"),
        _kept("issued", "integer", "已发", "Issued", default=0),
        _kept("used", "integer", "已用", "Used", default=0),
    ],
}  # fmt: skip

CUSTOMER_COUPON: FormDoc = {
    "key": "customer_coupon", "label": {"zh": "客户的券", "en": "Customer coupons"}, "icon": "discount", "title_field": "code",
    "system": True, "position": 54, "group": GROUP, "search": ["code"], "color_field": "status",
    "columns": ["code", "coupon", "customer", "status", "issued_at", "expires_at", "order"],
    "fields": [
        _field("customer", "relation", "客户", "Customer", form="customer", required=True, indexed=True),
        _field("coupon", "relation", "优惠券", "Coupon", form="coupon", required=True, indexed=True),
        _field("code", "text", "券码", "Code", unique=True,
               help=_help("留空自动生成。订单的「优惠券」写上它就算用掉。", "Empty: made by Guke. An order whose coupon is this code uses it.")),
        _field("status", "choice", "状态", "Status", required=True, indexed=True, default="issued", choices=_choices(
            ("issued", "未使用", "Not used", "green"), ("used", "已使用", "Used", "blue"),
            ("expired", "已过期", "Expired", "gray"), ("revoked", "已作废", "Revoked", "red"),
        )),
        _field("issued_at", "datetime", "发放时间", "Issued at"),
        _field("expires_at", "datetime", "过期时间", "Expires at", indexed=True),
        _field("used_at", "datetime", "使用时间", "Used at"),
        _field("order", "relation", "用于订单", "Order", form="order", indexed=True),
    ],
}  # fmt: skip

FORMS = [COUPON, CUSTOMER_COUPON]


@schema.seed
def install_forms() -> None:
    """The built-in forms; what the company changed in them stays."""
    catalog.install(FORMS)
