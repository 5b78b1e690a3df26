"""What a sender is. A way out (``via``) is a :class:`Sender`; each platform that it can go through is a
:class:`Transport`, one file a platform; ``__init__`` lists them.

The outbox asks a sender where somebody is reached, what the platform's limits are and what a piece costs, and gives it
one message at a time; it alone decides when, how often and whether again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from flask_babel import gettext as _
from msgspec import Struct, field

from ...connections import health
from ...connections import store as connections
from ...connections.kinds import Connection
from ...core import clock, jobs, outbound
from ...core.errors import UserError

log = logging.getLogger(__name__)

CONFIRM = "messages.confirm"
"""The kind of the job that asks what became of a message."""
RETRY_AFTER = 60
"""Seconds until the next try when the platform does not say."""


class Target(Struct, frozen=True):
    """Whom a message is for. ``kind``: user, customer, address (``text`` is one already) or group (the connection's own)."""

    kind: str
    id: int | None = None
    text: str = ""

    @classmethod
    def user(cls, user_id: int) -> Target:
        return cls("user", user_id)

    @classmethod
    def customer(cls, customer_id: int) -> Target:
        return cls("customer", customer_id)

    @classmethod
    def address(cls, text: str) -> Target:
        return cls("address", None, text)

    @classmethod
    def group(cls) -> Target:
        return cls("group")


class Message(Struct, frozen=True):
    """One message as it goes out. ``key``: unique, the same at every try. ``to``: what :meth:`Sender.address_of` said.

    ``template_code`` and ``template_params``: the platform's own template (text messages go out by one), in the order of
    its variables. ``link``: a whole URL. ``unsubscribe``: a URL or ``mailto:`` for letters that advertise.
    """

    key: str
    to: str
    text: str
    subject: str = ""
    link: str = ""
    purpose: str = "service"
    target: Target = field(default_factory=Target.group)
    template_code: str = ""
    template_params: Mapping[str, str] = field(default_factory=dict)
    unsubscribe: str = ""


class Outcome(Struct, frozen=True):
    """How a try ended.

    ``delivered``: the platform took it. ``failed``: it never will; ``error`` says why, in words for people. ``retry``: not
    now; again after ``retry_after`` seconds. ``unknown``: it may have gone out; never tried again by itself.
    ``credentials``: it failed because the connection itself is refused, so the next message would fail too.
    """

    state: str
    provider_id: str | None = None
    error: str | None = None
    retry_after: int | None = None
    credentials: bool = False

    @classmethod
    def delivered(cls, provider_id: object = None) -> Outcome:
        return cls("delivered", None if provider_id in (None, "") else str(provider_id))

    @classmethod
    def failed(cls, error: object, *, credentials: bool = False) -> Outcome:
        return cls("failed", error=str(error), credentials=credentials)

    @classmethod
    def retry(cls, error: object, after: int = RETRY_AFTER) -> Outcome:
        return cls("retry", error=str(error), retry_after=after)

    @classmethod
    def unknown(cls, error: object) -> Outcome:
        return cls("unknown", error=str(error))


class Receipt(Struct, frozen=True):
    """What became of a message on its way from the platform to the receiver. ``provider_id``: as :class:`Outcome` had it;
    ``mark``: what we gave along with it (empty: the platform does not say). ``error``: why it did not arrive, in words."""

    provider_id: str
    address: str
    arrived: bool
    error: str = ""
    mark: str = ""


class Reply(Struct, frozen=True):
    """What somebody answered to a message. ``id``: the platform's own, the same when it tells again. ``at``: UTC seconds."""

    address: str
    text: str
    id: str
    at: int | None = None


class Rejected(UserError):
    """A call that comes before the sending (for a token) was turned down; ``outcome`` says how the try ended."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error or "")


class Limit(Struct, frozen=True):
    """At most ``count`` messages in ``seconds``. ``per``: connection, or address (of one connection)."""

    count: int
    seconds: int
    per: str = "connection"


class Transport:
    """One platform's way of carrying a message; one object each, without state of its own."""

    kind: ClassVar[str | None] = None
    """The kind of connection it goes through; ``None``: it needs none."""
    reaches: ClassVar[frozenset[str]] = frozenset()
    """Some of user, customer, address, group."""
    paid: ClassVar[bool] = False
    """Each piece costs money: what may have gone out is never sent again by itself."""
    repeatable: ClassVar[bool] = False
    """Sending the same message twice does no harm: the other side knows it by its key, or it is an internal notice."""
    confirm_after: ClassVar[int | None] = None
    """Seconds after which :meth:`confirm` knows what became of a message that the platform took; ``None``: it never does."""
    by_template: ClassVar[bool] = False
    """The platform takes only its own reviewed templates (``template_code``)."""

    thanks: ClassVar[Mapping[str, Any]] = {}
    """What the platform wants to hear when it reports something."""

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        """Where each is reached; who cannot be is left out. Reads the database once for all."""
        return {t: t.text for t in targets if t.kind == "address" and "address" in self.reaches and t.text}

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        """The platform's own rules; what goes beyond them waits."""
        return ()

    def cost(self, message: Message, connection: Connection | None) -> int:
        """What the message costs, in hundredths of a fen."""
        return 0

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        """Why the platform would not take it (too long, no template), in words for people; ``None`` when it would."""
        return None

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        """One try, outside of any transaction."""
        raise NotImplementedError

    def confirm(self, message: Message, provider_id: str, connection: Connection | None) -> Outcome | None:
        """What became of a message that the platform took, where it tells only later; ``None``: nothing new yet."""
        return None

    def heard(self, doc: Any) -> list[Receipt | Reply]:
        """What the platform tells when it calls us. Raises :class:`UserError` for what is none of its reports."""
        raise UserError(_("这个平台不会推送回执。"))


class Sender:
    """A way out. ``transports``: the platforms it can go through, the usual one first."""

    def __init__(self, name: str, label: Any, icon: str, *transports: Transport) -> None:
        self.name, self.label, self.icon, self.transports = name, label, icon, transports

    @property
    def connection_kinds(self) -> tuple[str, ...]:
        """The kinds of connections it goes through; empty: it needs none."""
        return tuple(t.kind for t in self.transports if t.kind)

    @property
    def reaches(self) -> frozenset[str]:
        return frozenset(kind for t in self.transports for kind in t.reaches)

    def transport(self, connection: Connection | None) -> Transport:
        """Raises :class:`UserError` for a connection of another kind."""
        kind = connection.kind if connection else None
        for t in self.transports:
            if t.kind == kind:
                return t
        raise UserError(_("「%(sender)s」不能通过这个连接发送。", sender=str(self.label)))

    def connection_for(self, target: Target, key: str | None = None) -> Connection | None:
        """The connection that a message for ``target`` goes through: the one named, else the first that is switched on.

        Raises :class:`UserError` when there is none.
        """
        fitting = [t for t in self.transports if target.kind in t.reaches]
        if not fitting:
            raise UserError(_("「%(sender)s」不能发给这样的对象。", sender=str(self.label)))
        if any(t.kind is None for t in fitting):
            return None
        wanted = [t.kind for t in fitting if t.kind]
        if key is None:
            found = next((c for c in connections.of_kind(*wanted) if c.enabled), None)
            if found is None:
                raise UserError(_("还没有可用的「%(sender)s」连接，请管理员在「设置 → 连接」里添加。", sender=str(self.label)))  # fmt: skip
            return found
        found = connections.get(key)
        if found.kind not in wanted:
            raise UserError(_("「%(sender)s」不能通过连接「%(connection)s」发给这样的对象。", sender=str(self.label), connection=found.label))  # fmt: skip
        if not found.enabled:
            raise UserError(_("连接「%(connection)s」已停用。", connection=found.label))
        return found

    def addresses(self, targets: Iterable[Target], connection: Connection | None = None) -> dict[Target, str]:
        """Where each target is reached, through ``connection``, else in any way of this sender; without whom it does not
        reach."""
        todo = list(targets)
        found: dict[Target, str] = {}
        for t in [self.transport(connection)] if connection else self.transports:
            found = t.addresses(x for x in todo if x.kind in t.reaches) | found
        return found

    def address_of(self, target: Target, connection: Connection | None = None) -> str | None:
        return self.addresses([target], connection).get(target)

    def paid(self, connection: Connection | None) -> bool:
        return self.transport(connection).paid

    def repeatable(self, connection: Connection | None) -> bool:
        return self.transport(connection).repeatable

    def by_template(self, connection: Connection | None) -> bool:
        return self.transport(connection).by_template

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return self.transport(connection).limits(connection)

    def cost(self, message: Message, connection: Connection | None) -> int:
        """In hundredths of a fen."""
        return self.transport(connection).cost(message, connection)

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return self.transport(connection).refusal(message, connection)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        """One try, outside of any transaction: whatever happens is an outcome. The connection's state is kept in step."""
        transport = self.transport(connection)
        if why := transport.refusal(message, connection):
            return Outcome.failed(why)
        try:
            outcome = transport.deliver(message, connection)
        except Rejected as error:
            outcome = error.outcome
        except outbound.Failed as error:
            outcome = Outcome.unknown(error.message) if error.uncertain else Outcome.retry(error.message)
        except UserError as error:
            # A host that may not be called, a secret that cannot be opened.
            outcome = Outcome.failed(error.message, credentials=True)
        except Exception as error:
            # It may have happened after the platform had the request.
            log.exception("sending through %s broke", self.name)
            outcome = Outcome.unknown(_("发送时出错（%(why)s）。", why=type(error).__name__))
        if connection and transport.confirm_after and outcome.state == "delivered" and outcome.provider_id:
            asked = {"via": self.name, "connection": connection.key, "key": message.key, "to": message.to}
            jobs.enqueue(
                CONFIRM, asked | {"provider_id": outcome.provider_id}, due_at=clock.now() + transport.confirm_after
            )
        if connection:
            health.note(
                connection, ok=outcome.state == "delivered", error=_trouble(outcome), refused=outcome.credentials
            )
        return outcome

    def confirm(self, message: Message, provider_id: str, connection: Connection | None) -> Outcome | None:
        """Asks what became of a message that was taken; ``None``: nothing new. Never raises."""
        try:
            return self.transport(connection).confirm(message, provider_id, connection)
        except Exception:
            log.exception("asking %s broke", self.name)
            return None


def _trouble(outcome: Outcome) -> str | None:
    """What says something about the connection, not about one message: the address was wrong is no fault of it."""
    return outcome.error if outcome.credentials or outcome.state in ("retry", "unknown") else None
