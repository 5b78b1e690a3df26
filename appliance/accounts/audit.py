"""The audit log: sign-ins, settings, users, rights, tokens, exports. Rows are only added; ``chain`` seals them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from flask import has_request_context, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock, dialect, i18n, settings
from ..core.db import read, write
from . import chain
from .actor import SYSTEM, Actor, maybe_actor
from .models import AuditEntry, Role, User

ACTIONS = {
    "sign_in": _l("登录"),
    "sign_in.failed": _l("登录失败"),
    "sign_out": _l("退出"),
    "user.created": _l("添加用户"),
    "user.changed": _l("修改用户"),
    "user.disabled": _l("停用用户"),
    "user.enabled": _l("恢复用户"),
    "handover.started": _l("交接"),
    "handover.undone": _l("撤销交接"),
    "password.changed": _l("修改密码"),
    "password.link": _l("生成重设密码链接"),
    "session.ended": _l("退出某处登录"),
    "invitation.created": _l("邀请用户"),
    "invitation.used": _l("接受邀请"),
    "invitation.revoked": _l("撤销邀请"),
    "deputy.named": _l("指定代理"),
    "deputy.ended": _l("结束代理"),
    "source.changed": _l("修改登录方式"),
    "second_factor.on": _l("开启两步验证"),
    "second_factor.off": _l("关闭两步验证"),
    "second_factor.recovery": _l("用恢复码登录"),
    "second_factor.renewed": _l("换新恢复码"),
    "token.created": _l("创建 API 令牌"),
    "token.revoked": _l("撤销 API 令牌"),
    "department.created": _l("添加部门"),
    "department.changed": _l("修改部门"),
    "department.deleted": _l("删除部门"),
    "department.restored": _l("恢复部门"),
    "department.members": _l("调整部门成员"),
    "record.revealed": _l("查看完整内容"),
    "record.shared": _l("分享记录"),
    "record.unshared": _l("取消分享"),
    "preview.started": _l("以他人身份预览"),
    "preview.ended": _l("结束预览"),
    "settings.changed": _l("修改设置"),
    "rules.arranged": _l("调整规则的顺序"),
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
    "records.exported": _l("导出记录"),
    "privacy.exported": _l("导出客户的全部资料"),
    "privacy.erased": _l("删除客户的个人信息"),
    "privacy.reapplied": _l("恢复备份后重新删除个人信息"),
    "retention.changed": _l("修改保存期限"),
    "retention.applied": _l("按保存期限清理"),
    "metric.created": _l("新建公司指标"),
    "metric.changed": _l("修改公司指标"),
    "metric.deleted": _l("删除公司指标"),
    "metric.restored": _l("恢复公司指标"),
    "segment.created": _l("新建客群"),
    "segment.changed": _l("修改客群"),
    "segment.deleted": _l("删除客群"),
    "segment.restored": _l("恢复客群"),
    "report.exported": _l("导出报表"),
    "role.created": _l("新建角色"),
    "role.changed": _l("修改角色的权限"),
    "role.deleted": _l("删除角色"),
    "log.exported": _l("导出操作日志"),
    "log.pruned": _l("清理到期的操作日志"),
    "log.resealed": _l("重新封存操作日志"),
    "key.rotated": _l("更换密钥"),
    "connection.created": _l("添加连接"),
    "connection.changed": _l("修改连接"),
    "connection.deleted": _l("删除连接"),
    "connection.restored": _l("恢复连接"),
    "connection.tested": _l("测试连接"),
    "connection.mapped": _l("修改推送的对应关系"),
    "message_template.saved": _l("保存消息模板"),
    "message_template.deleted": _l("删除消息模板"),
    "message_template.restored": _l("恢复消息模板"),
    "messages.policy": _l("修改发送规则"),
    "messages.blocked": _l("加入不发送名单"),
    "messages.unblocked": _l("移出不发送名单"),
    "messages.retried": _l("重发消息"),
    "messages.answered": _l("核对结果不明的消息"),
    "event_type.saved": _l("保存互动类型"),
    "event_type.deleted": _l("删除互动类型"),
    "event_type.restored": _l("恢复互动类型"),
}
"""What the log calls an action; one that is not here shows its own name."""

settings.declare(
    "log.keep_days", 0, _l("操作日志保留天数"), "integer", least=0, most=36_500,
    help=_l("更早的每天夜里清理；0 为一直保留。"),
)  # fmt: skip

WORDS = {
    "user": _l("用户"),
    "login": _l("登录名"),
    "name": _l("名称"),
    "role": _l("角色"),
    "token": _l("令牌编号"),
    "scope": _l("权限范围"),
    "device": _l("设备"),
    "address": _l("地址"),
    "deputy": _l("代理人"),
    "since": _l("从"),
    "until": _l("到"),
    "source": _l("登录方式"),
    "invitation": _l("邀请编号"),
    "everywhere": _l("所有设备"),
    "sessions": _l("设备数"),
    "file": _l("文件"),
    "department": _l("部门"),
    "parent": _l("上级部门"),
    "head": _l("负责人"),
    "members": _l("成员"),
    "form": _l("表单"),
    "record": _l("记录编号"),
    "edit": _l("可以修改"),
    "reason": _l("原因"),
    "field": _l("字段"),
    "page": _l("页面编号"),
    "active": _l("开放"),
    "report": _l("报表"),
    "second_factor": _l("两步验证"),
    "to": _l("交给"),
    "count": _l("条数"),
    "records": _l("条数"),
    "background": _l("后台生成"),
    "before": _l("早于"),
    "months": _l("几个月"),
    "contact": _l("联系方式"),
    "event_type": _l("互动类型"),
    "label": _l("名称"),
    "template": _l("模板"),
    "message": _l("消息编号"),
    "messages": _l("消息编号"),
    "via": _l("发送方式"),
    "block": _l("名单编号"),
    "answer": _l("结果"),
    "version": _l("版本"),
}
"""What the log calls the keys of ``detail``; settings show their own label."""


def forget() -> int:
    """Removes what is older than the company wants to keep; returns how many lines. Called by the nightly upkeep."""
    days = settings.get("log.keep_days")
    count = chain.prune(clock.now() - days * clock.DAY) if days else 0
    if count:
        note("log.pruned", {"count": count}, SYSTEM)
    return count


SUBJECTS = {
    "user": _l("用户"),
    "role": _l("角色"),
    "department": _l("部门"),
    "token": _l("API 令牌"),
    "form": _l("表单"),
    "record": _l("记录"),
    "report": _l("报表"),
    "page": _l("公开表单"),
    "settings": _l("设置"),
    "backup": _l("备份"),
    "connection": _l("连接"),
    "log": _l("操作日志"),
}
"""What something can be done to: the first part of ``about``."""

AGENT_LENGTH = 160
"""Characters of a browser's own description that are kept."""


def note(
    action: str, detail: dict[str, Any] | None = None, actor: Actor | None = None, about: str | None = None
) -> None:
    """Writes one line: ``note("token.created", {"name": "ERP"})``. The actor of the request is the default.

    ``about``: what it was done to, ``kind:key`` with a kind of :data:`SUBJECTS`; else it is read from ``detail``.
    """
    who = actor or maybe_actor()
    # As it will be read back: the seal is over that.
    said = json.loads(dialect.dumps(detail or {}))
    web = has_request_context()
    with write():
        chain.append(
            {
                "at": clock.now(),
                "actor_id": who.id if who else None,
                "action": action,
                "detail": said,
                "ip": request.remote_addr if web else None,
                "agent": request.user_agent.string[:AGENT_LENGTH] or None if web else None,
                "about": about or _about(action, said),
            }
        )


def _about(action: str, detail: dict[str, Any]) -> str | None:
    for kind in ("token", "page", "report", "user", "department", "role", "form"):
        if kind in detail:
            return f"{kind}:{detail[kind]}"[:200]
    kind = action.partition(".")[0]
    return kind if kind in SUBJECTS else None


class Filter(Struct, frozen=True):
    """Which lines of the log; what is empty does not matter.

    ``person``: a user's id, ``0`` the appliance. ``subject``: a kind of :data:`SUBJECTS`. ``about``: one thing.
    ``since`` and ``until``: the first and the last day, in the company's time zone. ``text``: stands in the detail, the
    browser, or the name of somebody concerned.
    """

    text: str = ""
    person: int | None = None
    action: str = ""
    subject: str = ""
    about: str = ""
    address: str = ""
    since: dt.date | None = None
    until: dt.date | None = None

    @classmethod
    def read(cls, args: Mapping[str, str]) -> Filter:
        """From the URL; what cannot be understood is left out."""
        person = args.get("person", "")
        return cls(
            text=args.get("q", "").strip()[:100],
            person=int(person) if person.isdecimal() and len(person) < 10 else None,
            action=args.get("action", ""),
            subject=args.get("subject", ""),
            about=args.get("about", "")[:200],
            address=args.get("address", "").strip()[:50],
            since=_day(args.get("since", "")),
            until=_day(args.get("until", "")),
        )

    def arguments(self) -> dict[str, str]:
        """The URL's arguments for this filter."""
        found = {
            "q": self.text, "person": self.person, "action": self.action, "subject": self.subject, "about": self.about,
            "address": self.address, "since": self.since, "until": self.until,
        }  # fmt: skip
        return {key: str(value) for key, value in found.items() if value is not None and value != ""}

    def query(self) -> Any:
        query = AuditEntry.select()
        tz = settings.tz()
        if self.since:
            query = query.where(AuditEntry.at >= clock.start_of(self.since, tz))
        if self.until:
            query = query.where(AuditEntry.at < clock.start_of(self.until + dt.timedelta(days=1), tz))
        if self.person is not None:
            query = query.where(AuditEntry.actor_id == self.person if self.person else AuditEntry.actor_id.is_null())
        if self.action:
            query = query.where(AuditEntry.action == self.action)
        if self.subject:
            of_kind = dialect.starts_with(AuditEntry.about, f"{self.subject}:")
            query = query.where((AuditEntry.about == self.subject) | of_kind)
        if self.about:
            query = query.where(AuditEntry.about == self.about)
        if self.address:
            query = query.where(dialect.contains(AuditEntry.ip, self.address))
        return query.where(self._matches()) if self.text else query

    def _matches(self) -> Any:
        named = dialect.contains(User.name, self.text) | dialect.contains(User.login, self.text)
        people = [user_id for (user_id,) in User.select(User.id).where(named).tuples()]
        about = [f"user:{user_id}" for user_id in people]
        places = (AuditEntry.detail, AuditEntry.agent, AuditEntry.about)
        found = AuditEntry.actor_id.in_(people) | AuditEntry.about.in_(about)
        for place in places:
            found |= dialect.contains(place, self.text)
        return found


def _day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1990 <= day.year <= 2200 else None


def entries(wanted: Filter, limit: int, before: int | None = None) -> list[AuditEntry]:
    """The latest lines, or the latest with an id below ``before``."""
    with read():
        query = wanted.query().order_by(AuditEntry.id.desc()).limit(limit)
        return list(query.where(AuditEntry.id < before) if before else query)


class Line(Struct, frozen=True):
    """One line in words."""

    id: int
    at: int
    who: str
    what: str
    detail: str
    ip: str
    agent: str
    seal: str


def described(found: Iterable[AuditEntry]) -> list[Line]:
    rows = list(found)
    with read():
        names = dict(User.select(User.id, User.name).tuples())
        roles = {role.key: i18n.label(role.label) for role in Role.select()}
    return [
        Line(
            row.id, row.at, _who(row, names), str(ACTIONS.get(row.action, row.action)), _words(row, names, roles),
            row.ip or "", row.agent or "", row.mac or "",
        )
        for row in rows
    ]  # fmt: skip


def everything(wanted: Filter) -> Iterator[Line]:
    """Every line, newest first, read page by page."""
    before = None
    while page := entries(wanted, 1000, before):
        yield from described(page)
        before = page[-1].id


def _who(row: AuditEntry, names: dict[int, str]) -> str:
    if row.actor_id is None:
        return "—" if row.action == "sign_in.failed" else _("系统")
    return names.get(row.actor_id, "")


_said: dict[str, Callable[[], dict[Any, str]]] = {}


def says(key: str, said: Callable[[], dict[Any, str]]) -> None:
    """What people call the values of one key of ``detail``; a room names its own things."""
    _said[key] = said


def _words(row: AuditEntry, names: dict[int, str], roles: dict[str, str]) -> str:
    labels = {d.key: i18n.label(d.label) for d in settings.declared()} | {key: str(text) for key, text in WORDS.items()}
    shown: dict[str, dict[Any, str]] = {"user": names, "head": names, "deputy": names, "role": roles}
    shown |= {key: said() for key, said in _said.items() if key in row.detail}
    parts = []
    for key, value in row.detail.items():
        if value is None or value is False:
            continue
        text = (
            " → ".join(str(v) for v in value) if isinstance(value, list) else str(shown.get(key, {}).get(value, value))
        )
        parts.append(labels.get(key, key) if value is True else f"{labels.get(key, key)} {text}")
    return " · ".join(parts)
