"""The one way in for events: any number at once, in any order, each only once.

A row is ``{"connection", "id", "customer", "type", "at", "seconds", "live_session", "channel", "times", "props"}`` (CONTRACT
section 2; all but ``customer`` and ``type`` may be left out). A row that makes no sense fails alone, with a sentence.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ...accounts import permissions
from ...accounts.actor import SYSTEM, Actor
from ...core import clock, dialect, settings
from ...core.db import PARAM, Statement, write
from ...core.errors import Forbidden
from ...forms import catalog, relations
from ...forms.hooks import Cause, Draft
from ...forms.parsing import parse_datetime
from .. import identities
from . import figures, hooks, kinds, sessions
from .models import Event, EventMove

BATCH = 1_000
"""Events a transaction."""
AHEAD = clock.DAY
"""Seconds by which another clock may be ahead of ours."""
LONGEST_SECONDS = 31 * clock.DAY
MAX_ID = 200
MAX_KEY = 64
MAX_TIMES = 10_000_000
MAX_PROPS = 8_192
"""Characters of an event's props as JSON."""
KEYS = frozenset({"connection", "id", "customer", "type", "at", "seconds", "live_session", "channel", "times", "props"})
SESSION_KEYS = frozenset({"id", "external_id", "host", "channel"})

CHANNELS = {
    "douyin_id": "douyin", "kuaishou_id": "kuaishou", "taobao_nick": "taobao", "xiaohongshu_id": "xiaohongshu",
    "bilibili_id": "bilibili", "youzan_id": "youzan", "wechat_unionid": "wechat", "wecom_external_userid": "wechat",
}  # fmt: skip
"""Identity kinds that say on which channel something happened."""


class Result(Struct):
    """What became of the rows. ``ids``: the event of each (``None``: none was written). ``failed``: index → sentence."""

    ids: list[int | None]
    failed: dict[int, str] = field(default_factory=dict)
    duplicate: int = 0

    @property
    def accepted(self) -> int:
        return sum(1 for i in self.ids if i is not None)


class Row(Struct):
    """A row that makes sense by itself; ``session``: the id of a session of ours."""

    place: int
    connection: str
    external_id: str | None
    customer: dict[str, Any]
    type: str
    at: int
    seconds: int | None
    session: int | None
    session_ref: str | None
    channel: str | None
    host: str | None
    props: str | None
    times: int = 1
    customer_id: int = 0
    entry_id: int | None = None


def may_write(actor: Actor) -> bool:
    """Whoever may make customers may tell what customers did."""
    return actor is SYSTEM or permissions.can(actor, "create", "customer")


def ingest(rows: Sequence[Any], actor: Actor, cause: Cause | None = None) -> Result:
    """Writes events and all that follows from them. Raises Forbidden.

    A customer whom nobody knows yet is made. An event whose ``connection`` and ``id`` were here before counts as a
    duplicate.
    """
    if not may_write(actor):
        raise Forbidden(_("写入互动要有新建客户的权限。需要时请联系管理员。"))
    result = Result([None] * len(rows))
    known = kinds.every()
    good: list[Row] = []
    for i, row in enumerate(rows):
        try:
            good.append(_read(i, row, known))
        except ValueError as error:
            result.failed[i] = str(error)
    # Read before the transaction: within one the definitions are asked for anew at each use.
    catalog.get("customer")
    why = cause or Cause("api")
    for start in range(0, len(good), BATCH):
        with write():
            _write(good[start : start + BATCH], actor, why, result)
    return result


# -- reading ------------------------------------------------------------------------------------------------------


def _read(place: int, row: Any, known: dict[str, kinds.Kind]) -> Row:
    """Raises ValueError with a sentence."""
    if not isinstance(row, dict):
        raise ValueError(_("每条互动要是一个 JSON 对象。"))
    if not row.keys() <= KEYS:
        wrong = next(key for key in row if key not in KEYS)
        raise ValueError(_("不认识「%(key)s」，可用：%(known)s。", key=wrong, known=", ".join(sorted(KEYS))))
    kind = row.get("type")
    found = known.get(kind) if isinstance(kind, str) else None
    if found is None or found.deleted:
        raise ValueError(_("没有互动类型「%(key)s」，请先在“互动类型”里添加。", key=str(kind or "")[:60]))
    customer = row.get("customer")
    if isinstance(customer, int) and not isinstance(customer, bool):
        customer = {"id": customer}
    if not isinstance(customer, dict) or not customer:
        raise ValueError(_('请说明是哪位客户，例如 {"phone": "13800138000"}。'))
    session, ref, host, channel = _session(row.get("live_session"))
    return Row(
        place, _short(row, "connection", MAX_KEY) or "", _short(row, "id", MAX_ID), customer, found.key, _moment(row.get("at")),
        _seconds(row.get("seconds")), session, ref, channel or _short(row, "channel", MAX_KEY) or _channel_of(customer), host,
        _props(row.get("props")), _times(row.get("times")),
    )  # fmt: skip


def _short(row: dict[str, Any], key: str, most: int) -> str | None:
    """A name or number from outside, as text."""
    value = row.get(key)
    if value is None or value == "":
        return None
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(_("「%(key)s」要是文字，最多 %(max)d 个字。", key=key, max=most))
    return value


def _moment(value: Any) -> int:
    now = clock.now()
    if value is None or value == "":
        return now
    try:
        at = _seconds_of(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(_("「at」要是时间，例如 2026-11-22T20:30:00+08:00。")) from error
    if at > now + AHEAD:
        raise ValueError(_("「at」在将来，请核对时间和时区。"))
    return at


def _seconds_of(value: Any) -> int:
    if type(value) is str:
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return int(moment.timestamp())
    if isinstance(value, (bool, list, dict)):
        raise ValueError(value)
    return parse_datetime(value, settings.tz())


def _seconds(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST_SECONDS:
        raise ValueError(_("「seconds」要是 0 到 %(max)d 之间的秒数。", max=LONGEST_SECONDS))
    return round(value)


def _times(value: Any) -> int:
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= MAX_TIMES:
        raise ValueError(_("「times」要是 1 到 %(max)d 之间的整数。", max=MAX_TIMES))
    return value


def _props(value: Any) -> str | None:
    if value is None or value == {}:
        return None
    if not isinstance(value, dict):
        raise ValueError(_("「props」要是一个 JSON 对象。"))
    text = dialect.dumps(value)
    if len(text) > MAX_PROPS:
        raise ValueError(_("「props」太大，最多 %(max)d 个字符。", max=MAX_PROPS))
    return text


def _session(value: Any) -> tuple[int | None, str | None, str | None, str | None]:
    """What an event says of its session: our id, the outside number, the host, the channel."""
    if value is None or value == "" or value == {}:
        return None, None, None, None
    if type(value) is int and 0 < value < 2**53:
        return value, None, None, None
    if isinstance(value, str):
        return None, _short({"live_session": value}, "live_session", MAX_ID), None, None
    if isinstance(value, dict) and value.keys() <= SESSION_KEYS:
        record_id = value.get("id")
        if record_id is None or (type(record_id) is int and 0 < record_id < 2**53):
            ref, host, channel = (_short(value, key, MAX_ID) for key in ("external_id", "host", "channel"))
            return record_id, ref, host, channel
    raise ValueError(_('「live_session」要是场次编号、平台场次号，或 {"host": "主播"}。'))


def _channel_of(customer: dict[str, Any]) -> str | None:
    return next((CHANNELS[key] for key in customer if key in CHANNELS), None)


# -- writing ------------------------------------------------------------------------------------------------------

_COLUMNS = [
    Event.connection, Event.external_id, Event.customer_id, Event.type, Event.at, Event.seconds, Event.session_ref,
    Event.channel, Event.host, Event.props, Event.received_at, Event.times, Event.entry_id,
]  # fmt: skip
_INSERT = Statement(Event.insert_many([(PARAM,) * len(_COLUMNS)], fields=_COLUMNS))
_SEEN = Statement(
    Event.select(Event.external_id).where(Event.connection == PARAM, dialect.any_of(Event.external_id, PARAM))
)
_LAST = Statement(Event.select(Event.id).order_by(Event.id.desc()).limit(1))


def _write(rows: list[Row], actor: Actor, cause: Cause, result: Result) -> None:
    rows = _new(rows, result)
    rows = _in_sessions(rows, result)
    rows = _of_customers(rows, actor, cause, result)
    if rows:
        first = store(rows, cause)
        for event_id, row in enumerate(rows, first):
            result.ids[row.place] = event_id


def store(rows: list[Row], cause: Cause) -> int:
    """Writes events of known customers and what follows from them; returns the first one's id, the others' come after it.
    Only inside ``write()``."""
    now = clock.now()
    _INSERT.executemany(
        (
            r.connection, r.external_id, r.customer_id, r.type, r.at, r.seconds, r.session_ref, r.channel, r.host, r.props, now,
            r.times, r.entry_id,
        )
        for r in rows
    )  # fmt: skip
    last = _LAST.execute().fetchone()[0]
    first = last - len(rows) + 1
    if sessions.any_there():
        sessions.tie_new(first, last)
    figures.add((r.customer_id, r.type, r.at, r.seconds, r.times) for r in rows)
    ids = list(range(first, last + 1))
    hooks.run_after(hooks.Ingested(ids, [r.customer_id for r in rows], [r.type for r in rows], cause))
    return first


_TOLD = (
    Event.customer_id, Event.at, Event.seconds, Event.session_ref, Event.channel, Event.host, Event.props, Event.times,
)  # fmt: skip
"""What of an event its entry may tell differently, in the order of the model: that of the statement."""
_TELL = Statement(Event.update(dict.fromkeys(_TOLD, PARAM)).where(Event.id == PARAM))


def tell_anew(told: dict[int, Row], cause: Cause) -> None:
    """Changes events of entries to what those say now, by id. Only inside ``write()``."""
    ids = sorted(told)
    if not ids:
        return
    mine = dialect.among(Event.id, ids)
    asked = Event.select(Event.id, Event.customer_id, Event.type, Event.live_session_id).where(mine).order_by(Event.id)
    before = list(asked.tuples())
    _TELL.executemany(
        (r.customer_id, r.at, r.seconds, r.session_ref, r.channel, r.host, r.props, r.times, i) for i, r in told.items()
    )
    sessions.tie_again(ids)
    after = list(asked.tuples())
    figures.recompute_ids({row[1] for row in (*before, *after)})
    sessions.recompute_ids({row[3] for row in (*before, *after)})
    for rows in (before, after):
        hooks.run_removed(hooks.Ingested(ids, [row[1] for row in rows], [row[2] for row in rows], cause))


def take_back(which: Any, cause: Cause) -> int:
    """Takes events away, with all that followed from them; ``which``: a test of events. Returns how many. Only inside
    ``write()``."""
    asked = Event.select(Event.id, Event.customer_id, Event.type, Event.live_session_id).where(which).order_by(Event.id)
    rows = list(asked.tuples())
    if not rows:
        return 0
    ids = [row[0] for row in rows]
    Event.delete().where(dialect.among(Event.id, ids)).execute()
    EventMove.delete().where(dialect.among(EventMove.event_id, ids)).execute()
    figures.recompute_ids({row[1] for row in rows})
    sessions.recompute_ids({row[3] for row in rows})
    hooks.run_removed(hooks.Ingested(ids, [row[1] for row in rows], [row[2] for row in rows], cause))
    return len(rows)


def _new(rows: list[Row], result: Result) -> list[Row]:
    """Those that were not here before; of the same event twice the first one."""
    named: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.external_id is not None:
            named[row.connection].append(row.external_id)
    seen = {
        (connection, external_id)
        for connection, given in named.items()
        for (external_id,) in _SEEN.execute(connection, dialect.dumps(given))
    }
    fresh = []
    for row in rows:
        mark = (row.connection, row.external_id)
        if row.external_id is not None:
            if mark in seen:
                result.duplicate += 1
                continue
            seen.add(mark)
        fresh.append(row)
    return fresh


def _in_sessions(rows: list[Row], result: Result) -> list[Row]:
    """Those that name one of our sessions by its id must name one that is there."""
    asked = {row.session for row in rows if row.session is not None}
    if not asked:
        return rows
    form = catalog.get("live_session")
    there = {
        i
        for (i,) in form.statement(
            "there",
            lambda: form.table.select(form.col("id")).where(
                dialect.any_of(form.col("id"), PARAM), form.col("deleted_at").is_null()
            ),
        ).execute(dialect.dumps(sorted(asked)))
    }
    good = []
    for row in rows:
        if row.session is None:
            good.append(row)
        elif row.session in there:
            row.session_ref = f"#{row.session}"
            good.append(row)
        else:
            result.failed[row.place] = _("没有编号为 %(id)s 的直播场次。", id=row.session)
    return good


def _of_customers(rows: list[Row], actor: Actor, cause: Cause, result: Result) -> list[Row]:
    """Those whose customer was found or made."""
    others = _known_by_one(rows) if actor is SYSTEM or actor.is_admin else rows
    if not others:
        return rows
    references = [row.customer for row in others]
    # A customer who is made was first seen at the earliest of their events.
    columns: dict[str, list[Any]] = {"customer": references, "first_seen_at": [row.at for row in others]}
    draft = Draft(catalog.get("customer"), "create", len(others), columns, actor, cause)
    ids, errors = relations.resolve("customer", references, draft)
    for i, row in enumerate(others):
        row.customer_id = ids[i] or 0
        if not row.customer_id:
            result.failed[row.place] = errors.get(i) or _("没有找到这位客户。")
    return [row for row in rows if row.customer_id]


def _known_by_one(rows: list[Row]) -> list[Row]:
    """Gives customers to the rows that name one by a single identity which somebody holds: what almost every event of a
    platform does. Returns the other rows, which need the whole of ``resolver``."""
    known = identities.kinds()
    asked: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    others: list[Row] = []
    for row in rows:
        kind, value = next(iter(row.customer.items()))
        if len(row.customer) == 1 and kind in known:
            try:
                asked[kind][known[kind].parse(value)].append(row)
                continue
            except ValueError:
                pass
        others.append(row)
    met: list[identities.Key] = []
    for kind, values in asked.items():
        held = identities.holders(kind, list(values))
        for value, named in values.items():
            owner = held.get(value)
            if owner is None:
                others += named
                continue
            met.append(identities.Key(kind, value))
            for row in named:
                row.customer_id = owner
    identities.seen(met)
    return others
