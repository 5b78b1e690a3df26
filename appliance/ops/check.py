"""``guke check``: is everything in the data folder whole, and does it fit together?"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from peewee import fn

from ..accounts import chain
from ..core import folder, schema, secrets, snapshot
from ..core.db import FILE_NAME, close_database, open_database, read
from ..core.errors import UserError

SHOWN = 5
"""Details of one kind that are listed; the rest is counted."""


class Findings(Struct):
    """``problems``: sentences, empty when all is well. ``counts``: rows by table."""

    schema: int = 0
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems


def check(data: Path) -> Findings:
    """Looks at the database file, references, schema and key; changes nothing."""
    found = Findings()
    if not _file_is_whole(data / FILE_NAME, found):
        return found
    already = folder_open(data)
    if not already:
        open_database(data)
    try:
        with read():
            _look(found)
    finally:
        if not already:
            close_database()
    return found


def folder_open(data: Path) -> bool:
    """Whether this process works on ``data`` already."""
    try:
        return folder.path() == data
    except RuntimeError:
        return False


def _file_is_whole(file: Path, found: Findings) -> bool:
    broken = snapshot.damage(file)
    if broken:
        found.problems.append(
            _(
                "数据库文件已损坏（%(why)s）。请停止服务，用 guke restore 恢复最近的备份。",
                why="; ".join(broken[:SHOWN]),
            )
        )
        return False
    astray = snapshot.astray(file)
    for table, row, parent in astray[:SHOWN]:
        found.problems.append(
            _("表 %(table)s 的第 %(row)s 行指向 %(parent)s 中不存在的行。", table=table, row=row, parent=parent)
        )
    if len(astray) > SHOWN:
        found.problems.append(_("另有 %(count)s 处引用不存在。", count=len(astray) - SHOWN))
    return True


def _look(found: Findings) -> None:
    found.schema = schema.found()
    if found.schema != schema.current():
        found.problems.append(
            _(
                "数据库结构是 %(found)s，本程序需要 %(needed)s。请运行 guke upgrade，或安装更新的固客。",
                found=found.schema,
                needed=schema.current(),
            )
        )
        return
    _look_at_key(found)
    _look_at_logs(found)
    for model in schema.tables():
        name = model._meta.table_name
        if model._meta.database.table_exists(name):
            found.counts[name] = int(model.select(fn.COUNT(1)).scalar() or 0)
        else:
            found.problems.append(_("缺少表 %(table)s。请从备份恢复。", table=name))
    _count_records(found)


def _count_records(found: Findings) -> None:
    from ..forms import catalog

    schema.load()
    for form in catalog.all():
        found.counts[form.table.__name__] = int(form.table.select(fn.COUNT(1)).scalar() or 0)


def _look_at_key(found: Findings) -> None:
    try:
        secrets.derive("check")
        key_file = folder.path() / folder.KEY_NAME
        if key_file.stat().st_mode & 0o077:
            found.problems.append(_("密钥文件 %(path)s 可被其他人读取，请运行 chmod 600。", path=str(key_file)))
        sealed = _sealed_that_stay_shut()
    except UserError as e:
        found.problems.append(e.message)
        return
    if sealed:
        found.problems.append(
            _("密钥文件解不开 %(count)s 处已保存的密码或令牌。请恢复原来的密钥文件，或重新填写它们。", count=sealed)
        )


def _look_at_logs(found: Findings) -> None:
    from ..forms import sealing

    for problems, more in (
        (chain.problems, _l("操作日志还有 %(count)s 处不对。")),
        (sealing.problems, _l("修改历史还有 %(count)s 处不对。")),
    ):
        try:
            broken = list(islice(problems(), 100))
        except UserError:
            # Without the key the log cannot be read; that sentence stands above.
            return
        found.problems += broken[:SHOWN]
        if len(broken) > SHOWN:
            found.problems.append(str(more) % {"count": len(broken) - SHOWN})


def _sealed_that_stay_shut() -> int:
    shut = 0
    for model in schema.tables():
        columns = [f for f in model._meta.sorted_fields if isinstance(f, secrets.SealedField)]
        for column in columns:
            query = model.select(column.cast("TEXT")).where(column.is_null(False))
            for (text,) in query.tuples().iterator():
                try:
                    secrets.unseal(text)
                except UserError:
                    shut += 1
    return shut
