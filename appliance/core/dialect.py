"""All that differs between SQLite and PostgreSQL: pragmas, DDL, date buckets, JSON, full text. Nowhere else."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import peewee
from peewee import SQL, Case, Expression, Node, NodeList, fn

PRAGMAS = {
    "journal_mode": "wal",
    # The log is not flushed inside the transaction: ``core.db`` does it after the write lock is free, for all who wait.
    "synchronous": "normal",
    "foreign_keys": 1,
    "busy_timeout": 30_000,
    "cache_size": -8_000,
    # Sorts of millions of rows (a report's groups) take a third of the time in pieces on disk, and no memory.
    "temp_store": "file",
    "wal_autocheckpoint": 2_000,
    "journal_size_limit": 64 * 1024 * 1024,
}

INTEGER, TEXT, REAL = "INTEGER", "TEXT", "REAL"
ANY = "BLOB"
"""A column that keeps values as they are given: what a computed field results in may change with its definition."""


def quote(name: str) -> str:
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise ValueError(f"not a column or table name: {name!r}")
    return f'"{name}"'


def create_table(db: peewee.Database, table: str, columns: dict[str, str]) -> None:
    """``columns``: name → column definition, e.g. ``{"id": "INTEGER PRIMARY KEY", "name": "TEXT"}``."""
    body = ", ".join(f"{quote(name)} {definition}" for name, definition in columns.items())
    db.execute_sql(f"CREATE TABLE IF NOT EXISTS {quote(table)} ({body})")


def drop_table(db: peewee.Database, table: str) -> None:
    db.execute_sql(f"DROP TABLE IF EXISTS {quote(table)}")


def add_column(db: peewee.Database, table: str, name: str, kind: str) -> None:
    """Takes under a millisecond on any size: the column is nullable and has no default."""
    db.execute_sql(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(name)} {kind}")


def rename_column(db: peewee.Database, table: str, old: str, new: str) -> None:
    """Takes a millisecond on any size. Indexes on the column follow."""
    db.execute_sql(f"ALTER TABLE {quote(table)} RENAME COLUMN {quote(old)} TO {quote(new)}")


def drop_column(db: peewee.Database, table: str, name: str) -> None:
    """Writes every row anew: a second for a million. No index may be on the column."""
    db.execute_sql(f"ALTER TABLE {quote(table)} DROP COLUMN {quote(name)}")


def columns(db: peewee.Database, table: str) -> list[str]:
    return [c.name for c in db.get_columns(table)]


def create_index(
    db: peewee.Database,
    name: str,
    table: str,
    on: list[str],
    unique: bool = False,
    absent: str | None = None,
    filled: str | None = None,
) -> None:
    """A partial index holds only rows whose column ``absent`` is NULL (not deleted), or whose ``filled`` is not: a field
    that most records leave empty then costs them nothing."""
    cols = ", ".join(quote(c) for c in on)
    partial = f" WHERE {quote(absent)} IS NULL" if absent else f" WHERE {quote(filled)} IS NOT NULL" if filled else ""
    db.execute_sql(
        f"CREATE {'UNIQUE ' if unique else ''}INDEX IF NOT EXISTS {quote(name)} ON {quote(table)} ({cols}){partial}"
    )


def drop_index(db: peewee.Database, name: str) -> None:
    db.execute_sql(f"DROP INDEX IF EXISTS {quote(name)}")


def append_only(db: peewee.Database, table: str, key: str, below: tuple[str, str]) -> None:
    """The table refuses to change a row, and to delete one whose ``key`` has not passed the column ``below`` of the one
    row of another table: ``("anchor", "first_id")``."""
    over, column = map(quote, below)
    body = "BEGIN SELECT RAISE(ABORT, 'rows of this table are only ever added'); END"
    db.execute_sql(f"CREATE TRIGGER IF NOT EXISTS {quote(table + '_keeps')} BEFORE UPDATE ON {quote(table)} {body}")
    db.execute_sql(
        f"CREATE TRIGGER IF NOT EXISTS {quote(table + '_stays')} BEFORE DELETE ON {quote(table)} "  # nosec B608: quoted
        f"WHEN OLD.{quote(key)} >= COALESCE((SELECT MAX({column}) FROM {over}), 0) {body}"
    )


def free_rows(db: peewee.Database, table: str) -> None:
    """Takes :func:`append_only` off again."""
    for name in ("_keeps", "_stays"):
        db.execute_sql(f"DROP TRIGGER IF EXISTS {quote(table + name)}")


def flush(db: peewee.Database) -> None:
    """Puts what was committed on the disk. SQLite takes no locks on its log, so opening it here disturbs none."""
    try:
        log = os.open(f"{db.database}-wal", os.O_RDONLY)
    except FileNotFoundError:
        # The last connection folded the log into the file, which is flushed by that.
        return
    try:
        os.fdatasync(log)
    finally:
        os.close(log)


def optimize(db: peewee.Database) -> None:
    """Refreshes the planner's statistics where they are stale; bounded work."""
    db.execute_sql("PRAGMA analysis_limit=1000")
    db.execute_sql("PRAGMA optimize(0x10002)")


def compact(db: peewee.Database) -> None:
    """Writes the whole file anew, without the free space in which deleted values still stand. Outside a transaction."""
    db.execute_sql("VACUUM")


def checkpoint(db: peewee.Database) -> None:
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def json_object(pairs: list[tuple[str, Any]]) -> Node:
    """A JSON object built by the database: ``[(key, expression), …]``."""
    parts: list[Any] = []
    for key, value in pairs:
        parts += [key, value]
    return fn.json_object(*parts)


def json_pair(old: Any, new: Any) -> Node:
    return fn.json_array(old, new)


def dumps(value: Any) -> str:
    """JSON as it is stored: Chinese unescaped (SQLite's JSON functions do not match escapes)."""
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class JSONField(peewee.TextField):
    """A JSON document. It is opened by one typed struct, never searched inside."""

    def db_value(self, value: Any) -> Any:
        return None if value is None else dumps(value)

    def python_value(self, value: Any) -> Any:
        return None if value is None else json.loads(value)


class RisingKey(peewee.AutoField):
    """A primary key that is never given out twice, even when the newest rows were deleted: readers with a cursor miss none."""

    def ddl(self, ctx: Any) -> Any:
        return NodeList((super().ddl(ctx), SQL("AUTOINCREMENT")))


def json_at(column: Any, path: Sequence[str]) -> Any:
    """What a JSON object in a column holds under a key, or under a key of an object in it; absent: NULL."""
    return fn.json_extract(column, _place(path))


def _place(path: Sequence[str]) -> str:
    return "$" + "".join('."' + key.replace('"', "") + '"' for key in path)


def json_type_at(column: Any, path: Sequence[str]) -> Any:
    """``text``, ``integer``, ``real``, ``true``, ``false``, ``array``, ``object`` or ``null`` of what :func:`json_at` finds."""
    return fn.json_type(column, _place(path))


def json_each_at(column: Any, path: Sequence[str]) -> Any:
    """The values of the list under a key (of one value: that) as a sub-select."""
    return peewee.Select([fn.json_each(column, _place(path))], [SQL("value")])


BUCKETS = ("day", "week", "month", "quarter", "year", "weekday", "hour")


@lru_cache(maxsize=16)
def _offsets(tz: ZoneInfo) -> tuple[tuple[int, int], ...]:
    """``((from UTC seconds, offset seconds), …)`` from 1995 to 2045: a zone without daylight saving has one entry."""
    start = int(dt.datetime(1995, 1, 1, tzinfo=dt.UTC).timestamp())
    end = int(dt.datetime(2045, 1, 1, tzinfo=dt.UTC).timestamp())

    def offset(at: int) -> int:
        delta = dt.datetime.fromtimestamp(at, tz).utcoffset()
        return int(delta.total_seconds()) if delta else 0

    found = [(start, offset(start))]
    step = 7 * 86_400
    for at in range(start, end, step):
        if offset(at + step) != offset(at):
            low, high = at, at + step
            while high - low > 1:
                mid = (low + high) // 2
                low, high = (mid, high) if offset(mid) == offset(at) else (low, mid)
            found.append((high, offset(high)))
    return tuple(found)


def local_seconds(column: Any, tz: ZoneInfo) -> Expression:
    """A moment shifted so that reading it as UTC gives the wall clock in ``tz``."""
    spans = _offsets(tz)
    if len(spans) == 1:
        return column + spans[0][1]
    cases = [(column < spans[i + 1][0], spans[i][1]) for i in range(len(spans) - 1)]
    return column + Case(None, cases, spans[-1][1])


def bucket(column: Any, size: str, tz: ZoneInfo, *, is_date: bool = False) -> Node:
    """The label of the period a value falls in: ``2026-11``, ``2026-Q4``, ``2026-11-16`` (a week's Monday), …

    ``column`` holds UTC seconds, or ISO dates when ``is_date``.
    """
    if is_date:
        args: tuple[Any, ...] = (column,)
    else:
        args = (local_seconds(column, tz), "unixepoch")
    if size == "day":
        return fn.strftime("%Y-%m-%d", *args)
    if size == "week":
        return fn.date(*args, "-6 days", "weekday 1")
    if size == "month":
        return fn.strftime("%Y-%m", *args)
    if size == "quarter":
        month = fn.strftime("%m", *args).cast("INTEGER")
        return fn.strftime("%Y-Q", *args).concat(((month + 2) / 3).cast("TEXT"))
    if size == "year":
        return fn.strftime("%Y", *args)
    if size == "weekday":
        return fn.strftime("%w", *args)
    if size == "hour":
        return fn.strftime("%H", *args)
    raise ValueError(f"no such period: {size}")


def local_day(column: Any, tz: ZoneInfo) -> Node:
    """Days since 1970-01-01 of a moment's calendar day in ``tz``: an integer that can be subtracted."""
    return NodeList((SQL("("), local_seconds(column, tz), SQL(") / 86400")), glue="")


def day_start(column: Any, tz: ZoneInfo, days: int = 0) -> Any:
    """UTC seconds at which the day of an ISO date column begins in ``tz``, or one ``days`` later."""
    wall = fn.strftime("%s", column, *([f"{days:+d} days"] if days else [])).cast("INTEGER")
    spans = _offsets(tz)
    if len(spans) == 1:
        return wall - spans[0][1]
    # A wall clock that is there twice, or never, is read with the offset from before the change, as Python does.
    edges = [(spans[i + 1][0] + max(spans[i][1], spans[i + 1][1]), spans[i][1]) for i in range(len(spans) - 1)]
    return wall - Case(None, [(wall < edge, offset) for edge, offset in edges], spans[-1][1])


_NEVER = 1 << 60


def earliest(moments: list[Any]) -> Any:
    """The smallest of several expressions, passing over those that are NULL; ``None`` for no expressions."""
    found = [m for m in moments if m is not None]
    if len(found) < 2:
        return found[0] if found else None
    return fn.NULLIF(fn.MIN(*[fn.COALESCE(m, _NEVER) for m in found]), _NEVER)


def contains(column: Any, text: str) -> Any:
    """Substring, case-insensitive for ASCII; the text's own % and _ are literal."""
    return _like(column, f"%{_escape(text)}%")


def starts_with(column: Any, text: str) -> Any:
    return _like(column, f"{_escape(text)}%")


def text_after(column: Any, mark: str) -> Any:
    """What follows the first ``mark`` in a text column."""
    return fn.substr(column, fn.instr(column, mark) + len(mark))


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _like(column: Any, pattern: str) -> Any:
    return NodeList((column, SQL("LIKE"), peewee.Value(pattern), SQL("ESCAPE '\\'")))


def create_search_table(db: peewee.Database, table: str, columns: list[str]) -> None:
    """A full-text table of ready-made tokens (``forms.search`` splits), a column a field; rowid = record id."""
    names = ", ".join(quote(c) for c in columns)
    db.execute_sql(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {quote(table)} USING "
        f"fts5({names}, tokenize=\"unicode61 remove_diacritics 0\", detail=column, prefix='2 3')"
    )


def compact_search_table(db: peewee.Database, table: str) -> None:
    """Writes the index anew as one piece: what was deleted from it is then no longer in it."""
    db.execute_sql(f"INSERT INTO {quote(table)}({quote(table)}) VALUES('optimize')")  # nosec B608: a table of ours, quoted


def search_match(table: str, columns: list[str], tokens: list[str]) -> Any:
    """Rows that hold in ``columns``, for each of ``tokens``, a token beginning with it."""
    names = " ".join(columns)
    query = " AND ".join(f'{{{names}}} : "' + t.replace('"', '""') + '"*' for t in tokens)
    return NodeList((SQL(quote(table)), SQL("MATCH"), peewee.Value(query)))


def negate(expression: Any) -> Any:
    """Two-valued NOT: what is neither true nor false (an absent value) counts as false before it is turned round."""
    return fn.COALESCE(expression, 0) == 0


def differs(left: Any, right: Any) -> Expression:
    """Whether two values are not the same; two absent ones are."""
    return Expression(left, peewee.OP.IS_NOT, right)


class _Unindexed(peewee.WrappedNode):
    def __sql__(self, ctx: Any) -> Any:
        return ctx.literal("+").sql(self.node)


def unindexed(column: Any) -> Any:
    """The column, so that the planner does not look rows up by its index: when most rows match, one pass is quicker."""
    return _Unindexed(column)


def month_day(column: Any) -> Node:
    """``MM-DD`` of an ISO date column."""
    return fn.substr(column, 6, 5)


def json_list(expression: Any) -> Node:
    """An aggregate: the values as a JSON array."""
    return fn.json_group_array(expression)


def json_map(key: Any, value: Any) -> Node:
    """An aggregate: a JSON object of key and value of each row."""
    return fn.json_group_object(key, value)


def as_json(expression: Any) -> Node:
    """Text that is JSON already, so that it is put into a JSON object as it is and not as a string."""
    return fn.json(expression)


def any_of(column: Any, values: Any) -> Any:
    """``column IN (…)`` for a list given as one parameter (JSON text, or ``PARAM``): the SQL is the same whatever its
    length, so it can be compiled once (rendering a list of a thousand takes peewee 20 ms)."""
    return NodeList((column, SQL("IN (SELECT value FROM json_each("), values, SQL("))")))


def among(column: Any, values: Collection[Any]) -> Any:
    """``column IN values`` for a long list."""
    return any_of(column, peewee.Value(dumps(list(values))))


def json_rows(rows: list[list[Any]], names: list[str]) -> Any:
    """Values that are in no table as a source to select from: its columns are ``n`` (the row's place) and ``names``.

    Lists among the values are JSON text there.
    """
    cells = [fn.json_extract(SQL("value"), f"$[{i}]").alias(name) for i, name in enumerate(names)]
    each = fn.json_each(peewee.Value(dumps(rows)))
    return peewee.Select([each], [SQL("key").alias("n"), *cells]).alias("given")


def json_items(column: Any) -> Any:
    """The values of a JSON array in a column as a sub-select."""
    return peewee.Select([fn.json_each(column)], [SQL("value")])


def text_from(column: Any, start: int) -> Node:
    """The text from its ``start``-th character on (the first is 1)."""
    return fn.substr(column, start)


def number_at(column: Any, start: int, length: int) -> Any:
    """The number that stands in ``length`` characters of a text, from the ``start``-th on."""
    return fn.substr(column, start, length).cast("REAL")
