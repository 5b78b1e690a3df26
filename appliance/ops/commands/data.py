"""Commands about the data as a whole: init, backup, restore, check, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from flask_babel import gettext as _

from ... import __version__
from ...core import cli, folder, jobs, schema
from ...core.db import FILE_NAME, close_database, open_database
from ...core.errors import UserError
from . import needs_database

FILE = click.Path(path_type=Path, dir_okay=False)


@cli.command("init", database=False, help="建立数据目录、数据库和第一位管理员 · make folder, database, administrator")
@click.option("--admin", help="管理员的登录名 · login name of the administrator")
@click.option("--name", help="管理员的姓名 · the administrator's name")
@click.option("--password-file", type=click.File("r", encoding="utf-8"), help="存放密码的文件 · - : standard input")
@click.option("--setup-link", is_flag=True, help="不设管理员，打印一次性设置链接 · print a one-time link instead")
def init(admin: str | None, name: str | None, password_file: IO[str] | None, setup_link: bool) -> None:
    if not setup_link and not (admin and password_file):
        raise click.UsageError(_("请给出 --admin 和 --password-file，或者 --setup-link。"))
    data = cli.data_folder()
    if folder.holds_database(data):
        raise UserError(_("目录 %(data)s 中已有数据库，没有改动。", data=str(data)))
    password = password_file.read().strip("\r\n") if password_file else None
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise UserError(
            _("无法建立目录 %(data)s（%(why)s），请换一个位置。", data=str(data), why=e.strerror or str(e))
        ) from e
    had_key = (data / folder.KEY_NAME).exists()
    open_database(data)
    try:
        schema.prepare()
        link = _first_person(admin, name, password)
    except BaseException:
        close_database()
        _take_away(data, had_key)
        raise
    finally:
        jobs.resign()
        close_database()
    lines = [_("数据目录 %(data)s 已建立。", data=str(data))]
    if link:
        lines.append(_("一次性设置链接：%(link)s", link=link))
    cli.show({"data": str(data), "version": __version__, "setup_link": link}, *lines)


def _first_person(admin: str | None, name: str | None, password: str | None) -> str | None:
    """The administrator, or the path of the link that makes one."""
    from ...accounts import setup, users
    from ...accounts.actor import SYSTEM

    if not admin:
        return setup.make_link()
    users.create(admin, name or admin, password, "admin", SYSTEM)
    return None


def _take_away(data: Path, had_key: bool) -> None:
    """Undoes an unfinished start, so that the next try finds the folder as it was."""
    for part in data.glob(FILE_NAME + "*"):
        part.unlink()
    if not had_key:
        (data / folder.KEY_NAME).unlink(missing_ok=True)


@cli.command("backup", help="在线备份到一个文件 · online backup into one file")
@click.option("--to", "target", type=FILE, help="备份文件；默认放在备份目录 · default: in the backup folder")
@click.option("--with-key", is_flag=True, help="连同密钥文件，存为 zip · with the key file, as a zip")
def backup(target: Path | None, with_key: bool) -> None:
    from .. import backup as backups

    made = backups.make(target.absolute() if target else None, with_key=with_key)
    cli.show(
        {"file": str(made.path), "size": made.size, "with_key": with_key},
        _("已备份并校验：%(file)s（%(size)s 字节）", file=str(made.path), size=made.size),
    )


@cli.command("restore", database=False, help="从备份恢复 · put a backup in the place of the database")
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="替换已有的数据库（原库另存） · replace the database (it is kept aside)")
def restore(file: Path, force: bool) -> None:
    from ...accounts import audit, chain
    from ...accounts.actor import SYSTEM
    from ...core.db import write
    from ...customers import erasing
    from ...forms import sealing
    from .. import restore as restoring
    from ..check import check as look

    data = cli.data_folder()
    aside = restoring.restore(file, data, force=force)
    with cli.opened(data):
        erased = erasing.reapply()
        if chain.foreign():
            # The key that could verify it is not here: the log goes on under this one, and says so itself.
            with write():
                audit.note("log.resealed", {"count": chain.reseal(), "changes": sealing.reseal()}, SYSTEM)
        found = look(data)
    lines = [_("已恢复到 %(data)s。", data=str(data))]
    if erased:
        lines.append(_("备份里有 %(count)d 位已删除个人信息的客户，已重新删除。", count=erased))
    if aside:
        lines.append(_("原来的数据库另存在 %(aside)s。", aside=str(aside)))
    for sentence in found.problems:
        cli.note(sentence)
    cli.show(
        {
            "data": str(data),
            "replaced": str(aside) if aside else None,
            "erased_again": erased,
            "counts": found.counts,
            "problems": found.problems,
        },
        *lines,
    )


@cli.command("check", database=False, help="检查数据是否完好 · verify that the data is whole")
@click.pass_context
def check(ctx: click.Context) -> None:
    from ..check import check as look

    found = look(needs_database(cli.data_folder()))
    lines = [_("数据完好：%(tables)s 张表，%(rows)s 行。", tables=len(found.counts), rows=sum(found.counts.values()))]
    cli.show(
        {"ok": found.ok, "schema": found.schema, "problems": found.problems, "counts": found.counts},
        *(found.problems or lines),
    )
    if not found.ok:
        ctx.exit(1)


@cli.command("upgrade", database=False, help="把数据库升级到本版本 · bring the database to this release")
def upgrade() -> None:
    data = needs_database(cli.data_folder())
    with cli.opened(data, prepare=False):
        before = schema.found()
        schema.prepare(reseed=True)
        after = schema.found()
    cli.show(
        {"from": before, "to": after, "version": __version__},
        _("数据库结构 %(before)s → %(after)s，程序 %(version)s。", before=before, after=after, version=__version__),
    )


@cli.command("rotate-key", help="更换密钥文件，重新加密全部密文 · a new key; everything sealed is sealed with it")
def rotate_key() -> None:
    from .. import rotation

    done = rotation.rotate()
    lines = [
        _(
            "密钥已更换：重新加密 %(count)s 处密文，重新封存 %(log)s 条日志。",
            count=done.sealed + done.numbers,
            log=done.log_lines,
        ),
        _("原来的数据和密钥在 %(file)s。更早的备份也要用它里面的密钥；不再需要时请删除。", file=str(done.backup)),
    ]
    if done.left:
        lines.append(_("有 %(count)s 处密文用原来的密钥也打不开，请重新填写。", count=done.left))
    cli.show(
        {
            "sealed": done.sealed,
            "numbers": done.numbers,
            "left": done.left,
            "log_lines": done.log_lines,
            "backup": str(done.backup),
        },
        *lines,
    )
