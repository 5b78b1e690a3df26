"""The built-in forms (CONTRACT section 5): what every shop keeps. A company adds its own fields to them."""

from __future__ import annotations

from typing import Any

from ..core import schema
from ..forms import catalog
from . import identity_field, tag_field  # noqa: F401 — the field types that these forms use
from .events import figures
from .events.kinds import BUILT_IN as BUILT_IN_EVENTS

FormDoc = dict[str, Any]


def _field(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "label": {"zh": zh, "en": en}, "system": True, **more}


def _kept(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return _field(key, type, zh, en, readonly=True, **more)


def _choices(*items: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [{"value": v, "label": {"zh": zh, "en": en}, "color": color} for v, zh, en, color in items]


CHANNELS = _choices(
    ("douyin", "抖音", "Douyin", "dark"), ("kuaishou", "快手", "Kuaishou", "orange"),
    ("wechat", "微信", "WeChat", "green"), ("taobao", "淘宝", "Taobao", "amber"),
    ("tmall", "天猫", "Tmall", "red"), ("xiaohongshu", "小红书", "Xiaohongshu", "pink"),
    ("jd", "京东", "JD", "red"), ("pinduoduo", "拼多多", "Pinduoduo", "red"),
    ("youzan", "有赞", "Youzan", "blue"), ("bilibili", "哔哩哔哩", "Bilibili", "cyan"),
    ("offline", "线下", "Offline", "gray"), ("other", "其他", "Other", "gray"),
)  # fmt: skip

RFM_SEGMENTS = _choices(
    ("重要价值", "重要价值", "Champions", "red"), ("重要发展", "重要发展", "Promising big spenders", "orange"),
    ("重要保持", "重要保持", "Lapsing champions", "amber"), ("重要挽留", "重要挽留", "Lost big spenders", "purple"),
    ("一般价值", "一般价值", "Loyal small spenders", "green"), ("一般发展", "一般发展", "New customers", "cyan"),
    ("一般保持", "一般保持", "Lapsing small spenders", "blue"), ("一般挽留", "一般挽留", "Hibernating", "gray"),
)  # fmt: skip

CUSTOMER: FormDoc = {
    "key": "customer", "label": {"zh": "客户", "en": "Customers"}, "icon": "users", "title_field": "name", "system": True,
    "position": 10, "group": {"zh": "客户", "en": "Customers"},
    "search": ["name", "nickname", "phone", "email", "wechat"],
    "columns": ["name", "phone", "channel", "city", "tags", "rfm_segment", "total_paid", "order_count", "last_paid_at", "owner"],
    "fields": [
        _field("name", "text", "姓名", "Name", indexed=True),
        _field("nickname", "text", "昵称", "Nickname"),
        _field("gender", "choice", "性别", "Gender", choices=[
            {"value": "female", "label": {"zh": "女", "en": "Female"}, "aliases": ["f"]},
            {"value": "male", "label": {"zh": "男", "en": "Male"}, "aliases": ["m"]},
            {"value": "unknown", "label": {"zh": "未知", "en": "Unknown"}, "aliases": ["保密"]},
        ]),
        _field("birthday", "date", "生日", "Birthday"),
        _field("phone", "phone", "手机", "Phone", indexed=True),
        _field("email", "email", "邮箱", "E-mail"),
        _field("wechat", "text", "微信号", "WeChat ID"),
        _field("province", "text", "省份", "Province"),
        _field("city", "text", "城市", "City", indexed=True),
        _field("region", "text", "区县", "District"),
        _field("channel", "choice", "渠道", "Channel", choices=CHANNELS, open=True, indexed=True),
        _field("source", "text", "来源", "Source"),
        _field("stage", "choice", "阶段", "Stage", open=True, indexed=True, choices=_choices(
            ("new", "新客", "New", "cyan"), ("following", "跟进中", "In contact", "blue"),
            ("customer", "已成交", "Bought", "green"), ("loyal", "忠诚", "Loyal", "red"), ("lost", "流失", "Lost", "gray"),
        )),
        _field("level", "choice", "等级", "Level", open=True, indexed=True, choices=_choices(
            ("normal", "普通", "Standard", "gray"), ("silver", "银卡", "Silver", "blue"),
            ("gold", "金卡", "Gold", "amber"), ("vip", "VIP", "VIP", "red"),
        )),
        _field("owner", "person", "负责人", "Owner", indexed=True),
        _field("first_seen_at", "datetime", "首次出现", "First seen"),
        _field("remark", "long_text", "备注", "Remark"),
        _field("tags", "tags", "标签", "Tags"),
        _field("identities", "identities", "平台身份", "Identities"),
        _kept("first_paid_at", "datetime", "首次付款", "First paid"),
        _kept("last_paid_at", "datetime", "最近付款", "Last paid", indexed=True),
        _kept("order_count", "integer", "付款单数", "Paid orders", indexed=True, default=0),
        _kept("total_paid", "money", "累计消费", "Total paid", indexed=True, default=0),
        _kept("average_order", "money", "客单价", "Average order"),
        _kept("refund_rate", "percent", "退款率", "Refund rate"),
        _kept("last_watch_at", "datetime", "最近观看", "Last watched"),
        _kept("watch_seconds", "integer", "观看时长(秒)", "Seconds watched", default=0),
        _kept("interaction_count", "integer", "互动次数", "Interactions", default=0),
        _kept("last_interaction_at", "datetime", "最近互动", "Last interaction"),
        _kept("r_score", "integer", "R 分", "R score"),
        _kept("f_score", "integer", "F 分", "F score"),
        _kept("m_score", "integer", "M 分", "M score"),
        _kept("i_score", "integer", "I 分", "I score"),
        _kept("w_score", "integer", "W 分", "W score"),
        _kept("rfm_segment", "choice", "RFM 客群", "RFM segment", choices=RFM_SEGMENTS, open=True, indexed=True),
        _kept("favourite_category", "text", "偏好类目", "Favourite category", indexed=True),
        _kept("points", "integer", "积分", "Points"),
    ],
}  # fmt: skip

ORDER: FormDoc = {
    "key": "order", "label": {"zh": "订单", "en": "Orders"}, "icon": "receipt", "title_field": "number", "system": True,
    "position": 20, "group": {"zh": "交易", "en": "Sales"},
    "columns": ["number", "customer", "channel", "shop", "status", "amount", "refunded", "paid_at"],
    "fields": [
        _field("number", "text", "订单号", "Order number", required=True, unique=True),
        _field("customer", "relation", "客户", "Customer", form="customer", indexed=True),
        _field("channel", "choice", "渠道", "Channel", choices=CHANNELS, open=True, indexed=True),
        _field("shop", "text", "店铺", "Shop"),
        _field("status", "choice", "状态", "Status", open=True, indexed=True, choices=[
            {"value": "pending", "label": {"zh": "待付款", "en": "Awaiting payment"}, "color": "amber", "aliases": ["等待买家付款"]},
            {"value": "paid", "label": {"zh": "已付款", "en": "Paid"}, "color": "blue", "aliases": ["待发货", "买家已付款，等待卖家发货", "买家已付款,等待卖家发货"]},
            {"value": "shipped", "label": {"zh": "已发货", "en": "Shipped"}, "color": "cyan", "aliases": ["待收货", "卖家已发货，等待买家确认", "卖家已发货,等待买家确认"]},
            {"value": "completed", "label": {"zh": "已完成", "en": "Completed"}, "color": "green", "aliases": ["交易成功", "已签收", "已收货", "成功"]},
            {"value": "closed", "label": {"zh": "已关闭", "en": "Closed"}, "color": "gray", "aliases": ["交易关闭"]},
            {"value": "cancelled", "label": {"zh": "已取消", "en": "Cancelled"}, "color": "gray", "aliases": ["取消", "canceled"]},
            {"value": "refunded", "label": {"zh": "已退款", "en": "Refunded"}, "color": "red", "aliases": ["退款成功"]},
        ]),
        _field("ordered_at", "datetime", "下单时间", "Ordered at"),
        _field("paid_at", "datetime", "付款时间", "Paid at", indexed=True),
        _field("shipped_at", "datetime", "发货时间", "Shipped at"),
        _field("received_at", "datetime", "收货时间", "Received at"),
        _field("amount", "money", "实付金额", "Amount paid", indexed=True),
        _field("discount", "money", "优惠金额", "Discount"),
        _field("refunded", "money", "退款金额", "Refunded"),
        _field("coupon", "text", "优惠券", "Coupon"),
        _field("remark", "long_text", "备注", "Remark"),
        _kept("live_session", "relation", "直播场次", "Live session", form="live_session", indexed=True),
    ],
}  # fmt: skip

PRODUCT: FormDoc = {
    "key": "product", "label": {"zh": "商品", "en": "Products"}, "icon": "package", "title_field": "name", "system": True,
    "position": 40, "group": {"zh": "交易", "en": "Sales"}, "search": ["name", "sku"],
    "columns": ["name", "sku", "category", "price", "stock", "active"],
    "fields": [
        _field("sku", "text", "商品编码", "SKU", unique=True),
        _field("name", "text", "商品名称", "Product", required=True, indexed=True),
        _field("category", "text", "类目", "Category", indexed=True),
        _field("price", "money", "售价", "Price"),
        _field("cost", "money", "成本", "Cost"),
        _field("stock", "integer", "库存", "Stock"),
        _field("active", "yes_no", "在售", "On sale", default=True),
    ],
}  # fmt: skip

ORDER_ITEM: FormDoc = {
    "key": "order_item", "label": {"zh": "订单明细", "en": "Order items"}, "icon": "list-details", "title_field": "name",
    "system": True, "position": 30, "group": {"zh": "交易", "en": "Sales"},
    "columns": ["order", "product", "name", "category", "quantity", "price", "amount"],
    "fields": [
        _field("order", "relation", "订单", "Order", form="order", required=True, indexed=True),
        _field("product", "relation", "商品", "Product", form="product", indexed=True),
        _field("name", "text", "商品名称", "Item", indexed=True),
        _field("category", "text", "类目", "Category", indexed=True),
        _field("quantity", "decimal", "数量", "Quantity", digits=2),
        _field("price", "money", "单价", "Unit price"),
        _field("amount", "money", "金额", "Amount"),
    ],
}  # fmt: skip

LIVE_SESSION: FormDoc = {
    "key": "live_session", "label": {"zh": "直播场次", "en": "Live sessions"}, "icon": "broadcast", "title_field": "title",
    "system": True, "position": 25, "group": {"zh": "交易", "en": "Sales"}, "search": ["title", "host", "external_id"],
    "columns": ["title", "host", "channel", "starts_at", "viewers", "interactions", "orders", "paid", "spend", "roi"],
    "fields": [
        _field("title", "text", "标题", "Title", indexed=True),
        _field("host", "text", "主播", "Host", indexed=True),
        _field("channel", "choice", "渠道", "Channel", choices=CHANNELS, open=True, indexed=True),
        _field("shop", "text", "店铺", "Shop", help={
            "zh": "同一渠道有几个店铺时填写：只有这个店铺的订单归到这场直播。",
            "en": "When a channel has several shops: only this shop's orders belong to the session.",
        }),
        _field("starts_at", "datetime", "开播时间", "Starts at", indexed=True),
        _field("ends_at", "datetime", "下播时间", "Ends at", help={
            "zh": "还没下播时留空，按开播后 12 小时算。",
            "en": "Blank while it is on: it counts as twelve hours.",
        }),
        _field("external_id", "text", "平台场次号", "Platform's number", unique=True),
        _field("spend", "money", "投放花费", "Spend"),
        _field("goods", "relations", "商品", "Goods", form="product"),
        _field("remark", "long_text", "备注", "Remark"),
        _kept("viewers", "integer", "参与人数", "People", default=0),
        _kept("watch_seconds", "integer", "观看时长(秒)", "Seconds watched", default=0),
        _kept("interactions", "integer", "互动次数", "Interactions", default=0),
        _kept("orders", "integer", "付款单数", "Paid orders", default=0),
        _kept("buyers", "integer", "付款人数", "Buyers", default=0),
        _kept("paid", "money", "成交金额", "Paid", default=0),
        _kept("roi", "percent", "投入产出", "Return on spend"),
    ],
}  # fmt: skip

EVENT_TYPES = [
    {"value": key, "label": {"zh": zh, "en": en}, "color": "gray"} for key, zh, en, _icon, _counts in BUILT_IN_EVENTS
]

EVENT: FormDoc = {
    "key": "event_entry", "label": {"zh": "互动登记", "en": "Event entries"}, "icon": "activity", "title_field": None,
    "system": True, "position": 60, "group": {"zh": "客户", "en": "Customers"}, "search": ["number", "product", "content"],
    "columns": ["customer", "at", "type", "watched", "comments", "likes", "gift_value", "product", "live_session"],
    "fields": [
        _field("customer", "relation", "客户", "Customer", form="customer", required=True, indexed=True),
        _field("at", "datetime", "时间", "Time", required=True, default="now", indexed=True),
        _field("channel", "choice", "渠道", "Channel", choices=CHANNELS, open=True),
        _field("live_session", "relation", "直播场次", "Live session", form="live_session", indexed=True),
        _field("watched", "duration", "观看时长", "Time watched"),
        _field("comments", "integer", "评论次数", "Comments", min=0),
        _field("likes", "integer", "点赞次数", "Likes", min=0),
        _field("shares", "integer", "分享次数", "Shares", min=0),
        _field("gifts", "integer", "送礼次数", "Gifts", min=0),
        _field("gift_value", "money", "送礼金额", "Worth of gifts", min=0),
        _field("followed", "yes_no", "关注", "Followed"),
        _field("fan_club", "yes_no", "加入粉丝团", "Joined the fan club"),
        _field("fan_level", "text", "粉丝团等级", "Fan club level"),
        _field("type", "choice", "互动类型", "Kind", choices=EVENT_TYPES, open=True, help={
            "zh": "一行只说一种互动时填写，如私信、加购。", "en": "When a row tells of one kind only: a message, a click.",
        }),
        _field("times", "integer", "次数", "Times", min=1),
        _field("product", "text", "商品", "Product"),
        _field("content", "long_text", "内容", "Content"),
        _field("number", "text", "互动编号", "Number", unique=True),
    ],
}  # fmt: skip
"""What people write down or bring in files: each row gives one or several events (``events.entries``)."""

CONSENT: FormDoc = {
    "key": "consent_entry", "label": {"zh": "同意登记", "en": "Consent entries"}, "icon": "clipboard-check", "title_field": "purpose",
    "system": True, "position": 62, "group": {"zh": "客户", "en": "Customers"}, "search": ["evidence"],
    "columns": ["customer", "purpose", "channel", "state", "at", "source", "evidence"],
    "fields": [
        _field("customer", "relation", "客户", "Customer", form="customer", required=True, indexed=True),
        _field("purpose", "choice", "用途", "Purpose", required=True, open=True, choices=[
            {"value": "marketing", "label": {"zh": "营销信息", "en": "Marketing"}, "color": "purple", "aliases": ["营销", "推广", "广告"]},
            {"value": "service", "label": {"zh": "服务通知", "en": "Service"}, "color": "blue", "aliases": ["服务", "通知"]},
            {"value": "personalised", "label": {"zh": "个性化推荐", "en": "Personalised offers"}, "color": "teal", "aliases": ["个性化", "推荐"]},
        ]),
        _field("channel", "choice", "渠道", "Channel", required=True, choices=[
            {"value": "sms", "label": {"zh": "短信", "en": "SMS"}, "color": "blue", "aliases": ["手机短信"]},
            {"value": "email", "label": {"zh": "邮件", "en": "E-mail"}, "color": "cyan", "aliases": ["邮箱", "电子邮件"]},
            {"value": "wechat", "label": {"zh": "微信", "en": "WeChat"}, "color": "green", "aliases": ["企业微信", "公众号"]},
            {"value": "phone", "label": {"zh": "电话", "en": "Phone"}, "color": "amber", "aliases": ["手机", "外呼"]},
        ]),
        _field("state", "choice", "状态", "State", required=True, choices=[
            {"value": "granted", "label": {"zh": "已同意", "en": "Agreed"}, "color": "green",
             "aliases": ["同意", "是", "yes", "y", "true", "1", "opt-in", "订阅"]},
            {"value": "withdrawn", "label": {"zh": "已撤回", "en": "Withdrawn"}, "color": "gray",
             "aliases": ["撤回", "不同意", "拒绝", "退订", "否", "no", "n", "false", "0", "opt-out"]},
        ]),
        _field("at", "datetime", "时间", "Time", required=True, default="now", indexed=True),
        _field("source", "choice", "来源", "Source", open=True, choices=[
            {"value": "phone", "label": {"zh": "电话中", "en": "On the phone"}}, {"value": "shop", "label": {"zh": "当面", "en": "In person"}},
            {"value": "chat", "label": {"zh": "聊天中", "en": "In a chat"}}, {"value": "paper", "label": {"zh": "书面", "en": "In writing"}},
            {"value": "other", "label": {"zh": "其他方式", "en": "Otherwise"}},
        ]),
        _field("evidence", "long_text", "说明", "Evidence", max_length=500),
    ],
}  # fmt: skip
"""What customers said, written down one by one or brought in files: each row is a line of their consents (``consent_entries``)."""

FORMS = [CUSTOMER, PRODUCT, LIVE_SESSION, ORDER, ORDER_ITEM, EVENT, CONSENT]


@schema.seed
def install_forms() -> None:
    """The built-in forms; what the company changed in them stays."""
    catalog.install(FORMS)
    figures.begin_with_nothing()
