"""Settings of the company, kept in the database; each is declared once, by the room that obeys it.

Values are cached; a token that changes with every :func:`set` is compared on each read (about 10 µs), so that the
server sees at once what the command line changed, and a rolled-back change is never served.
"""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g, has_request_context
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from . import clock
from .db import db, in_write, read, write
from .errors import UserError
from .models import Setting

_VERSION = "_version"


class Declared(Struct, frozen=True):
    """One setting. ``kind``: text, integer, boolean, choice, time (``HH:MM``), timezone, or one added by :func:`kind`."""

    key: str
    default: Any
    label: Any
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    help: Any = None
    least: int | None = None
    most: int | None = None

    def parse(self, raw: Any) -> Any:
        """The value to keep for what a person typed. Raises :class:`UserError`."""
        return _PARSERS[self.kind](self, raw)


_declared: dict[str, Declared] = {}
_watchers: dict[str, list[Callable[[Any], None]]] = {}
_cache: tuple[str, dict[str, Any]] = ("", {})
_held: dict[str, Any] = {}


def declare(
    key: str,
    default: Any,
    label: Any,
    kind: str = "text",
    *,
    options: dict[str, Any] | None = None,
    help: Any = None,
    least: int | None = None,
    most: int | None = None,
) -> None:
    """Makes a setting known. ``options``: value → label for a choice; ``least`` and ``most`` bound an integer."""
    if key in _declared:
        raise ValueError(f"setting {key!r} is declared twice; remove one")
    if kind not in _PARSERS:
        raise ValueError(f"setting {key!r}: kind must be one of {', '.join(_PARSERS)}")
    _declared[key] = Declared(key, default, label, kind, options or {}, help, least, most)


def kind(name: str, parser: Callable[[Declared, Any], Any]) -> None:
    """Adds a kind of setting: what ``parser`` returns is kept; it raises :class:`UserError`."""
    if name in _PARSERS:
        raise ValueError(f"settings of kind {name!r} are known already; choose another name")
    _PARSERS[name] = parser


def declared(prefix: str = "") -> list[Declared]:
    """All settings whose key starts with ``prefix``, in the order of declaration."""
    return [d for d in _declared.values() if d.key.startswith(prefix)]


def on_change(key: str, fn: Callable[[Any], None]) -> None:
    """Calls ``fn(new value)`` inside the transaction that changes ``key``."""
    _watchers.setdefault(key, []).append(fn)


def get(key: str) -> Any:
    """The company's value, else the default."""
    setting = _find(key)
    if not db.database:
        return _held.get(key, setting.default)
    value = _values().get(key)
    return setting.default if value is None else value


def hold(values: dict[str, Any]) -> None:
    """Answers from ``values`` in a process that has no database (the reader of imported files)."""
    _held.update(values)


def set(key: str, value: Any, actor: Any = None) -> None:
    """Changes one setting. ``actor`` has an ``id`` (``None``: the system). Raises :class:`UserError`."""
    parsed = _find(key).parse(value)
    if has_request_context():
        g.pop("settings", None)
    with write():
        _put(key, parsed, getattr(actor, "id", None))
        _put(_VERSION, random.token_hex(8), None)
        for fn in _watchers.get(key, ()):
            fn(parsed)


def tz() -> ZoneInfo:
    """The company's time zone."""
    return clock.zone(get("company.timezone"))


def _find(key: str) -> Declared:
    try:
        return _declared[key]
    except KeyError:
        raise KeyError(f"no setting {key!r}; declare it in the room that obeys it") from None


def _put(key: str, value: Any, actor_id: int | None) -> None:
    Setting.insert(key=key, value=value, updated_at=clock.now(), updated_by=actor_id).on_conflict(
        conflict_target=[Setting.key],
        preserve=[Setting.value, Setting.updated_at, Setting.updated_by],
    ).execute()


_version_query = Setting.select(Setting.value).where(Setting.key == _VERSION).sql()


def _values() -> dict[str, Any]:
    """All values. Within one request they stay as they were at its beginning, unless it changes them itself."""
    if not has_request_context():
        return _current()
    known: dict[str, Any] | None = g.get("settings")
    if known is None:
        known = _current()
        if not in_write():
            g.settings = known
    return known


def _current() -> dict[str, Any]:
    global _cache
    with read():
        row = db.execute_sql(*_version_query).fetchone()
        version = f"{db.database}:{row[0] if row else ''}"
        if version != _cache[0]:
            # The token is read first: a change between the two reads only costs one more reading.
            _cache = (version, dict(Setting.select(Setting.key, Setting.value).tuples()))
        return _cache[1]


def _text(setting: Declared, raw: Any) -> str:
    return str(raw or "").strip()


def _integer(setting: Declared, raw: Any) -> int:
    try:
        value = int(str(raw).strip())
    except ValueError:
        raise UserError(_("请填写整数。"), setting.key) from None
    if (setting.least is not None and value < setting.least) or (setting.most is not None and value > setting.most):
        raise UserError(
            _("请填写 %(least)s 到 %(most)s 之间的整数。", least=setting.least, most=setting.most), setting.key
        )
    return value


def _boolean(setting: Declared, raw: Any) -> bool:
    return raw if isinstance(raw, bool) else str(raw).strip().lower() in ("1", "true", "on", "yes", "是")


def _choice(setting: Declared, raw: Any) -> str:
    if raw not in setting.options:
        raise UserError(_("请从列表中选择一项。"), setting.key)
    return str(raw)


def _time(setting: Declared, raw: Any) -> str:
    text = str(raw).strip()
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise UserError(_("请按 24 小时制填写时间，例如 03:30。"), setting.key)
    return text


def _timezone(setting: Declared, raw: Any) -> str:
    name = str(raw).strip()
    try:
        clock.zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(_("没有这个时区，请填写如 Asia/Shanghai 的名称。"), setting.key) from None
    return name


_PARSERS: dict[str, Callable[[Declared, Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "time": _time,
    "timezone": _timezone,
}

declare("company.name", "", _l("公司名称"))
declare("company.timezone", "Asia/Shanghai", _l("时区"), "timezone")
declare("company.locale", "zh", _l("默认语言"), "choice", options={"zh": "中文", "en": "English"})
declare("company.currency", "CNY", _l("货币"), "choice", options={"CNY": _l("人民币 ¥")})
