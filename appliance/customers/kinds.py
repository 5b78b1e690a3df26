"""Kinds of identities: what a customer may be known by. A company adds its own to the field ``identities``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..core.i18n import label as i18n_label
from ..forms.fields.base import FieldError, Label, raw_text
from ..forms.fields.contact import EMAIL
from ..forms.parsing import as_digits, parse_phone

MAX_LENGTH = 128

CONTACTS = ("phone", "email")
"""Kinds that are fields of the customer too. They are weak evidence: a parcel may go to somebody else's phone."""


class Kind(Struct, frozen=True):
    """``parse``: what a person, a file or the API gave → the one spelling that is compared. Raises FieldError."""

    key: str
    spec_label: Label
    parse: Callable[[Any], str]
    field_type: str = "text"

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label)

    @property
    def strong(self) -> bool:
        """Whether the value belongs to one person only, by the word of the platform that gave it."""
        return self.key not in CONTACTS


def _text(raw: Any) -> str:
    if isinstance(raw, (bool, list, dict)):
        raise FieldError(_("身份要写成文字。"))
    text = raw_text(raw)
    if not text:
        raise FieldError(_("请填写身份的值。"))
    if len(text) > MAX_LENGTH:
        raise FieldError(_("身份太长，最多 %(max)d 个字。", max=MAX_LENGTH))
    return text


def _number(raw: Any) -> str:
    return _text(as_digits(raw) if isinstance(raw, (str, float)) else raw)


def _phone(raw: Any) -> str:
    if isinstance(raw, (bool, list, dict)):
        raise FieldError(_("这里要填电话号码。"))
    return parse_phone(raw)


def _email(raw: Any) -> str:
    text = _text(raw).lower()
    if not EMAIL.fullmatch(text):
        raise FieldError(_("「%(value)s」不是邮箱地址。", value=text[:60]))
    return text


BUILT_IN = {
    kind.key: kind
    for kind in (
        Kind("phone", {"zh": "手机", "en": "Phone"}, _phone, "phone"),
        Kind("email", {"zh": "邮箱", "en": "E-mail"}, _email, "email"),
        Kind("member_no", {"zh": "会员号", "en": "Member number"}, _number),
        Kind("taobao_nick", {"zh": "淘宝昵称", "en": "Taobao nick"}, _text),
        Kind("douyin_id", {"zh": "抖音号", "en": "Douyin ID"}, _number),
        Kind("kuaishou_id", {"zh": "快手号", "en": "Kuaishou ID"}, _number),
        Kind("xiaohongshu_id", {"zh": "小红书号", "en": "Xiaohongshu ID"}, _number),
        Kind("bilibili_id", {"zh": "B站 UID", "en": "Bilibili ID"}, _number),
        Kind("youzan_id", {"zh": "有赞 ID", "en": "Youzan ID"}, _number),
        Kind("wechat_unionid", {"zh": "微信 UnionID", "en": "WeChat UnionID"}, _text),
        Kind("wecom_external_userid", {"zh": "企业微信外部联系人", "en": "WeCom external user"}, _text),
    )
}


def build(docs: list[dict[str, Any]]) -> dict[str, Kind]:
    """The built-in kinds and the company's own: ``[{"key": "erp_no", "label": "ERP 编号"}]``. Raises FieldError."""
    found = dict(BUILT_IN)
    for doc in docs:
        key = doc.get("key") if isinstance(doc, dict) else None
        if not isinstance(key, str) or not key.isidentifier() or not key.isascii() or key in ("add", "remove", "scope"):
            raise FieldError(_("身份种类的键名只能用小写字母、数字和下划线。"))
        found[key] = Kind(key, doc.get("label", key), _number)
    return found
