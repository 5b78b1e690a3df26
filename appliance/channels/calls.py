"""Calls of other systems: taken in durably, then worked on by a job, one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ..accounts.actor import Actor
from ..connections import health, inbound, store
from ..connections.kinds import Connection
from ..connections.models import ConnectionRow, HookCall, WebhookCall
from ..core import clock, incidents, jobs, schema, settings
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from ..customers import erasing, personal_data
from ..forms import causes, merging
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.query import Record
from . import paths
from .mapping import Mapping, Written

SIZE = 1024 * 1024
"""Bytes that a call may have."""
DEPTH = 40
BATCH = 50
"""Calls of one transaction."""
KIND = "webhooks.calls"
CAUSE = "webhook"

STATES: dict[str, tuple[Any, str]] = {
    "waiting": (_l("等待处理"), "blue"),
    "kept": (_l("还没有对应关系"), "amber"),
    "done": (_l("已处理"), "green"),
    "ignored": (_l("没有可写的内容"), "neutral"),
    "failed": (_l("失败"), "red"),
}
"""What a call's state is called, and its colour."""

settings.declare(
    "webhooks.keep_days",
    30,
    _l("收到的调用保留天数"),
    "integer",
    least=1,
    most=3_650,
    help=_l("更早的每天夜里清理；写成的记录不受影响。"),
)

erasing.texts(HookCall, "body", "error")
erasing.texts(WebhookCall, "body")


# -- taking in --------------------------------------------------------------------------------------------------------


def parse(raw: bytes) -> Any:
    """The document of a call. Raises :class:`UserError` for what is none, or nested too deep."""
    try:
        doc = json.loads(raw, parse_constant=_no_constant)
        # Half a surrogate pair and NUL cannot be stored.
        json.dumps(doc, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise UserError(_("请求内容不是有效的 JSON。")) from None
    if _depth(doc) > DEPTH:
        raise UserError(_("JSON 嵌套太深，最多 %(max)d 层。", max=DEPTH))
    return doc


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _depth(doc: Any) -> int:
    level, layer = 0, [doc]
    while layer and level <= DEPTH:
        inner = [one for one in layer if isinstance(one, (dict, list))]
        layer = [child for one in inner for child in (one.values() if isinstance(one, dict) else one)]
        level += 1
    return level


def take(connection: Connection, doc: Any, raw: bytes, given_id: str, ip: str) -> bool:
    """Keeps a call; whether it is a new one. When this returns, it is on the disk."""
    config = connection.config
    own = paths.get(doc, paths.parse(config["id_path"])) if config.get("id_path") else None
    number = given_id or (str(own) if isinstance(own, (str, int)) and own != "" else "")
    dedupe = f"id:{number}"[:200] if number else f"sha256:{hashlib.sha256(raw).hexdigest()}"
    row = {
        "connection_id": connection.id, "at": clock.now(), "dedupe": dedupe, "ip": ip[:60],
        "body": json.dumps(doc, ensure_ascii=False, separators=(",", ":")),
        "state": "waiting" if config.get("mapping") else "kept",
    }  # fmt: skip
    with write():
        if HookCall.select().where(HookCall.connection_id == connection.id, HookCall.dedupe == dedupe).exists():
            return False
        HookCall.insert(row).execute()
        health.note(connection, ok=True)
        if config.get("mapping"):
            ask_for_work(connection.id)
    return True


def ask_for_work(connection_id: int) -> None:
    jobs.enqueue(KIND, {"connection": connection_id}, unique=f"{KIND}:{connection_id}")


# -- working on them --------------------------------------------------------------------------------------------------


@jobs.handler(KIND, label=_l("处理收到的调用"))
def work(job: jobs.Job) -> dict[str, Any]:
    """Works on the waiting calls of one connection, in the order they came."""
    connection_id = int(job.payload["connection"])
    done = failed = 0
    while True:
        try:
            connection = store.by_id(connection_id)
        except NotFound:
            return {}
        found = connection.config.get("mapping")
        if not found:
            return {}
        with write():
            rows = _waiting(connection_id)
            for row in rows:
                good = _one(row, connection, Mapping.open(found))
                done, failed = done + good, failed + (not good)
            _tell(connection)
        if len(rows) < BATCH:
            return {"webhook_calls": done, "webhook_calls_failed": failed}
        job.progress(done + failed)


def _waiting(connection_id: int) -> list[HookCall]:
    mine = (HookCall.connection_id == connection_id) & (HookCall.state == "waiting")
    return list(HookCall.select().where(mine).order_by(HookCall.id).limit(BATCH))


def _one(row: HookCall, connection: Connection, wanted: Mapping) -> bool:
    """Works on one call. What goes wrong is its own: the others of the batch stay."""
    values: dict[str, Any] = {"attempts": row.attempts + 1, "done_at": clock.now(), "error": None}
    try:
        with write():
            written = wanted.write(json.loads(row.body), Cause(CAUSE, row.id))
            if written.failures:
                raise UserError(_said(written))
            _note(row, connection, written)
        first = written.ids[0] if written.ids else None
        values |= {"state": "done" if written.ids else "ignored", "form_key": written.form, "record_id": first}
    except UserError as error:
        values |= {"state": "failed", "error": error.message[:500]}
    HookCall.update(values).where(HookCall.id == row.id).execute()
    return values["state"] != "failed"


def _said(written: Written) -> str:
    """Why a call failed, of several records with their numbers."""
    if written.rows == 1:
        return written.failures[0][1]
    return _("；").join(_("第 %(number)d 条：%(why)s", number=number, why=why) for number, why in written.failures[:5])


def _note(row: HookCall, connection: Connection, written: Written) -> None:
    """Says to the rules that a call led to these records."""
    body = json.loads(row.body)
    ids = [
        int(
            WebhookCall.insert(
                connection_id=connection.id, at=clock.now(), body=body, form_key=written.form, record_id=record_id,
                call_id=row.id,
            ).execute()
        )
        for record_id in written.ids
    ]  # fmt: skip
    if ids:
        inbound.tell(ids)


def trial(wanted: Mapping, doc: Any) -> Written:
    """What a call would become; nothing is kept."""
    written: list[Written] = []
    try:
        with write():
            written.append(wanted.write(doc, Cause(CAUSE)))
            raise _Back
    except _Back:
        return written[0]


class _Back(Exception):
    """Rolls a trial back."""


# -- what failed ------------------------------------------------------------------------------------------------------


def _topic(connection_id: int) -> str:
    return f"webhook:{connection_id}"


def _tell(connection: Connection) -> None:
    """One incident while calls of a connection have failed; it goes when none is left."""
    mine = (HookCall.connection_id == connection.id) & (HookCall.state == "failed")
    count, last = HookCall.select(fn.COUNT(HookCall.id), fn.MAX(HookCall.id)).where(mine).tuples().first()
    if not count:
        incidents.settle(_topic(connection.id))
        return
    why = HookCall.select(HookCall.error).where(HookCall.id == last).scalar()
    incidents.open(
        "webhook",
        _("连接「%(connection)s」有 %(count)d 次调用没有成为记录，最近一次：%(why)s", connection=connection.label, count=count, why=why),
        _topic(connection.id),
        _topic(connection.id),
    )  # fmt: skip


def _of_topic(ref: str) -> int:
    return int(ref.partition(":")[2])


def retry_failed(connection_id: int) -> int:
    """Puts the failed calls of a connection back into the queue, in their order."""
    return _again(connection_id, HookCall.state == "failed")


def retry(connection_id: int, call_id: int) -> int:
    """Works on one call again, whatever became of it. Raises :class:`NotFound`."""
    get(connection_id, call_id)
    return _again(connection_id, HookCall.id == call_id)


def use_kept(connection_id: int) -> int:
    """Works on the calls that came before there was a mapping."""
    return _again(connection_id, HookCall.state == "kept")


def _again(connection_id: int, which: Any) -> int:
    with write():
        count = (
            HookCall.update(state="waiting", error=None)
            .where((HookCall.connection_id == connection_id) & which)
            .execute()
        )
        if count:
            ask_for_work(connection_id)
    return int(count)


def _skip(ref: str) -> None:
    mine = (HookCall.connection_id == _of_topic(ref)) & (HookCall.state == "failed")
    HookCall.update(state="ignored").where(mine).execute()


def _retry(ref: str) -> None:
    retry_failed(_of_topic(ref))


incidents.declare("webhook", _l("收到的调用没有成为记录"), retry=_retry, skip=_skip)


# -- looking ----------------------------------------------------------------------------------------------------------


def get(connection_id: int, call_id: int) -> HookCall:
    """Raises :class:`NotFound`."""
    with read():
        row = HookCall.get_or_none(HookCall.id == call_id, HookCall.connection_id == connection_id)
    if row is None:
        raise NotFound()
    return row


def last(connection_id: int) -> HookCall | None:
    with read():
        found: HookCall | None = (
            HookCall.select().where(HookCall.connection_id == connection_id).order_by(HookCall.id.desc()).first()
        )
    return found


def page(connection_id: int, state: str, before: int | None, limit: int) -> list[HookCall]:
    """The latest calls, or those before the id ``before``."""
    query = HookCall.select().where(HookCall.connection_id == connection_id)
    if state in STATES:
        query = query.where(HookCall.state == state)
    if before:
        query = query.where(HookCall.id < before)
    with read():
        return list(query.order_by(HookCall.id.desc()).limit(limit))


def counts(connection_id: int) -> dict[str, int]:
    query = HookCall.select(HookCall.state, fn.COUNT(HookCall.id)).where(HookCall.connection_id == connection_id)
    with read():
        return dict(query.group_by(HookCall.state).tuples())


def moment(seconds: int) -> str:
    return clock.local(seconds, settings.tz()).strftime("%Y-%m-%d %H:%M")


SHOWN_ENDS = 4
HIDDEN = ("token", "secret", "password", "passwd", "authorization", "signature", "sign", "密码", "令牌")
"""Parts of keys whose values the log of calls does not show."""


def redacted(doc: Any) -> Any:
    """A call for the eyes of people: secrets left out, numbers of phones and cards with their middle hidden."""
    if isinstance(doc, dict):
        return {
            key: "•••" if any(word in str(key).lower() for word in HIDDEN) and value else redacted(value)
            for key, value in doc.items()
        }
    if isinstance(doc, list):
        return [redacted(one) for one in doc]
    text = str(doc) if isinstance(doc, (str, int)) and not isinstance(doc, bool) else ""
    digits = text.lstrip("+")
    if 11 <= len(digits) <= 19 and digits[:-1].isdecimal() and not _is_moment(text):
        return f"{text[:3]}{'•' * (len(text) - 3 - SHOWN_ENDS)}{text[-SHOWN_ENDS:]}"
    return doc


def _is_moment(text: str) -> bool:
    """Milliseconds since 1970 of these decades, which no phone looks like."""
    return len(text) == 13 and text.startswith("1")


# -- neighbours -------------------------------------------------------------------------------------------------------


causes.label(CAUSE, _l("推送"))


@causes.names(CAUSE)
def _connection_of(call_id: int) -> str:
    query = ConnectionRow.select(ConnectionRow.label).join(HookCall, on=(HookCall.connection_id == ConnectionRow.id))
    with read():
        return query.where(HookCall.id == call_id).scalar() or ""


@personal_data.part("webhook_calls", _l("收到的推送"))
def _of_customer(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    mine = (WebhookCall.form_key == "customer") & (WebhookCall.record_id == customer.id)
    with read():
        rows = list(WebhookCall.select(WebhookCall.at, WebhookCall.body).where(mine).order_by(WebhookCall.id).tuples())
    return [{"at": clock.iso(at, settings.tz()), "body": redacted(body)} for at, body in rows]


@merging.moves("customer")
class Calls(merging.Mover):
    """The calls that a customer's record came from."""

    key = "webhook_calls"

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        ids = self._ids(form, source)
        self._give(ids, target)
        return ids

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        still = set(self._ids(form, target))
        self._give([i for i in moved or [] if i in still], source)

    def _ids(self, form: Form, record_id: int) -> list[int]:
        mine = (WebhookCall.form_key == form.key) & (WebhookCall.record_id == record_id)
        return [row[0] for row in WebhookCall.select(WebhookCall.id).where(mine).tuples()]

    def _give(self, ids: Sequence[int], record_id: int) -> None:
        WebhookCall.update(record_id=record_id).where(WebhookCall.id.in_(list(ids))).execute()


@schema.seed
def timer() -> None:
    jobs.schedule("webhooks.upkeep", "50 4 * * *", "webhooks.upkeep")


@jobs.handler("webhooks.upkeep", label=_l("清理收到的调用"))
def upkeep(job: jobs.Job) -> dict[str, Any]:
    """Forgets calls when their time is over, a few thousand a transaction."""
    before = clock.now() - settings.get("webhooks.keep_days") * clock.DAY
    gone = 0
    while True:
        with write():
            old = [row[0] for row in HookCall.select(HookCall.id).where(HookCall.at < before).limit(2_000).tuples()]
            WebhookCall.delete().where(WebhookCall.call_id.in_(old)).execute()
            HookCall.delete().where(HookCall.id.in_(old)).execute()
        gone += len(old)
        if len(old) < 2_000:
            return {"webhook_calls_forgotten": gone}
        job.progress(gone)
