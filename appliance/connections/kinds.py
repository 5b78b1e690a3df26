"""The kinds of outside systems. A higher room registers its own: what it asks for, and how to try whether it works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flask_babel import gettext as _
from msgspec import Struct, field

from ..core.errors import FieldErrors, UserError
from .params import Param


class Connection(Struct, frozen=True):
    """One configured outside system, opened for use. ``config``: every param by key, the secret ones in clear: it goes
    into no log, page or answer."""

    id: int
    key: str
    kind: str
    label: str
    enabled: bool
    config: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    """Rises when it is edited; what was learnt with older params (a token) no longer counts."""

    def __repr__(self) -> str:
        return f"Connection({self.key!r}, {self.kind!r}, version={self.version})"


class Kind:
    """A kind of outside system; one object each, without state of its own."""

    key: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str] = "plug"
    about: ClassVar[Any] = ""
    """One sentence: what it is for."""
    order: ClassVar[int] = 100
    """Its place where kinds are offered."""
    group: ClassVar[str] = "out"
    """``out``: we call it; ``in``: it calls us."""
    params: ClassVar[tuple[Param, ...]] = ()
    costs: ClassVar[Any] = ""
    """What the test button does that people should know before (it posts a message into the group)."""

    listens: ClassVar[str | None] = None
    """The secret param by which the platform is known when it calls us back at ``/hooks/{key}``; ``None``: it never does."""
    hears: ClassVar[Any] = ""
    """What it tells us then, for people."""

    page: ClassVar[str | None] = None
    """The endpoint that goes on after one was added (it gets ``key``); ``None``: its own page of settings."""

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        """What is wrong with params that are right one by one: param key → sentence."""
        return {}

    def test(self, connection: Connection) -> str:
        """Really calls the other side; returns a sentence of what went well.

        Raises :class:`UserError` that says what is wrong and what to do.
        """
        raise NotImplementedError

    @property
    def inputs(self) -> list[Param]:
        """The params that its page of settings asks for; others have a page of their own."""
        return [p for p in self.params if p.input != "none"]

    def read(self, given: Mapping[str, Any], kept: Mapping[str, Any], *, secrets_later: bool = False) -> dict[str, Any]:
        """All params from what was typed or sent; a secret that was left blank and one that is not given stay as ``kept``.

        ``secrets_later``: those that are required may be missing still. Raises :class:`FieldErrors`; the errors of params stand under ``params.<key>``.
        """
        found: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for p in self.params:
            if p.key not in given or (p.secret and not str(given[p.key] or "").strip()):
                found[p.key] = kept.get(p.key, p.default)
            else:
                try:
                    found[p.key] = p.read(given[p.key])
                except ValueError as error:
                    errors[p.key] = str(error)
            if p.secret and secrets_later:
                continue
            if p.required and p.key not in errors and found[p.key] in (None, ""):
                errors[p.key] = _("请填写「%(param)s」。", param=str(p.label))
        if not errors:
            late = {p.key for p in self.params if p.secret} if secrets_later else set()
            errors = {key: said for key, said in self.check(found).items() if key not in late}
        if errors:
            raise FieldErrors({f"params.{key}": message for key, message in errors.items()})
        return found


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Adds a kind. Raises on a key that is taken."""
    if kind.key in _kinds:
        raise ValueError(f"connections of kind {kind.key!r} are registered twice")
    _kinds[kind.key] = kind
    return kind


def get(key: str) -> Kind:
    """Raises :class:`UserError` for a kind that does not exist."""
    try:
        return _kinds[key]
    except KeyError:
        known = _("、").join(sorted(_kinds))
        raise UserError(_("没有「%(kind)s」这种连接，可用：%(known)s。", kind=key, known=known), "kind") from None


def all_kinds() -> list[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.order)
