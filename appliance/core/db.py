"""The database: one SQLite file in WAL mode, one FIFO write lock in the process, connections per unit of work.

``write()`` is the only way to change anything; ``read()`` wraps work outside a request. The figures behind the
choices (immediate transactions, fair lock, short batches) are in the manual's operations chapter.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import peewee
from playhouse.pool import PooledSqliteDatabase

from . import dialect
from .errors import Forbidden

# Two SQLite libraries in one process do not see each other's locks and lose committed rows (peewee would silently
# prefer pysqlite3 if somebody installed it).
assert peewee.sqlite3 is sqlite3, "uninstall pysqlite3: only one SQLite library may be in the process"

FILE_NAME = "guke.db"

db = PooledSqliteDatabase(
    None,
    max_connections=64,
    stale_timeout=300,
    check_same_thread=False,
    pragmas=dialect.PRAGMAS,
    timeout=None,
)


class Model(peewee.Model):
    class Meta:
        database = db
        legacy_table_names = False


class _FairLock:
    """A lock that serves waiters in the order they came. Re-entrant for its owner."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._owner: int | None = None
        self._depth = 0

    def acquire(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if self._owner == me:
                self._depth += 1
                return
            if self._owner is None:
                self._owner, self._depth = me, 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()
        with self._guard:
            self._owner, self._depth = me, 1

    def release(self) -> None:
        with self._guard:
            self._depth -= 1
            if self._depth:
                return
            if self._waiting:
                # Ownership passes straight to the next in line, so nobody can barge in between.
                self._owner = -1
                self._waiting.popleft().release()
            else:
                self._owner = None

    @property
    def depth(self) -> int:
        return self._depth if self._owner == threading.get_ident() else 0


class _Flush:
    """Group commit: what was committed is on the disk before its writer goes on, so that an acknowledged write survives
    a power cut. One flush serves everybody who committed before it began, and nobody holds the write lock meanwhile."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._committed = 0
        self._flushed = 0
        self._busy = False

    def wait(self) -> None:
        """Returns when what this thread has committed is on the disk."""
        with self._turn:
            self._committed += 1
            mine = self._committed
            while self._flushed < mine:
                if self._busy:
                    self._turn.wait()
                    continue
                self._busy, upto = True, self._committed
                self._turn.release()
                try:
                    dialect.flush(db)
                finally:
                    self._turn.acquire()
                    self._busy = False
                    self._turn.notify_all()
                self._flushed = upto


_lock = _FairLock()
_flush = _Flush()
_local = threading.local()


def open_database(data: Path) -> None:
    """Binds the process to the database file in ``data``. Does not create tables (``core.schema`` does)."""
    file = str(data / FILE_NAME)
    if db.database != file:
        close_database()
        db.init(file)


def close_database() -> None:
    """Closes every connection of the process and forgets the file."""
    global _writer
    if db.database:
        # The pool knows the writer too: it is one of the connections that are in use.
        _writer = None
        db.close_all()
        db.init(None)


@contextmanager
def read() -> Iterator[None]:
    """A connection for the block, given back after it. Nested blocks share one."""
    if not db.is_closed():
        yield
        return
    db.connect()
    try:
        yield
    finally:
        db.close()


_writer: Any = None


@contextmanager
def _writing() -> Iterator[None]:
    """All writes of the process go through one connection: SQLite throws a connection's pages away when another one has
    written, so that each of eight threads would read them all again for every transaction. The lock is held."""
    global _writer
    state = db._state
    own = state.conn
    if _writer is None:
        _writer = db._connect()
    state.conn = _writer
    try:
        yield
    finally:
        state.conn = own


only_reading: ContextVar[str] = ContextVar("only_reading", default="")
"""Why nothing may be written in this request; empty: it may."""


@contextmanager
def write() -> Iterator[None]:
    """A write transaction: waits its turn, ``BEGIN IMMEDIATE``, commits or rolls back whole. Nested: a savepoint.

    Raises :class:`core.errors.Forbidden` while :data:`only_reading` holds a reason.
    """
    if why := only_reading.get():
        raise Forbidden(why)
    if _lock.depth:
        mark = len(_local.after)
        _lock.acquire()
        try:
            with db.savepoint():
                yield
        except BaseException:
            del _local.after[mark:]
            raise
        finally:
            _lock.release()
        return
    with read():
        _lock.acquire()
        _local.after = []
        try:
            with _writing(), db.atomic("IMMEDIATE"):
                yield
        except BaseException:
            _local.after = []
            raise
        finally:
            _lock.release()
        _flush.wait()
        todo, _local.after = _local.after, []
        for fn in todo:
            fn()


def in_write() -> bool:
    return _lock.depth > 0


def after_commit(fn: Callable[[], None]) -> None:
    """Runs ``fn`` once the outermost ``write()`` has committed (at once when none is open). It must not fail."""
    if in_write():
        _local.after.append(fn)
    else:
        fn()


class _Slot:
    """What stands in a statement's parameters where a value comes later."""


_SLOT = _Slot()
PARAM = peewee.Value(_SLOT, converter=False)
"""A placeholder in a query that is compiled once: see :class:`Statement`."""


class Statement:
    """A peewee query compiled once and run many times: writing the SQL costs ten times as much as running it.

    ``PARAM`` stands where a value varies; the values are given in the order in which they stand in the SQL.
    """

    def __init__(self, query: peewee.Query) -> None:
        self.sql, self._params = query.sql()
        self._slots = [i for i, value in enumerate(self._params) if value is _SLOT]

    def _bind(self, values: Sequence[Any]) -> Sequence[Any]:
        if len(self._slots) == len(self._params):
            return values
        params = list(self._params)
        for place, value in zip(self._slots, values, strict=True):
            params[place] = value
        return params

    def execute(self, *values: Any) -> sqlite3.Cursor:
        return db.execute_sql(self.sql, self._bind(values))

    def executemany(self, rows: Iterable[Sequence[Any]]) -> int:
        """Runs for many rows of values; returns the number of rows changed. Only inside ``write()``."""
        plain = len(self._slots) == len(self._params)
        cursor = db.connection().executemany(self.sql, rows if plain else map(self._bind, rows))
        return int(cursor.rowcount)


def executemany(query: peewee.Query, rows: Iterable[Sequence[Any]]) -> int:
    """A statement for many rows of values, without keeping it."""
    return Statement(query).executemany(rows)


_inserts: dict[tuple[type[Any], tuple[str, ...]], Statement] = {}


def insert_rows(model: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Adds rows that all name the same fields, by a statement compiled once; only inside ``write()``."""
    if not rows:
        return
    # peewee writes the columns in the order of the model's fields, whatever the order in which they are named.
    names = tuple(name for name in model._meta.sorted_field_names if name in rows[0])
    fields = [model._meta.fields[name] for name in names]
    statement = _inserts.get((model, names))
    if statement is None:
        query = model.insert_many([(PARAM,) * len(names)], fields=fields)
        statement = _inserts[model, names] = Statement(query)
    statement.executemany([f.db_value(row[f.name]) for f in fields] for row in rows)


def compact() -> None:
    """Writes the file anew without what was deleted; nobody writes meanwhile (about a minute for 2 GB)."""
    with read():
        _lock.acquire()
        try:
            with _writing():
                dialect.compact(db)
        finally:
            _lock.release()
        dialect.checkpoint(db)


def checkpoint() -> None:
    """Folds the write-ahead log into the file; called by the nightly upkeep."""
    dialect.checkpoint(db)
