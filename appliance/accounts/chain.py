"""The audit log as a chain: whoever edits the file can neither change, insert nor take out a line unnoticed.

Each row carries the seal of the row before it (``prev``) and its own (``mac``): an HMAC over ``prev`` and everything the
row says, under a key that is not in the database. One more row, the anchor, says sealed in the same way where the chain
begins and ends, so that a log whose tail was cut off is found as well. ``guke check`` asks :func:`problems`.

What this cannot see: somebody who puts back the whole database of an earlier day (its log is whole), and somebody who
has the key file too. Backups and exported logs kept elsewhere show both.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from ..core import dialect, schema, secrets
from ..core.db import PARAM, Statement, db, read, write
from .models import AuditAnchor, AuditEntry, User

CHUNK = 1000
"""Rows a transaction or a read."""

SAID = ("at", "actor_id", "action", "detail", "ip", "agent", "about")
"""What a row says; its number and ``prev`` are sealed with it."""

_anchored = Statement(AuditAnchor.select().limit(1))
_highest = Statement(AuditEntry.select(fn.MAX(AuditEntry.id)))
_last_mac = Statement(AuditEntry.select(AuditEntry.mac).order_by(AuditEntry.id.desc()).limit(1))


@schema.seed
def guard() -> None:
    """A new database gets its anchor; in every one the log refuses changes."""
    if not (AuditAnchor.select().exists() or AuditEntry.select().exists() or User.select().exists()):
        _put_anchor(AuditAnchor(first_id=1, first_prev="", removed=0, last_id=0, last_mac=""))
    _lock_rows()


def append(said: dict[str, Any]) -> None:
    """Adds one row; inside ``write()``. A log that is not whole goes on, and stays as damaged as it was."""
    anchor = _anchor()
    sound = anchor is not None and _is_sound(anchor)
    highest = int(_highest.execute().fetchone()[0] or 0)
    if anchor is not None and sound:
        prev, row_id = anchor.last_mac, max(anchor.last_id, highest) + 1
    else:
        last = _last_mac.execute().fetchone()
        prev, row_id = (last[0] if last else "") or "", highest + 1
    row = {"id": row_id, **{key: said.get(key) for key in SAID}, "prev": prev}
    row["mac"] = _mac(row)
    AuditEntry.insert(row).execute()
    if anchor is not None and sound:
        anchor.last_id, anchor.last_mac = row_id, row["mac"]
        _put_anchor(anchor)


def begin() -> None:
    """Seals the rows of a database whose log was no chain yet; inside ``write()``."""
    if not AuditAnchor.select().exists():
        _reseal(AuditAnchor(first_id=1, first_prev="", removed=0, last_id=0, last_mac=""))


def foreign() -> bool:
    """Whether the log was sealed under another key file: a backup without its key, restored somewhere else."""
    anchor = _anchor()
    return anchor is not None and anchor.key_mark != _key_mark()


def reseal() -> int:
    """Seals the log as it stands, after the key file was lost or the damage was looked into. Returns how many rows."""
    with write():
        old = _anchor()
        first = int(AuditEntry.select(fn.MIN(AuditEntry.id)).scalar() or 1)
        removed = old.removed if old else 0
        AuditAnchor.delete().execute()
        return _reseal(AuditAnchor(first_id=first, first_prev="", removed=removed, last_id=first - 1, last_mac=""))


def _reseal(anchor: AuditAnchor) -> int:
    dialect.free_rows(db, AuditEntry._meta.table_name)
    count = 0
    sealing = Statement(AuditEntry.update(prev=PARAM, mac=PARAM).where(AuditEntry.id == PARAM))
    for rows in _chunks(anchor.first_id):
        sealed = []
        for row in rows:
            row["prev"] = anchor.last_mac
            anchor.last_mac = _mac(row)
            anchor.last_id = row["id"]
            sealed.append((row["prev"], anchor.last_mac, row["id"]))
        sealing.executemany(sealed)
        count += len(sealed)
    _put_anchor(anchor)
    _lock_rows()
    return count


def prune(before: int) -> int:
    """Removes rows from before this moment (UTC seconds) and moves the chain's beginning; returns how many.

    The latest row always stays. A log that is not whole keeps everything: what happened to it is to be looked into.
    """
    with write():
        anchor = _anchor()
        if anchor is None or not _is_sound(anchor):
            return 0
        kept = AuditEntry.select(fn.MIN(AuditEntry.id)).where(AuditEntry.at >= before).scalar() or anchor.last_id
        first = AuditEntry.get_or_none(AuditEntry.id == kept)
        if first is None or kept <= anchor.first_id:
            return 0
        count = AuditEntry.select().where(AuditEntry.id < kept).count()
        anchor.removed, anchor.first_id, anchor.first_prev = anchor.removed + count, kept, first.prev
        _put_anchor(anchor)
    # The anchor lets them go first: what is left over after a crash goes the next night.
    while True:
        with write():
            oldest = AuditEntry.select(AuditEntry.id).where(AuditEntry.id < kept).order_by(AuditEntry.id).limit(CHUNK)
            if not AuditEntry.delete().where(AuditEntry.id.in_(oldest)).execute():
                return count


def removed() -> int:
    """How many rows have gone because their time was over."""
    with read():
        return int(AuditAnchor.select(AuditAnchor.removed).scalar() or 0)


def problems() -> Iterator[str]:
    """Sentences that name every row that was changed, put in or taken out."""
    with read():
        anchor = _anchor()
        if anchor is None:
            # Where somebody can sign in something was logged: a log that is wholly gone was taken away.
            if AuditEntry.select().exists() or User.select().exists():
                yield _("操作日志的封条不见了，无法确认日志是否完整。请与备份核对，然后运行 guke audit reseal。")
            return
        if anchor.key_mark != _key_mark():
            yield _(
                "操作日志是用另一个密钥文件封存的，无法核对。请恢复原来的密钥文件；找不回来时，运行 guke audit reseal。"
            )
            return
        if not _is_sound(anchor):
            yield _("操作日志的封条被改过，无法确认日志的开头和结尾。请与备份核对，然后运行 guke audit reseal。")
            anchor = None
        yield from _Walk(anchor).problems()


class _Walk:
    """Follows the chain from its beginning and says where it is broken."""

    def __init__(self, anchor: AuditAnchor | None) -> None:
        self.anchor = anchor
        self.id = anchor.first_id - 1 if anchor else None
        self.mac = anchor.first_prev if anchor else None
        self.wrong: list[int] = []
        """Rows since the last good one whose own seal does not fit."""

    def problems(self) -> Iterator[str]:
        for rows in _chunks(self.anchor.first_id if self.anchor else 0):
            for row in rows:
                if hmac.compare_digest(str(row["mac"]), _mac(row)):
                    yield from self._reach(row["id"], row["prev"])
                    self.id, self.mac, self.wrong = row["id"], row["mac"], []
                else:
                    self.wrong.append(row["id"])
        if self.anchor:
            yield from self._reach(self.anchor.last_id + 1, self.anchor.last_mac)
        else:
            yield from map(_changed, self.wrong)

    def _reach(self, row_id: int, prev: str) -> Iterator[str]:
        """What is wrong between the last good row and this one, which follows a row sealed ``prev``."""
        if self.mac is None or prev == self.mac:
            # Nothing is missing: what lies between never belonged here.
            yield from map(_inserted, self.wrong)
            return
        yield from map(_changed, self.wrong)
        gone = sorted(set(range(max((self.id or 0) + 1, row_id - 100_000), row_id)) - set(self.wrong))
        if gone:
            yield _missing(gone[0], gone[-1])
        elif not self.wrong:
            yield _("操作日志第 %(id)s 行接不上它的前一行。", id=row_id)


def _changed(row_id: int) -> str:
    return _("操作日志第 %(id)s 行被改过。", id=row_id)


def _inserted(row_id: int) -> str:
    return _("操作日志第 %(id)s 行不是固客写入的。", id=row_id)


def _missing(first: int, last: int) -> str:
    if first == last:
        return _("操作日志缺少第 %(id)s 行。", id=first)
    return _("操作日志缺少第 %(first)s 到 %(last)s 行。", first=first, last=last)


def _chunks(first_id: int) -> Iterator[list[dict[str, Any]]]:
    after = first_id - 1
    while True:
        rows = list(AuditEntry.select().where(AuditEntry.id > after).order_by(AuditEntry.id).limit(CHUNK).dicts())
        if not rows:
            return
        after = rows[-1]["id"]
        yield rows


def _mac(row: dict[str, Any]) -> str:
    """The row's seal."""
    said = json.dumps([row["id"], row["prev"], *(row[key] for key in SAID)], ensure_ascii=False, sort_keys=True)
    return hmac.new(secrets.derive("audit"), said.encode(), hashlib.sha256).hexdigest()


def _key_mark() -> str:
    return hmac.new(secrets.derive("audit mark"), b"", hashlib.sha256).hexdigest()[:16]


def _anchor_seal(a: AuditAnchor) -> str:
    said = json.dumps([a.first_id, a.first_prev, a.removed, a.last_id, a.last_mac])
    return hmac.new(secrets.derive("audit anchor"), said.encode(), hashlib.sha256).hexdigest()


def _is_sound(anchor: AuditAnchor) -> bool:
    return hmac.compare_digest(str(anchor.seal), _anchor_seal(anchor))


def _anchor() -> AuditAnchor | None:
    row = _anchored.execute().fetchone()
    return AuditAnchor(**dict(zip(AuditAnchor._meta.sorted_field_names, row, strict=True))) if row else None


def _put_anchor(anchor: AuditAnchor) -> None:
    anchor.id, anchor.key_mark, anchor.seal = 1, _key_mark(), _anchor_seal(anchor)
    AuditAnchor.replace(anchor.__data__).execute()


def _lock_rows() -> None:
    dialect.append_only(
        db, AuditEntry._meta.table_name, "id", (AuditAnchor._meta.table_name, AuditAnchor.first_id.column_name)
    )
