"""Commands about people: users, API tokens, the first administrator's link."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from flask_babel import gettext as _

from ...core import cli
from ...core.errors import UserError

PASSWORD = click.option(
    "--password-file", type=click.File("r", encoding="utf-8"), help="存放密码的文件 · - : standard input"
)


def _password(file: IO[str] | None) -> str | None:
    return file.read().strip("\r\n") if file else None


@cli.group("user", help="用户 · people who sign in")
def user() -> None:
    """The group of commands about users."""


@user.command("add", help="添加用户；不给密码时打印一次性链接 · add a person, or print a one-time link")
@click.argument("login")
@click.option("--name", help="姓名 · name")
@click.option("--role", default="staff", show_default=True, help="admin | staff | …")
@PASSWORD
def add(login: str, name: str | None, role: str, password_file: IO[str] | None) -> None:
    from ...accounts import reset, users
    from ...accounts.actor import SYSTEM

    password = _password(password_file)
    user_id = users.create(login, name or login, password, role, SYSTEM)
    link = None if password else reset.make_link(user_id, SYSTEM)
    lines = [_("已添加 %(login)s。", login=login)]
    if link:
        lines.append(_("请本人打开一次性链接设置密码：%(link)s", link=link))
    cli.show({"id": user_id, "login": login, "link": link}, *lines)


@user.command("list", help="列出用户 · list people")
def list_users() -> None:
    from ...accounts import users

    people = users.people()
    roles = users.roles_of([p.id for p in people])
    rows = [
        {
            "id": p.id,
            "login": p.login,
            "name": p.name,
            "active": p.active,
            "roles": [key for key, _label in roles.get(p.id, [])],
            "last_sign_in_at": p.last_sign_in_at,
        }
        for p in people
    ]
    lines = [
        f"{row['login']}\t{row['name']}\t{','.join(row['roles'])}\t{_('正常') if row['active'] else _('已停用')}"
        for row in rows
    ]
    cli.show({"users": rows}, *lines)


@user.command("disable", help="停用用户，可同时把他名下的内容交给别人 · end a person's access")
@click.argument("login")
@click.option("--hand-over-to", "to", default="", help="接手的人的登录名 · who gets everything that is theirs")
def disable(login: str, to: str) -> None:
    from ...accounts import users
    from ...accounts.actor import SYSTEM
    from ...core import jobs
    from ...forms import handing_over

    found = users.by_login(login)
    heir = users.by_login(to) if to else None
    if heir and (heir.id == found.id or not heir.active):
        raise UserError(_("请选择一位能登录的同事来接手。"), "to")
    users.disable(found.id, SYSTEM)
    answer = {"id": found.id, "login": found.login, "active": False}
    lines = [_("已停用 %(login)s。", login=found.login)]
    if heir and handing_over.holdings(found.id):
        job_id = handing_over.start(found.id, heir.id, None, SYSTEM)
        job = jobs.work_on(job_id) or jobs.get(job_id)
        if job.status == "failed":
            raise UserError(job.error or _("没有完成。"))
        count = handing_over.moved(job.result or {})
        answer["handed_over"] = count
        lines.append(_("%(count)s 项已交给 %(name)s。", count=count, name=heir.name))
    cli.show(answer, *lines)


@user.command("reset-password", help="重设密码；不给密码时打印一次性链接 · set a password or print a one-time link")
@click.argument("login")
@PASSWORD
def reset_password(login: str, password_file: IO[str] | None) -> None:
    from ...accounts import reset, users
    from ...accounts.actor import SYSTEM

    found = users.by_login(login)
    password = _password(password_file)
    link = None
    if password:
        users.set_password(found.id, password, SYSTEM)
    else:
        link = reset.make_link(found.id, SYSTEM)
    lines = [_("一次性链接：%(link)s", link=link) if link else _("密码已重设，所有登录已退出。")]
    cli.show({"id": found.id, "login": found.login, "link": link}, *lines)


@user.command("reset-2fa", help="关闭某人的两步验证（手机丢了） · take the second step off somebody who lost the phone")
@click.argument("login")
def reset_2fa(login: str) -> None:
    from ...accounts import second_factor, users
    from ...accounts.actor import SYSTEM

    found = users.by_login(login)
    was_on = second_factor.turn_off(found.id, SYSTEM)
    said = _("%(login)s 的两步验证已关闭，下次只用密码登录。") if was_on else _("%(login)s 没有开启两步验证。")
    cli.show({"id": found.id, "login": found.login, "was_on": was_on}, said % {"login": found.login})


@cli.group("token", help="接口令牌 · API tokens")
def token() -> None:
    """The group of commands about tokens."""


@token.command("create", help="创建令牌，只显示一次 · make a token, shown once")
@click.option("--user", "login", required=True, help="令牌代表的用户 · whom the token acts for")
@click.option("--name", required=True, help="令牌名称，例如使用它的系统 · e.g. the system that uses it")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("full",),
    show_default=True,
    help="权限范围，可多次 · full | read | write | definitions | form:KEY; may be given several times",
)
@click.option(
    "--expires", default="", help="到期：日期或天数；默认长期有效 · last day (2027-06-30) or 90d; default: never"
)
def create(login: str, name: str, scopes: tuple[str, ...], expires: str) -> None:
    from ...accounts import tokens, users
    from ...accounts.actor import SYSTEM
    from ...core import clock, settings

    scope = tokens.Scope.read(scopes)
    ends = tokens.end_of_text(expires)
    made = tokens.create(users.by_login(login).id, name, expires_at=ends, scope=scope, actor=SYSTEM)
    found: dict[str, object] = {"token": made, "user": login, "name": name}
    if scope:
        found["scope"] = scope.document()
    if ends:
        found["expires_at"] = clock.iso(ends, settings.tz())
    cli.show(found, made)


@cli.command("setup-link", help="第一位管理员的一次性链接 · the first administrator's one-time link")
@click.option("--url", default="", help="网址前缀 · prefix, e.g. http://192.168.1.5:8080")
def setup_link(url: str) -> None:
    from ...accounts import setup

    path = setup.make_link()
    link = f"{url.rstrip('/')}{path}" if path else None
    cli.show({"setup_link": link}, *([link] if link else []))
    if link is None:
        cli.note(_("已经有管理员，不需要设置链接。"))


@cli.group("audit", help="操作日志 · the audit log")
def audit() -> None:
    """The group of commands about the log."""


@audit.command("export", help="导出操作日志到 xlsx 或 csv · export the audit log")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export_log(file: Path) -> None:
    from ...accounts.audit import Filter
    from ...web import log_export

    if not file.absolute().parent.is_dir():
        raise UserError(_("目录 %(path)s 不存在。", path=str(file.absolute().parent)))
    count = log_export.write(Filter(), file)
    cli.show(
        {"lines": count, "file": str(file.absolute())},
        _("已导出 %(count)s 条日志到 %(file)s。", count=count, file=str(file)),
    )


@audit.command("reseal", help="按现状重新封存操作日志 · seal the log as it stands")
def reseal_log() -> None:
    from ...accounts import audit as log
    from ...accounts import chain
    from ...accounts.actor import SYSTEM
    from ...core.db import write
    from ...forms import sealing

    with write():
        count, changes = chain.reseal(), sealing.reseal()
        log.note("log.resealed", {"count": count, "changes": changes}, SYSTEM)
    cli.show(
        {"lines": count, "changes": changes},
        _("已按现状封存 %(count)s 条日志和 %(changes)s 条修改历史。", count=count, changes=changes),
    )
