"""The built-in forms of selling (CONTRACT section 5): leads, follow-ups and tasks, and what they add to customers."""

from __future__ import annotations

from typing import Any

from ..core import dialect, schema
from ..core.db import db
from ..customers.builtin import CHANNELS
from ..forms import catalog

FormDoc = dict[str, Any]


def _field(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "label": {"zh": zh, "en": en}, "system": True, **more}


def _kept(key: str, type: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
    return _field(key, type, zh, en, readonly=True, **more)


def _choices(*items: tuple[str, str, str, str]) -> list[dict[str, Any]]:
    return [{"value": v, "label": {"zh": zh, "en": en}, "color": color} for v, zh, en, color in items]


STAGES = _choices(
    ("new", "新线索", "New", "cyan"), ("contacting", "联系中", "Contacting", "blue"),
    ("interested", "有意向", "Interested", "amber"), ("negotiating", "洽谈中", "Negotiating", "purple"),
    ("converted", "已转客户", "Converted", "green"), ("invalid", "无效", "Not a fit", "gray"),
)  # fmt: skip

CLOSED_STAGES = ("converted", "invalid")
"""Stages in which nobody works on a lead any more."""

FOLLOW_UP_FIELDS = [
    _field("department", "department", "所属部门", "Department", indexed=True,
           help={"zh": "没有负责人时，属于哪个部门的公海。", "en": "Whose pool it is in while nobody owns it."}),
    _kept("last_follow_up_at", "datetime", "最近跟进", "Last follow-up"),
    _kept("next_follow_up_at", "datetime", "下次跟进", "Next follow-up"),
]  # fmt: skip
"""What leads and customers both have for the work on them."""

LEAD: FormDoc = {
    "key": "lead", "label": {"zh": "线索", "en": "Leads"}, "icon": "target", "title_field": "name", "system": True,
    "position": 12, "group": {"zh": "客户", "en": "Customers"}, "search": ["name", "phone", "wechat"],
    "columns": ["name", "phone", "stage", "intent", "channel", "interest", "owner", "last_follow_up_at", "next_follow_up_at"],
    "views": {"kanban": {"by": "stage", "cards": ["phone", "intent", "interest", "owner"]}}, "color_field": "stage",
    "fields": [
        _field("name", "text", "姓名", "Name", required=True, indexed=True),
        _field("phone", "phone", "手机", "Phone", indexed=True),
        _field("wechat", "text", "微信号", "WeChat ID"),
        _field("email", "email", "邮箱", "E-mail"),
        _field("province", "text", "省份", "Province"),
        _field("city", "text", "城市", "City", indexed=True),
        _field("channel", "choice", "渠道", "Channel", choices=CHANNELS, open=True, indexed=True),
        _field("source", "text", "来源", "Source"),
        _field("interest", "text", "感兴趣的商品", "Interested in"),
        _field("intent", "choice", "意向", "Intent", open=True, choices=_choices(
            ("high", "高", "High", "red"), ("medium", "中", "Medium", "amber"), ("low", "低", "Low", "gray"),
        )),
        _field("stage", "choice", "阶段", "Stage", open=True, indexed=True, default="new", choices=STAGES),
        _field("owner", "owner", "负责人", "Owner", indexed=True, creator=False, offered=True),
        *FOLLOW_UP_FIELDS,
        _field("customer", "relation", "转成的客户", "Became the customer", form="customer", indexed=True),
        _kept("converted_at", "datetime", "转客户时间", "Converted at"),
        _field("remark", "long_text", "备注", "Remark"),
    ],
}  # fmt: skip

FOLLOW_UP: FormDoc = {
    "key": "follow_up", "label": {"zh": "跟进", "en": "Follow-ups"}, "icon": "message-2", "title_field": "content",
    "system": True, "position": 14, "group": {"zh": "客户", "en": "Customers"}, "search": ["content"],
    "columns": ["content", "kind", "customer", "lead", "owner", "next_at", "created_at"],
    "views": {"calendar": {"date": "next_at"}},
    "fields": [
        _field("customer", "relation", "客户", "Customer", form="customer", indexed=True),
        _field("lead", "relation", "线索", "Lead", form="lead", indexed=True),
        _field("kind", "choice", "方式", "How", open=True, default="phone", choices=_choices(
            ("phone", "电话", "Phone", "blue"), ("wechat", "微信", "WeChat", "green"), ("visit", "拜访", "Visit", "purple"),
            ("sms", "短信", "SMS", "cyan"), ("live", "直播间", "Live room", "red"), ("other", "其他", "Other", "gray"),
        )),
        _field("content", "long_text", "内容", "What was said", required=True),
        _field("next_at", "datetime", "下次跟进", "Next follow-up", indexed=True),
        _field("owner", "owner", "跟进人", "By", indexed=True),
        _field("attachments", "attachments", "附件", "Files"),
    ],
}  # fmt: skip

TASK: FormDoc = {
    "key": "task", "label": {"zh": "任务", "en": "Tasks"}, "icon": "checkbox", "title_field": "title", "system": True,
    "position": 16, "group": {"zh": "客户", "en": "Customers"}, "search": ["title"],
    "columns": ["title", "status", "priority", "due_at", "assignee", "customer", "lead"],
    "views": {"calendar": {"date": "due_at"}, "kanban": {"by": "status", "cards": ["due_at", "priority", "assignee", "customer"]}},
    "color_field": "priority",
    "layout": {
        "tabs": [{"sections": [{"fields": [
            "title", "assignee", "status", "due_at", "remind_at", "priority", "repeat", "customer", "lead", "done_at", "content",
        ]}]}],
        "hidden": ["form", "record"],
    },
    "fields": [
        _field("title", "text", "任务", "Task", required=True, personal=True),
        _field("assignee", "owner", "负责人", "Assigned to", indexed=True),
        _field("due_at", "datetime", "截止时间", "Due", indexed=True),
        _field("remind_at", "datetime", "提醒时间", "Remind at"),
        _field("status", "choice", "状态", "Status", required=True, indexed=True, default="open", choices=_choices(
            ("open", "待办", "To do", "blue"), ("doing", "进行中", "In progress", "amber"),
            ("done", "已完成", "Done", "green"), ("cancelled", "已取消", "Cancelled", "gray"),
        )),
        _field("priority", "choice", "优先级", "Priority", default="normal", choices=_choices(
            ("urgent", "紧急", "Urgent", "red"), ("high", "高", "High", "orange"),
            ("normal", "普通", "Normal", "gray"), ("low", "低", "Low", "cyan"),
        )),
        _field("repeat", "choice", "重复", "Repeats", choices=_choices(
            ("daily", "每天", "Every day", "gray"), ("weekly", "每周", "Every week", "gray"),
            ("monthly", "每月", "Every month", "gray"),
        )),
        _field("customer", "relation", "客户", "Customer", form="customer", indexed=True),
        _field("lead", "relation", "线索", "Lead", form="lead", indexed=True),
        _field("done_at", "datetime", "完成时间", "Done at"),
        _field("content", "long_text", "说明", "Details"),
        _field("form", "text", "关于的表单", "About: form"),
        _field("record", "integer", "关于的记录", "About: record", indexed=True),
    ],
}  # fmt: skip

OPEN_STATUSES = ("open", "doing")

FORMS = [
    LEAD,
    FOLLOW_UP,
    TASK,
    {"key": "customer", "fields": FOLLOW_UP_FIELDS},
]


@schema.seed
def install_forms() -> None:
    """The built-in forms; what the company changed in them stays."""
    known = set(catalog.all_forms())
    catalog.install(FORMS)
    if "task" not in known:
        # Tasks have a page of their own in the rail, which leads to their list.
        catalog.set_option(catalog.get("task").id, "in_rail", False)
    # A person's day, and what they have done, stand in one index each.
    dialect.create_index(db, "x_task__day", "f_task", ["assignee", "due_at"])
    dialect.create_index(db, "x_task__done", "f_task", ["assignee", "done_at"])
