"""Where a person of ours is reached outside the app: e-mail, mobile, their id in the company's chat programs.

A room that reaches people another way adds its kind to :data:`KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock
from ..core.db import read, write
from ..core.errors import FieldErrors
from . import audit
from .actor import Actor
from .models import UserContact


class ContactKind(Struct, frozen=True):
    """``read`` gives the value in its one spelling, or raises :class:`ValueError` with a sentence. ``personal``: people may
    change it themselves. ``input``: the type of its input."""

    key: str
    label: Any
    help: Any
    read: Callable[[str], str]
    personal: bool = False
    input: str = "text"


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,190}", text):
        raise ValueError(_("请填写完整的邮箱地址，例如 li@example.com。"))
    return text


def _mobile(text: str) -> str:
    plain = re.sub(r"[\s-]", "", text).removeprefix("+86")
    if not re.fullmatch(r"1[3-9]\d{9}|\+\d{6,15}", plain):
        raise ValueError(_("请填写 11 位手机号；其他国家的号码以 + 和国家代码开头。"))
    return plain


def _chat_id(text: str) -> str:
    if not re.fullmatch(r"[\w.@+$:-]{1,64}", text):
        raise ValueError(_("账号里只有字母、数字和 . _ - @，最多 64 个字符。"))
    return text


KINDS: dict[str, ContactKind] = {
    kind.key: kind
    for kind in (
        ContactKind("email", _l("邮箱"), _l("收邮件通知的地址。"), _email, True, "email"),
        ContactKind("mobile", _l("手机号"), _l("收短信通知的号码。"), _mobile, True, "tel"),
        ContactKind(
            "wecom_userid", _l("企业微信账号"), _l("企业微信管理后台「通讯录」里成员的账号，不是姓名。"), _chat_id
        ),
        ContactKind(
            "dingtalk_userid", _l("钉钉用户 ID"), _l("钉钉管理后台「通讯录」里成员的员工 UserID，不是姓名。"), _chat_id
        ),
    )
}


def of_user(user_id: int) -> dict[str, str]:
    """Everything known of one person, by kind."""
    with read():
        rows = UserContact.select(UserContact.kind, UserContact.value).where(UserContact.user == user_id)
        return dict(rows.tuples())


def of_users(user_ids: Iterable[int], kind: str) -> dict[int, str]:
    """One kind of many people: user id → value; who has none is left out."""
    with read():
        rows = UserContact.select(UserContact.user, UserContact.value).where(
            UserContact.user.in_(list(user_ids)), UserContact.kind == kind
        )
        return dict(rows.tuples())


def save(user_id: int, given: Mapping[str, str], actor: Actor) -> bool:
    """Keeps the kinds that are given; an empty one is removed. Whether anything changed. Raises :class:`FieldErrors`."""
    before, wanted, errors = of_user(user_id), {}, {}
    for key, raw in given.items():
        if (kind := KINDS.get(key)) and (text := raw.strip()):
            try:
                wanted[key] = kind.read(text)
            except ValueError as error:
                errors[key] = str(error)
        elif kind:
            wanted[key] = ""
    if errors:
        raise FieldErrors(errors)
    changed = {key: value for key, value in wanted.items() if before.get(key, "") != value}
    if not changed:
        return False
    with write():
        for key, value in changed.items():
            row = {"user": user_id, "kind": key, "value": value, "updated_at": clock.now()}
            if value:
                UserContact.replace(row).execute()
            else:
                UserContact.delete().where(UserContact.user == user_id, UserContact.kind == key).execute()
        name = _("、").join(str(KINDS[key].label) for key in changed)
        audit.note("user.changed", {"user": user_id, "contact": name}, actor)
    return True
