"""The visible list of ways out. A new platform is one module, one line here and a heading in the manual."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core.errors import UserError
from .base import Limit, Message, Outcome, Sender, Target, Transport
from .dingtalk_robot import GroupRobot as DingtalkRobot
from .dingtalk_work import WorkNotice
from .email import Email
from .feishu_robot import GroupRobot as FeishuRobot
from .in_app import InApp
from .sms_aliyun import AliyunTransport
from .sms_tencent import TencentTransport
from .webhook import Call
from .wecom_app import AppMessage
from .wecom_robot import GroupRobot as WecomRobot

SENDERS: dict[str, Sender] = {}


def register(sender: Sender) -> Sender:
    """Adds a way out (also used by higher rooms). Raises on a name that is taken."""
    if sender.name in SENDERS:
        raise ValueError(f"sender {sender.name!r} is registered twice")
    SENDERS[sender.name] = sender
    return sender


for _sender in (
    Sender("in_app", _l("站内通知"), "bell", InApp()),
    Sender("wecom", _l("企业微信"), "message-circle", AppMessage(), WecomRobot()),
    Sender("dingtalk", _l("钉钉"), "message-circle", WorkNotice(), DingtalkRobot()),
    Sender("feishu", _l("飞书"), "message-circle", FeishuRobot()),
    Sender("sms", _l("短信"), "device-mobile", AliyunTransport(), TencentTransport()),
    Sender("email", _l("邮件"), "mail", Email()),
    Sender("webhook", _l("调用网址"), "webhook", Call()),
):
    register(_sender)


def get(name: str) -> Sender:
    """Raises :class:`UserError` for a way out that does not exist."""
    try:
        return SENDERS[name]
    except KeyError:
        known = _("、").join(SENDERS)
        raise UserError(_("没有「%(name)s」这种发送方式，可用：%(known)s。", name=name, known=known), "via") from None


__all__ = ["SENDERS", "Limit", "Message", "Outcome", "Sender", "Target", "Transport", "get", "register"]
