"""A way out that goes nowhere: what it was given, and what it shall answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import Flask

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM, Actor
from appliance.connections.kinds import Connection
from appliance.core.db import write
from appliance.customers import consents
from appliance.forms import catalog, records
from appliance.forms.hooks import Cause
from appliance.messaging import outbox, senders
from appliance.messaging.models import Message
from appliance.messaging.outbox import Draft, Reserved
from appliance.messaging.senders import Limit, Outcome, Sender, Target, Transport

NOON = "2026-06-15T12:00:00+08:00"


class Pigeons(Transport):
    """Carries to customers by their phone, to people by their number. ``answers``: key of a message → its outcomes in turn."""

    kind = "pigeons"
    reaches = frozenset({"user", "customer", "address", "group"})
    paid = True

    def __init__(self) -> None:
        self.sent: list[senders.Message] = []
        self.answers: dict[str, list[Outcome | Exception]] = {}
        self.rules: tuple[Limit, ...] = ()
        self.guard = threading.Lock()
        self.at_once = self.most_at_once = 0
        self.pause = 0.0

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        wanted = list(targets)
        found = super().addresses(wanted)
        form = catalog.get("customer")
        ids = [t.id for t in wanted if t.kind == "customer"]
        phones = dict(form.table.select(form.col("id"), form.col("phone")).where(form.col("id").in_(ids)).tuples())
        found |= {t: phones[t.id] for t in wanted if t.kind == "customer" and phones.get(t.id)}
        return found | {t: f"person-{t.id}" for t in wanted if t.kind == "user"}

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return self.rules

    def cost(self, message: senders.Message, connection: Connection | None) -> int:
        return 450 * (1 + len(message.text) // 70)

    def deliver(self, message: senders.Message, connection: Connection | None) -> Outcome:
        with self.guard:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.sent.append(message)
            queue = self.answers.get(message.key)
            answer = queue.pop(0) if queue else Outcome.delivered(f"p-{len(self.sent)}")
        time.sleep(self.pause)
        with self.guard:
            self.at_once -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.sent]


class Loft(Sender):
    """Pigeons need no set-up: the connection is simply there, unless it is taken away."""

    open = True

    def connection_for(self, target: Target, key: str | None = None) -> Connection | None:
        if not self.open:
            return super().connection_for(target, key)
        return Connection(1, key or "loft", "pigeons", "鸽房", True)


@pytest.fixture
def pigeons(app: Flask) -> Iterator[Pigeons]:
    carrier = Pigeons()
    loft = senders.register(Loft("pigeon", "信鸽", "feather", carrier))
    carrier.loft = loft  # type: ignore[attr-defined]
    yield carrier
    del senders.SENDERS["pigeon"]


def customer(name: str = "林小雨", phone: str | None = "13800000001", agrees: bool = False, **values: Any) -> int:
    made = records.create(catalog.get("customer"), {"name": name, "phone": phone, **values}, SYSTEM)
    if agrees:
        consents.record(made, "marketing", list(consents.CHANNELS), "granted", "phone", SYSTEM)
    return made


def reserve(*drafts: Draft, cause: Cause | None = None, actor: Actor = SYSTEM) -> list[Reserved]:
    with write():
        return outbox.send(drafts, cause or Cause("rule", 7), actor)


def to(customer_id: int, text: str = "您好", key: str = "", **more: Any) -> Draft:
    return Draft("pigeon", Target.customer(customer_id), text, key=key, **more)


def row(key: str) -> Message:
    return Message.get(Message.key == key)


def person(login: str) -> Actor:
    found = users.by_login(login)
    assert found
    actor = users.actor_of(found.id)
    assert actor
    return actor


Work = Callable[[], dict[str, Any]]
