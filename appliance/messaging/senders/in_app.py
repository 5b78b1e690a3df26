"""A notice inside the app: the bell of the top bar. Nobody outside has to take it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from ...accounts import notices
from ...connections.kinds import Connection
from .base import Message, Outcome, Target, Transport


class InApp(Transport):
    reaches = frozenset({"user"})
    repeatable = True

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        return {t: str(t.id) for t in targets if t.kind == "user" and t.id}

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        text = f"{message.subject}：{message.text}" if message.subject else message.text
        parts = urlsplit(message.link)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        notices.tell([int(message.to)], "message", text, path or None)
        return Outcome.delivered()
