"""API tokens. A token acts as the person who made it, or for less (:class:`Scope`); the database knows only its SHA-256."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets as random
from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from msgspec.structs import replace

from ..core import clock, jobs, schema, settings
from ..core.db import read, write
from ..core.errors import Forbidden, NotFound, UserError
from . import audit, notices, users
from .actor import Actor
from .cache import Cache, forget
from .models import ApiToken, User
from .permissions import ANY, VERBS, FormRights, Rights, rights_of

PREFIX = "guke_"
SHOWN = 10
USED_EVERY = 60
"""``last_used_at`` is written at most this often (seconds)."""
WARNED_BEFORE = 7 * clock.DAY
"""The person is told so many seconds before a token ends."""
LONGEST = 3650
"""Days."""

READING = frozenset({"see", "export"})
WRITING = frozenset(VERBS) - {"design", "purge"}

_FORM = re.compile(r"form:([a-z][a-z0-9_]*)")
_RECORDS = re.compile(r"/api/v1/(forms/[^/]+/(records|query|merges)|files|events|tasks|pool/[^/:]+|leads)([/:].*)?")
_ASKING = re.compile(r"/api/v1/forms/[^/]+/(query|records:(count|aggregate))")
_DEFINITIONS = re.compile(r"/api/v1/forms(/[^/]+(/fields([/:].*)?)?)?")
_ABOUT = ("/api/v1/me", "/api/v1/openapi.json")
_SAFE = ("GET", "HEAD", "OPTIONS")


class Scope(Struct, frozen=True):
    """What a token may do of what its person may.

    ``access``: ``read`` or ``write`` (records), or empty: no records at all. ``definitions``: it may also change forms
    and fields. ``forms``: the keys of the only forms it knows; empty: every form.
    """

    access: str = "write"
    definitions: bool = False
    forms: tuple[str, ...] = ()

    @classmethod
    def read(cls, words: Iterable[str]) -> Scope | None:
        """From ``full``, ``read``, ``write``, ``definitions`` and ``form:<key>``; ``None``: everything.

        Raises :class:`UserError`.
        """
        given = list(dict.fromkeys(word.strip() for word in words if word.strip()))
        if not given or given == ["full"]:
            return None
        unknown = [w for w in given if w not in ("read", "write", "definitions") and not _FORM.fullmatch(w)]
        if unknown:
            raise UserError(
                _(
                    "权限范围不能是 %(word)s；可以用 read、write、definitions、form:表单，或单独用 full。",
                    word="、".join(unknown),
                ),
                "scope",
            )
        forms = tuple(w.removeprefix("form:") for w in given if w.startswith("form:"))
        access = "write" if "write" in given else "read" if "read" in given else ""
        definitions = "definitions" in given
        return cls(access or ("" if definitions else "write"), definitions, forms)

    @classmethod
    def open(cls, document: Any) -> Scope | None:
        if not document:
            return None
        return cls(document.get("access", ""), bool(document.get("definitions")), tuple(document.get("forms", ())))

    def document(self) -> dict[str, Any]:
        return {"access": self.access, "definitions": self.definitions, "forms": list(self.forms)}

    def allows(self, method: str, path: str) -> bool:
        """Whether a request of the API is within the scope at all; which records it reaches is up to the rights."""
        asks = method in _SAFE
        if asks and path in _ABOUT:
            return True
        if _RECORDS.fullmatch(path):
            return self.access == "write" or (self.access == "read" and (asks or bool(_ASKING.fullmatch(path))))
        if _DEFINITIONS.fullmatch(path):
            return asks or self.definitions
        return asks and bool(self.access)

    def narrow(self, actor: Actor) -> Actor:
        """The actor with what the scope leaves; an administrator is none any more."""
        verbs = {"read": READING, "write": WRITING}.get(self.access, frozenset({"see"}))
        if self.definitions:
            verbs |= {"design"}
        whole = FormRights(verbs)
        held = [Rights(admin=True)] if actor.is_admin else rights_of(actor)
        return replace(actor, is_admin=False, rights=tuple(self._cut(r, verbs, whole) for r in held), limit=self)

    def _cut(self, rights: Rights, verbs: frozenset[str], whole: FormRights) -> Rights:
        keys = self.forms or (ANY, *rights.forms)
        on = {key: whole if rights.admin else rights.on(key) for key in keys}
        cut = {key: replace(found, verbs=found.verbs & verbs) for key, found in on.items()}
        return Rights(forms=cut, rooms=frozenset())

    def words(self, labels: dict[str, str]) -> str:
        """``只读 · 订单``. ``labels``: form key → label."""
        parts = [{"read": _("只读记录"), "write": _("读写记录")}.get(self.access, "")]
        parts += [_("表单定义")] if self.definitions else []
        parts += [_("仅 %(forms)s", forms=_("、").join(labels.get(k, k) for k in self.forms))] if self.forms else []
        return " · ".join(part for part in parts if part)


class Token(Struct, frozen=True):
    """A living token: whose it is and until when."""

    id: int
    actor: Actor
    expires_at: int | None


Forms = Callable[[Actor], dict[str, str]]
_forms: list[Forms] = []


def known_forms(fn: Forms) -> Forms:
    """Registers what knows the forms: ``{key: label}`` of those that an actor sees."""
    _forms.append(fn)
    return fn


def forms_for(actor: Actor) -> dict[str, str]:
    """The forms that a token of ``actor`` can be limited to."""
    return {key: text for fn in _forms for key, text in fn(actor).items()}


_tokens: Cache[Token | None] = Cache()
_used: dict[int, int] = {}


def create(
    user_id: int,
    name: str,
    *,
    expires_at: int | None = None,
    scope: Scope | None = None,
    actor: Actor | None = None,
) -> str:
    """Makes a token and returns it, for the only time. Raises :class:`UserError`."""
    user, name = users.get(user_id), name.strip()
    if not 0 < len(name) <= 80:
        raise UserError(_("请给令牌起个名字，例如使用它的系统名，最多 80 个字。"), "name")
    if not user.active:
        raise UserError(_("%(name)s 已停用，不能创建令牌。", name=user.name))
    if expires_at is not None and expires_at <= clock.now():
        raise UserError(_("到期日要在今天之后。"), "expires")
    if scope and scope.forms:
        acts_for = users.actor_of(user.id)
        there = forms_for(acts_for) if acts_for else {}
        if unknown := [key for key in scope.forms if key not in there]:
            raise UserError(_("没有表单 %(form)s，请用表单的键，例如 order。", form="、".join(unknown)), "scope")
    token = PREFIX + random.token_urlsafe(32)
    with write():
        token_id = ApiToken.insert(
            user=user_id,
            name=name,
            hash=_hash(token),
            prefix=token[:SHOWN],
            created_at=clock.now(),
            expires_at=expires_at,
            scope=scope.document() if scope else None,
        ).execute()
        detail = {"token": token_id, "name": name, "user": user_id}
        if scope:
            detail["scope"] = scope.words({})
        audit.note("token.created", detail, actor)
    return token


def verify(token: str) -> Actor | None:
    """The actor a living token acts for. What is revoked here ends at once, elsewhere within five seconds."""
    if not token.startswith(PREFIX):
        return None
    key = _hash(token)
    found = _tokens.get(key, lambda: _load(key))
    now = clock.now()
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    if now - _used.get(found.id, 0) >= USED_EVERY:
        _used[found.id] = now
        with write():
            ApiToken.update(last_used_at=now).where(ApiToken.id == found.id).execute()
    return found.actor


def _load(key: str) -> Token | None:
    with read():
        row = ApiToken.get_or_none(ApiToken.hash == key, ApiToken.revoked_at.is_null())
        actor = users.actor_of(row.user_id) if row else None
    if actor is None:
        return None
    scope = Scope.open(row.scope)
    return Token(row.id, scope.narrow(actor) if scope else actor, row.expires_at)


def demand(actor: Actor, method: str, path: str) -> None:
    """Raises :class:`Forbidden` when the token that ``actor`` came with is not made for such a request."""
    if actor.limit is not None and not actor.limit.allows(method, path):
        raise Forbidden(_("这个 API 令牌的权限范围不包括这个操作。需要时请换一个范围更大的令牌。"))


def end_of_text(text: str) -> int | None:
    """The end from a day or from a number of days (``90d``); empty: none. Raises :class:`UserError`."""
    text = text.strip()
    days = text.removesuffix("d")
    if days != text and days.isdecimal() and 0 < int(days[:6]) <= LONGEST:
        return clock.now() + int(days) * clock.DAY
    return end_of(text) if text else None


def end_of(day: str) -> int:
    """The end of a day (``2027-06-30``) in the company's time zone. Raises :class:`UserError`."""
    try:
        date = dt.date.fromisoformat(day.strip())
        end = clock.start_of(date + dt.timedelta(days=1), settings.tz())
    except (ValueError, OverflowError):
        raise UserError(_("请按 2027-06-30 的样子填写到期日。"), "expires") from None
    if end > clock.now() + LONGEST * clock.DAY:
        raise UserError(_("到期日最远可以是 10 年后。"), "expires")
    return end


def of(user_id: int) -> list[ApiToken]:
    """The person's living tokens, newest first."""
    return _living(ApiToken.user == user_id)


def everybodys() -> list[ApiToken]:
    """The living tokens of all people, newest first, each with its user."""
    return _living(True)


def _living(which: Any) -> list[ApiToken]:
    query = ApiToken.select(ApiToken, User).join(User).where(ApiToken.revoked_at.is_null())
    with read():
        return list((query if which is True else query.where(which)).order_by(ApiToken.id.desc()))


def soon(expires_at: int | None) -> bool:
    """Whether a token that ends then should be replaced now."""
    return expires_at is not None and expires_at - clock.now() <= WARNED_BEFORE


def revoke(token_id: int, actor: Actor) -> None:
    """Ends a token of the actor's own; an administrator ends anybody's. Raises :class:`NotFound`."""
    mine = ApiToken.id == token_id if actor.is_admin else (ApiToken.id == token_id) & (ApiToken.user == actor.id)
    with write():
        if not ApiToken.update(revoked_at=clock.now()).where(mine, ApiToken.revoked_at.is_null()).execute():
            raise NotFound(_("没有这个令牌，可能已被撤销。"))
        audit.note("token.revoked", {"token": token_id}, actor)
        forget()


@schema.seed
def timer() -> None:
    jobs.schedule("accounts.token_warnings", "10 9 * * *", "accounts.token_warnings")


@jobs.handler("accounts.token_warnings", label=_l("提醒将到期的 API 令牌"))
def warn(job: jobs.Job) -> dict[str, int]:
    """Tells people, once, which of their tokens end within a week."""
    now = clock.now()
    ending = ApiToken.expires_at.between(now + 1, now + WARNED_BEFORE)
    rows = _living(ending & ApiToken.warned_at.is_null())
    for row in rows:
        with write():
            ApiToken.update(warned_at=now).where(ApiToken.id == row.id).execute()
            notices.tell([row.user_id], "token", _ends_soon(row), "/settings/tokens")
    return {"warned": len(rows)}


def _ends_soon(row: ApiToken) -> notices.Words:
    days = max(1, -(-(row.expires_at - clock.now()) // clock.DAY))
    return lambda actor: _(
        "API 令牌「%(name)s」%(days)s 天后到期。请先换上新令牌，以免用它的系统断开。", name=row.name, days=days
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
