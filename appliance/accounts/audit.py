"""The audit log: sign-ins, settings, users, tokens. Append only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import has_request_context, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, i18n, settings
from ..core.db import read, write
from .actor import Actor, maybe_actor
from .models import AuditEntry, Role, User

ACTIONS = {
    "sign_in": _l("登录"),
    "sign_in.failed": _l("登录失败"),
    "sign_out": _l("退出"),
    "user.created": _l("添加用户"),
    "user.changed": _l("修改用户"),
    "user.disabled": _l("停用用户"),
    "user.enabled": _l("恢复用户"),
    "password.changed": _l("修改密码"),
    "password.link": _l("生成重设密码链接"),
    "token.created": _l("创建 API 令牌"),
    "token.revoked": _l("撤销 API 令牌"),
    "department.created": _l("添加部门"),
    "department.changed": _l("修改部门"),
    "department.deleted": _l("删除部门"),
    "department.restored": _l("恢复部门"),
    "department.members": _l("调整部门成员"),
    "record.revealed": _l("查看完整号码"),
    "settings.changed": _l("修改设置"),
    "backup.settings": _l("修改备份设置"),
    "backup.downloaded": _l("下载备份"),
    "form.created": _l("新建表单"),
    "form.changed": _l("修改表单"),
    "form.deleted": _l("删除表单"),
    "form.restored": _l("恢复表单"),
    "form.purged": _l("彻底删除表单"),
    "field.purged": _l("彻底删除字段"),
    "public_page.created": _l("新建公开表单"),
    "public_page.changed": _l("修改公开表单"),
    "public_page.deleted": _l("删除公开表单"),
    "public_page.restored": _l("恢复公开表单"),
    "public_page.renewed": _l("更换公开表单的链接"),
    "records.purged": _l("彻底删除记录"),
}
"""What the log calls an action; one that is not here shows its own name."""

WORDS = {
    "user": _l("用户"),
    "login": _l("登录名"),
    "name": _l("名称"),
    "role": _l("角色"),
    "token": _l("令牌编号"),
    "everywhere": _l("所有设备"),
    "sessions": _l("设备数"),
    "file": _l("文件"),
    "department": _l("部门"),
    "parent": _l("上级部门"),
    "head": _l("负责人"),
    "members": _l("成员"),
    "form": _l("表单"),
    "record": _l("记录编号"),
    "field": _l("字段"),
    "page": _l("页面编号"),
    "active": _l("开放"),
}
"""What the log calls the keys of ``detail``; settings show their own label."""


def note(action: str, detail: dict[str, Any] | None = None, actor: Actor | None = None) -> None:
    """Writes one line: ``note("token.created", {"name": "ERP"})``. The actor of the request is the default."""
    who = actor or maybe_actor()
    with write():
        AuditEntry.insert(
            at=clock.now(),
            actor_id=who.id if who else None,
            action=action,
            detail=detail or {},
            ip=request.remote_addr if has_request_context() else None,
        ).execute()


def entries(limit: int, before: int | None = None) -> list[AuditEntry]:
    """The latest lines, or the latest with an id below ``before``."""
    query = AuditEntry.select().order_by(AuditEntry.id.desc()).limit(limit)
    with read():
        return list(query.where(AuditEntry.id < before) if before else query)


def described(found: Iterable[AuditEntry]) -> list[tuple[AuditEntry, str, str, str]]:
    """``[(line, who, what, detail in words)]``."""
    rows = list(found)
    with read():
        names = dict(User.select(User.id, User.name).tuples())
        roles = {role.key: i18n.label(role.label) for role in Role.select()}
    return [
        (row, _who(row, names), str(ACTIONS.get(row.action, row.action)), _words(row, names, roles)) for row in rows
    ]


def _who(row: AuditEntry, names: dict[int, str]) -> str:
    if row.actor_id is None:
        return "—" if row.action == "sign_in.failed" else _("系统")
    return names.get(row.actor_id, "")


def _words(row: AuditEntry, names: dict[int, str], roles: dict[str, str]) -> str:
    labels = {d.key: i18n.label(d.label) for d in settings.declared()} | {key: str(text) for key, text in WORDS.items()}
    shown: dict[str, dict[Any, str]] = {"user": names, "head": names, "role": roles}
    parts = []
    for key, value in row.detail.items():
        if value is None or value is False:
            continue
        text = (
            " → ".join(str(v) for v in value) if isinstance(value, list) else str(shown.get(key, {}).get(value, value))
        )
        parts.append(labels.get(key, key) if value is True else f"{labels.get(key, key)} {text}")
    return " · ".join(parts)
