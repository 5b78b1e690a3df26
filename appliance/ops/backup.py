"""Backups: one file each, verified before they count, made nightly and kept for a set time.

Plain (``.db``): the database, without the key that opens platform tokens. With the key (``.zip``): both; keep it as
safe as a password.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock, folder, jobs, schema, settings, snapshot
from ..core.db import FILE_NAME
from ..core.errors import NotFound, UserError

log = logging.getLogger(__name__)

settings.declare("backup.nightly", True, _l("每晚自动备份"), "boolean")
settings.declare("backup.time", "03:30", _l("备份时间"), "time")
settings.declare(
    "backup.folder", "", _l("备份目录"), help=_l("留空则放在数据目录的 backups 中；建议另设到其他磁盘或网络存储。")
)
settings.declare("backup.keep_days", 14, _l("备份保留天数"), "integer", least=1, most=3650)

TIMER = "backup"
_OURS = re.compile(r"(guke-\d{8}-\d{6}(-\d+)?|before-[\w.-]+)\.(db|zip)")


class Backup(Struct, frozen=True):
    """``size`` in bytes, ``at`` in UTC seconds."""

    name: str
    path: Path
    size: int
    at: int

    @property
    def with_key(self) -> bool:
        return self.path.suffix == ".zip"


def home() -> Path:
    """The folder backups go to."""
    chosen = settings.get("backup.folder")
    return Path(chosen) if chosen else folder.path() / "backups"


def make(target: Path | None = None, *, with_key: bool = False) -> Backup:
    """Takes a verified backup while work goes on. Raises :class:`UserError` when it could not be completed."""
    target = target or _fresh(".zip" if with_key else ".db")
    if target.is_dir():
        raise UserError(_("%(path)s 是目录，请写明备份文件的名称。", path=str(target)))
    try:
        if with_key:
            _take_with_key(target)
        else:
            snapshot.take(target)
    except OSError as e:
        raise UserError(
            _("备份无法写到 %(path)s（%(why)s），请检查空间和权限。", path=str(target), why=e.strerror or str(e))
        ) from e
    made = _describe(target)
    log.info("backup %s, %s bytes", made.path, made.size)
    return made


def _take_with_key(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    key = (folder.path() / folder.KEY_NAME).read_bytes()
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".guke-") as room:
            copy = Path(room) / FILE_NAME
            snapshot.take(copy)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
                pack.write(copy, FILE_NAME)
                pack.writestr(folder.KEY_NAME, key)
        with zipfile.ZipFile(part) as pack:
            damaged = pack.testzip()
        if damaged:
            raise UserError(_("备份未通过校验，请检查目标磁盘后重试。"))
        if key != (folder.path() / folder.KEY_NAME).read_bytes():
            raise UserError(_("备份期间密钥正在更换，请再备份一次。"))
        folder.fsync(part)
        os.replace(part, target)
        folder.fsync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _fresh(suffix: str) -> Path:
    stamp = clock.local(clock.now(), settings.tz()).strftime("guke-%Y%m%d-%H%M%S")
    target = home() / f"{stamp}{suffix}"
    number = 1
    while target.exists():
        number += 1
        target = home() / f"{stamp}-{number}{suffix}"
    return target


def _describe(file: Path) -> Backup:
    known = file.stat()
    return Backup(file.name, file, known.st_size, int(known.st_mtime))


def existing() -> list[Backup]:
    """The backups in the folder, newest first. The files are the truth: what was copied in by hand counts too."""
    if not home().is_dir():
        return []
    found = [_describe(file) for file in home().iterdir() if _OURS.fullmatch(file.name) and file.is_file()]
    return sorted(found, key=lambda b: (b.at, b.name), reverse=True)


def last() -> Backup | None:
    """The newest backup."""
    return next(iter(existing()), None)


def find(name: str) -> Backup:
    """A backup by its file name. Raises :class:`NotFound`; never leaves the folder."""
    for known in existing():
        if known.name == name:
            return known
    raise NotFound(_("没有名为 %(name)s 的备份，可能已过保留期。", name=name))


def prune() -> int:
    """Removes backups past their time; the newest always stays. Returns how many."""
    before = clock.now() - settings.get("backup.keep_days") * clock.DAY
    old = [known for known in existing()[1:] if known.at < before]
    for known in old:
        known.path.unlink(missing_ok=True)
    return len(old)


@jobs.handler("backup", label=_l("备份"))
def run(job: jobs.Job) -> dict[str, Any]:
    """Payload: ``{"with_key": bool}``."""
    job.progress(0, 2, _("正在复制数据库"))
    made = make(with_key=job.payload.get("with_key", False))
    job.progress(1, 2, _("正在清理过期备份"))
    pruned = prune()
    job.progress(2, 2)
    return {"file": made.name, "size": made.size, "pruned": pruned}


def ask(actor_id: int | None, *, with_key: bool = False) -> int:
    """Asks for a backup now; returns the job's id."""
    unique = "backup:key" if with_key else f"timer:{TIMER}"
    return jobs.enqueue("backup", {"with_key": with_key}, actor_id=actor_id, unique=unique)


@schema.seed
def timer() -> None:
    """As the settings say."""
    if settings.get("backup.nightly"):
        hour, minute = settings.get("backup.time").split(":")
        jobs.schedule(TIMER, f"{int(minute)} {int(hour)} * * *", "backup")
    else:
        jobs.unschedule(TIMER)


settings.on_change("backup.time", lambda _time: timer())
settings.on_change("backup.nightly", lambda _on: timer())


def check_folder(path: str) -> None:
    """Raises :class:`UserError` when backups could not be written to ``path`` (empty: the default)."""
    if not path:
        return
    try:
        if not Path(path).is_absolute():
            raise OSError(0, _("请填写绝对路径"))
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as e:
        raise UserError(
            _("备份目录 %(path)s 无法写入（%(why)s），请换一个或调整权限。", path=path, why=e.strerror or str(e)),
            "backup.folder",
        ) from e


settings.on_change("backup.folder", check_folder)


def unpack(file: Path, room: Path) -> tuple[Path, bytes | None]:
    """Copies what a backup holds into ``room``: the database and, if it is inside, the key file's content.

    Raises :class:`UserError` for a file that is no intact backup.
    """
    if not file.is_file():
        raise UserError(_("没有找到备份文件 %(path)s。", path=str(file)))
    staged = room / FILE_NAME
    key = None
    if zipfile.is_zipfile(file):
        try:
            with zipfile.ZipFile(file) as pack:
                key = pack.read(folder.KEY_NAME)
                with pack.open(FILE_NAME) as inside, staged.open("wb") as out:
                    shutil.copyfileobj(inside, out, 1 << 20)
        except (KeyError, zipfile.BadZipFile, OSError, EOFError):
            raise UserError(_("文件 %(name)s 不是固客的备份，请选择由固客生成的备份文件。", name=file.name)) from None
    else:
        shutil.copyfile(file, staged)
    os.chmod(staged, 0o600)
    version = snapshot.version(staged, file.name)
    if version > schema.current():
        raise UserError(_("这个备份来自更新的固客，请先升级本程序再恢复。"))
    return staged, key
