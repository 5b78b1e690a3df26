"""``guke rotate-key``: another key, and everything in the database sealed with it, in one transaction.

Before it, the new key stands in the key file beside the old one; the transaction says in the database which of them
counts; after it, the old one goes. A power cut at any moment leaves all of the data sealed with one key that is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import peewee
from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import audit, chain
from ..accounts.actor import SYSTEM
from ..accounts.models import AuditEntry
from ..core import clock, folder, jobs, schema, secrets
from ..core.db import PARAM, Statement, db, read, write
from ..core.errors import UserError
from ..forms import sealing
from ..forms.fields import id_card
from ..forms.models import FormRow
from . import backup, server

CHUNK = 2_000
"""Rows that are held in memory at once."""


class Rotated(Struct):
    """``sealed``: connection secrets and the like; ``numbers``: texts with identity card numbers in them; ``left``:
    sealed values that the old key did not open either, and that stay shut; ``log_lines``: rows of the audit log."""

    backup: Path
    sealed: int = 0
    numbers: int = 0
    left: int = 0
    log_lines: int = 0


def rotate() -> Rotated:
    """Changes the key of the open database. Raises :class:`UserError` when somebody works on it or the log is damaged."""
    with contextlib.closing(server.hold(folder.path())):
        if jobs.others():
            raise UserError(_("另一个 guke 命令正在使用这个数据目录，请等它结束后再更换密钥。"))
        secrets.settle()
        # Sealing a damaged log anew would hide the damage.
        if next(chain.problems(), None) or next(sealing.problems(), None):
            raise UserError(_("操作日志或修改历史不完整，更换密钥会掩盖这一点。请先运行 guke check 查看，处理后再试。"))
        done = Rotated(_keep())
        fresh = secrets.new_key()
        secrets.stage(fresh)
        with write():
            _seal_anew(secrets.in_use(), fresh, done)
        secrets.settle()
    return done


def _keep() -> Path:
    """The data and the key as they were: older backups need that key too."""
    target = backup.home() / f"before-key-rotation-{clock.now()}.zip"
    return backup.make(target, with_key=True).path


def _seal_anew(old: bytes, fresh: bytes, done: Rotated) -> None:
    """Everything that depends on the key; inside ``write()``."""
    for model in schema.tables():
        meta = model._meta
        if model is AuditEntry or not db.table_exists(meta.table_name):
            continue
        keys = [f.column_name for f in meta.get_primary_keys()]
        for field in meta.sorted_fields:
            if isinstance(field, secrets.SealedField):
                done.sealed += _change(meta.table_name, keys, field.column_name, _opener(old, fresh, done))
            elif isinstance(field, peewee.TextField):
                done.numbers += _change(meta.table_name, keys, field.column_name, _numbers(old, fresh))
    with read():
        forms = [f"f_{key}" for (key,) in FormRow.select(FormRow.key).tuples()]
    for table in filter(db.table_exists, forms):
        for column in db.get_columns(table):
            if column.data_type.upper().startswith("TEXT"):
                done.numbers += _change(table, ["id"], column.name, _numbers(old, fresh))
    secrets.adopt(fresh)
    with secrets.using(fresh):
        done.log_lines = chain.reseal()
        sealing.reseal()
        audit.note("key.rotated", {"sealed": done.sealed, "numbers": done.numbers, "left": done.left}, SYSTEM)


def _opener(old: bytes, fresh: bytes, done: Rotated) -> Callable[[str], str]:
    def again(sealed: str) -> str:
        try:
            with secrets.using(old):
                text = secrets.unseal(sealed)
        except UserError:
            done.left += 1
            return sealed
        with secrets.using(fresh):
            return secrets.seal(text)

    return again


def _numbers(old: bytes, fresh: bytes) -> Callable[[str], str]:
    def opened(token: str) -> str | None:
        with secrets.using(old):
            return id_card.unseal(token)

    def again(text: str) -> str:
        numbers = {match[0]: opened(match[0]) for match in id_card.TOKEN.finditer(text)}
        with secrets.using(fresh):
            for token, number in numbers.items():
                text = text.replace(token, id_card.seal(number)) if number else text
        return text

    return again


def _change(name: str, keys: list[str], column: str, again: Callable[[str], str]) -> int:
    """Puts every text of a column through ``again``; how many are others now."""
    table = peewee.Table(name).bind(db)
    here, by = peewee.Column(table, column), [peewee.Column(table, key) for key in keys]
    update = Statement(table.update({here: PARAM}).where(*(key == PARAM for key in by)))
    count = 0
    for rows in _rows(table, by, here):
        changed = [(new, *key) for *key, text in rows if (new := again(text)) != text]
        update.executemany(changed)
        count += len(changed)
    return count


def _rows(table: Any, by: list[Any], column: Any) -> Iterator[list[Sequence[Any]]]:
    """The texts of a column that could hold something sealed, with their keys, in bounded pieces."""
    query = table.select(*by, column).where(column ** "%.%").order_by(*by).limit(CHUNK).tuples()
    last: Any = None
    while True:
        rows = list(query if last is None else query.where(peewee.Tuple(*by) > peewee.Tuple(*last)))
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        last = rows[-1][:-1]
