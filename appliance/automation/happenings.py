"""What sets rules off beside writes: events of customers, their coming into segments and leaving, calls from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM
from ..connections import inbound
from ..connections.models import ConnectionRow, WebhookCall
from ..core.errors import NotFound
from ..customers.events import hooks as event_hooks
from ..customers.events import kinds
from ..customers.events.hooks import Ingested
from ..customers.events.models import Event
from ..customers.segments import hooks as segment_hooks
from ..customers.segments import store as segments
from ..customers.segments.models import SegmentMove, SegmentRow
from ..forms import conditions
from ..forms.catalog import Form
from ..forms.conditions import Condition, Context
from . import streams
from .models import Listener
from .streams import FRESH, Signal, Stream, either
from .triggers import Trigger, TriggerError, Wish, register

CUSTOMER = "customer"


# -- streams ----------------------------------------------------------------------------------------------------------


@streams.register
class Events(Stream):
    """What customers did on channels. What happened long before it was told sets nothing off."""

    key = "events"
    trigger = "event"
    each = True
    model = Event
    moment = Event.received_at

    def wanted(self, listeners: Sequence[Listener]) -> Any:
        if not listeners:
            return None
        kinds_wanted = {listener.field for listener in listeners}
        fresh = Event.received_at - Event.at < FRESH
        return fresh if None in kinds_wanted else fresh & Event.type.in_(sorted(k for k in kinds_wanted if k))

    def records(self, listeners: Sequence[Listener], after: int) -> Any:
        return Event.select(Event.customer_id).where((Event.id > after) & self.wanted(listeners))

    def signals(self, query: Any) -> list[Signal]:
        return [
            Signal(
                self.key, event.id, CUSTOMER, event.customer_id, "event", frozenset((event.type,)),
                scope=event.connection, at=event.at, origin={"event": _event(event)},
            )
            for event in query
        ]  # fmt: skip


def _event(event: Event) -> dict[str, Any]:
    """What texts may say of it."""
    return {
        "type": event.type, "at": event.at, "seconds": event.seconds, "channel": event.channel, "host": event.host,
        "props": event.props or {},
    }  # fmt: skip


@streams.register
class Moves(Stream):
    """Who came into a segment, and who left."""

    key = "moves"
    trigger = "segment"
    model = SegmentMove
    moment = SegmentMove.at

    def wanted(self, listeners: Sequence[Listener]) -> Any:
        ids = dict(SegmentRow.select(SegmentRow.key, SegmentRow.id).where(SegmentRow.deleted_at.is_null()).tuples())
        return either(
            [
                (SegmentMove.segment_id == ids[listener.field]) & (SegmentMove.joined == (listener.action == "enters"))
                for listener in listeners
                if listener.field in ids
            ]
        )

    def records(self, listeners: Sequence[Listener], after: int) -> Any:
        wanted = self.wanted(listeners)
        test = SegmentMove.id > after
        return SegmentMove.select(SegmentMove.customer_id).where(test if wanted is None else test & wanted)

    def signals(self, query: Any) -> list[Signal]:
        keys = dict(SegmentRow.select(SegmentRow.id, SegmentRow.key).tuples())
        return [
            Signal(
                self.key, move.id, CUSTOMER, move.customer_id, "enters" if move.joined else "leaves",
                frozenset((keys.get(move.segment_id, ""),)), depth=move.depth, at=move.at,
            )
            for move in query
        ]  # fmt: skip


@streams.register
class Calls(Stream):
    """Calls from outside that led to a record."""

    key = "calls"
    trigger = "webhook"
    each = True
    model = WebhookCall
    moment = WebhookCall.at

    def wanted(self, listeners: Sequence[Listener]) -> Any:
        keys = sorted({listener.field for listener in listeners if listener.field})
        mine = ConnectionRow.select(ConnectionRow.id).where(ConnectionRow.key.in_(keys))
        return WebhookCall.connection_id.in_(mine) if keys else None

    def records(self, listeners: Sequence[Listener], after: int) -> Any:
        return WebhookCall.select(WebhookCall.record_id).where(
            (WebhookCall.id > after)
            & self.wanted(listeners)
            & WebhookCall.form_key.in_(sorted({listener.form for listener in listeners}))
        )

    def signals(self, query: Any) -> list[Signal]:
        keys = dict(ConnectionRow.select(ConnectionRow.id, ConnectionRow.key).tuples())
        return [
            Signal(
                self.key, call.id, call.form_key, call.record_id, "webhook",
                frozenset((keys.get(call.connection_id, ""),)), at=call.at, origin={"event": call.body},
            )
            for call in query
        ]  # fmt: skip


@event_hooks.after_ingest
def _told(batch: Ingested) -> None:
    wanted = streams.listened(Events.key)
    if wanted and (None in wanted or not wanted.isdisjoint(batch.types)):
        streams.ring()


@segment_hooks.after_moves
def _moved(segment_ids: set[int]) -> None:
    if streams.listened(Moves.key):
        streams.ring()


@inbound.on_call
def _called(ids: Sequence[int]) -> None:
    if streams.listened(Calls.key):
        streams.ring()


# -- triggers ---------------------------------------------------------------------------------------------------------


@register
class Happened(Trigger):
    """``{"event": "follow", "connection": "douyin-main"}``; without a connection, through any."""

    key = "event"
    label = _l("发生互动时")
    icon = "activity"
    template = "automation/triggers/event.html"
    params = frozenset({"connection"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return form.key == CUSTOMER

    def check(self) -> None:
        wanted = self.doc[self.key]
        self.types: list[str] = wanted if isinstance(wanted, list) else [wanted]
        if not self.types or not all(isinstance(one, str) and one for one in self.types):
            raise TriggerError(_("请选择互动类型。"))
        for one in self.types:
            try:
                kinds.get(one)
            except NotFound as error:
                raise TriggerError(error.message) from error
        self.connection = self.doc.get("connection") or None
        if self.connection is not None and not isinstance(self.connection, str):
            raise TriggerError(_("「connection」要写一个连接的键名。"))

    def standing(self, ctx: Context) -> Any:
        doc: Condition = {"event": self.types, "agg": "count", "op": "gte", "value": 1}
        if self.connection:
            doc["where"] = {"field": "connection", "op": "eq", "value": self.connection}
        return conditions.compile(doc, self.form, ctx)

    def words(self) -> str:
        what = _("、").join(_("「%(name)s」", name=kinds.label_of(one)) for one in self.types)
        if self.connection:
            name = _connection_name(self.connection)
            return _("客户在「%(connection)s」有互动%(what)s时", connection=name, what=what)
        return _("客户有互动%(what)s时", what=what)

    def listens(self) -> list[Wish]:
        return [Wish("event", one, self.connection, Events.key) for one in self.types]

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        chosen = doc.get(cls.key)
        seen = Event.select(Event.connection).distinct().order_by(Event.connection).limit(100)
        places = {row.key: row.label for row in ConnectionRow.select().where(ConnectionRow.deleted_at.is_null())}
        places |= {key: key for (key,) in seen.tuples() if key and key not in places}
        return {
            "kinds": kinds.all_kinds(), "chosen": chosen if isinstance(chosen, list) else [chosen],
            "connection": doc.get("connection") or "", "connections": list(places.items()),
        }  # fmt: skip

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        chosen = values.getlist("event.type")
        doc: dict[str, Any] = {cls.key: chosen[0] if len(chosen) == 1 else chosen}
        if values.get("event.connection"):
            doc["connection"] = values["event.connection"]
        return doc


def _connection_name(key: str) -> str:
    row = ConnectionRow.get_or_none(ConnectionRow.key == key, ConnectionRow.deleted_at.is_null())
    return row.label if row else key


class _OfSegment(Trigger):
    icon = "users-group"
    template = "automation/triggers/segment.html"

    @classmethod
    def suits(cls, form: Form) -> bool:
        return form.key == CUSTOMER

    def check(self) -> None:
        key = self.doc[self.key]
        if not isinstance(key, str) or not key:
            raise TriggerError(_("请选择一个客群。"))
        try:
            self.segment = segments.get(key)
        except NotFound as error:
            raise TriggerError(error.message) from error

    def listens(self) -> list[Wish]:
        return [Wish(self.key, self.segment.key, stream=Moves.key)]

    def prepare(self, subject: str) -> None:
        """Nobody comes into a segment that is off."""
        if not self.segment.enabled:
            segments.switch(self.segment.key, True, SYSTEM)

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        return {"name": f"{cls.key}.segment", "chosen": doc.get(cls.key) or "", "segments": segments.all()}

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        return {cls.key: values.get(f"{cls.key}.segment", "")}


@register
class Enters(_OfSegment):
    """``{"enters": segment}``: a customer has come into the segment."""

    key = "enters"
    label = _l("进入客群时")

    def standing(self, ctx: Context) -> Any:
        return conditions.compile({"segment": self.segment.key}, self.form, ctx)

    def words(self) -> str:
        return _("客户进入客群「%(segment)s」时", segment=self.segment.label)


@register
class Leaves(_OfSegment):
    """``{"leaves": segment}``: a customer is no longer in the segment."""

    key = "leaves"
    label = _l("离开客群时")
    icon = "logout"

    def standing(self, ctx: Context) -> Any:
        """Those who were in it once."""
        left = SegmentMove.select(SegmentMove.customer_id).where(
            SegmentMove.segment_id == self.segment.id,
            SegmentMove.joined == False,  # noqa: E712
        )
        outside = conditions.compile({"not": {"segment": self.segment.key}}, self.form, ctx)
        return self.form.col("id").in_(left) & outside

    def words(self) -> str:
        return _("客户离开客群「%(segment)s」时", segment=self.segment.label)


@register
class Called(Trigger):
    """``{"webhook": connection}``: another system has called, and the call led to a record of the form."""

    key = "webhook"
    label = _l("收到外部通知时")
    icon = "webhook"
    template = "automation/triggers/webhook.html"

    def check(self) -> None:
        key = self.doc[self.key]
        if not isinstance(key, str) or not key:
            raise TriggerError(_("请选择一个连接。"))
        if not ConnectionRow.select().where(ConnectionRow.key == key, ConnectionRow.deleted_at.is_null()).exists():
            raise TriggerError(_("没有连接「%(key)s」，它可能已被删除。", key=key))
        self.connection = key

    def words(self) -> str:
        return _("「%(connection)s」发来通知时", connection=_connection_name(self.connection))

    def listens(self) -> list[Wish]:
        return [Wish("webhook", self.connection, stream=Calls.key)]

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        rows = ConnectionRow.select().where(ConnectionRow.deleted_at.is_null()).order_by(ConnectionRow.id)
        return {"chosen": doc.get(cls.key) or "", "connections": [(row.key, row.label) for row in rows]}

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        return {cls.key: values.get("webhook.connection", "")}
