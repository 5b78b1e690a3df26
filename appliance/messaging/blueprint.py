"""The blueprint of the pages about messages; ``views`` and its sisters hang their routes on it."""

from __future__ import annotations

from flask import Blueprint
from flask_babel import lazy_gettext as _l

from ..core import nav
from .ledger import ROOM

bp = Blueprint("messages", __name__)

nav.add(
    "automation",
    _l("发件箱"),
    "messages.index",
    "send",
    right=ROOM,
    order=60,
    words="messages xiaoxi 消息 outbox 短信 邮件 发送记录",
)
nav.add(
    "settings",
    _l("发送规则"),
    "messages.policy_page",
    "shield-check",
    right="settings",
    order=72,
    words="免打扰 频率 预算 测试模式 退订 quiet caps budget",
)
nav.action(_l("新建消息模板"), "messages.templates_new", "template", right=ROOM, words="new template xinjian moban")
