"""What people say about a record, below it: with ``@name`` somebody else is told.

A comment is seen by whoever may see its record, and by nobody else: every verb here is handed a record that its reader got
from the query gate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from markupsafe import Markup, escape
from msgspec import Struct

from ..accounts import notices, people, users
from ..accounts.actor import Actor
from ..core import clock
from ..core.db import read, write
from ..core.errors import FieldErrors, Forbidden, NotFound
from . import query
from .models import Comment

if TYPE_CHECKING:
    from .query import Record

PAGE = 30
LONGEST = 5_000
OFFERED = 8
TOLD = 50
"""Nobody can call more people than this with one comment."""


class Said(Struct, frozen=True):
    """One comment as its reader sees it. ``own``: the reader may change it; ``removable``: or take it away."""

    id: int
    author: str
    text: str
    html: Markup
    at: int
    edited_at: int | None
    own: bool
    removable: bool


def of(record: Record, actor: Actor, before: int | None = None) -> tuple[list[Said], int | None]:
    """A page of the record's comments, newest first (older than the comment ``before``), and the id to go on from."""
    wanted = _living(record)
    if before:
        wanted &= Comment.id < before
    with read():
        rows = list(Comment.select().where(wanted).order_by(Comment.id.desc()).limit(PAGE + 1))
    names = _tokens(active_only=False)
    return [_said(row, actor, names) for row in rows[:PAGE]], rows[PAGE - 1].id if len(rows) > PAGE else None


def below(record: Record, actor: Actor, test: Callable[[Any, Any], Any], limit: int) -> list[Said]:
    """The record's comments, newest first by moment and id, as far as ``test(moment, id)`` holds of their columns."""
    with read():
        rows = Comment.select().where(_living(record), test(Comment.at, Comment.id))
        found = list(rows.order_by(Comment.at.desc(), Comment.id.desc()).limit(limit))
    names = _tokens(active_only=False) if found else {}
    return [_said(row, actor, names) for row in found]


def count(record: Record) -> int:
    with read():
        return int(Comment.select().where(_living(record)).count())


def _living(record: Record) -> Any:
    return (
        (Comment.form_id == record.form.id) & (Comment.record_id == record.id) & Comment.deleted_at.is_null()
    )  # fmt: skip


def _said(row: Comment, actor: Actor, names: dict[str, int]) -> Said:
    own = row.author_id == actor.id
    author = people.name(row.author_id) if row.author_id else _("固客")
    html = _html(row.text, names, set(row.mentions))
    return Said(row.id, author, row.text, html, row.at, row.edited_at, own, own or actor.is_admin)


def one(record: Record, comment_id: int, actor: Actor, *, deleted: bool = False) -> Said:
    """Raises NotFound."""
    return _said(_row(record, comment_id, deleted), actor, _tokens(active_only=False))


def _row(record: Record, comment_id: int, deleted: bool = False) -> Comment:
    with read():
        row = Comment.get_or_none(
            Comment.id == comment_id, Comment.form_id == record.form.id, Comment.record_id == record.id,
            Comment.deleted_at.is_null(not deleted),
        )  # fmt: skip
    if row is None:
        raise NotFound()
    return row


# -- writing --------------------------------------------------------------------------------------------------------


def add(record: Record, text: Any, actor: Actor, link: str) -> int:
    """Says something about a record and tells those it names. ``link``: where the notice leads. Raises FieldErrors."""
    clean = _clean(text)
    called = mentioned(clean, record)
    with write():
        comment_id = int(
            Comment.insert(
                form_id=record.form.id, record_id=record.id, author_id=actor.id, text=clean, mentions=called,
                at=clock.now(),
            ).execute()
        )  # fmt: skip
        _tell(record, called, actor, link)
    return comment_id


def edit(record: Record, comment_id: int, text: Any, actor: Actor, link: str) -> None:
    """Changes one's own comment; people it names for the first time are told. Raises NotFound, Forbidden, FieldErrors."""
    row = _row(record, comment_id)
    if row.author_id != actor.id:
        raise Forbidden(_("只能修改自己的评论。"))
    clean = _clean(text)
    called = mentioned(clean, record)
    with write():
        Comment.update(text=clean, mentions=called, edited_at=clock.now()).where(Comment.id == comment_id).execute()
        _tell(record, [i for i in called if i not in row.mentions], actor, link)


def remove(record: Record, comment_id: int, actor: Actor) -> None:
    """Takes a comment away; :func:`bring_back` undoes it. Raises NotFound, Forbidden."""
    _own(_row(record, comment_id), actor)
    with write():
        Comment.update(deleted_at=clock.now()).where(Comment.id == comment_id).execute()


def bring_back(record: Record, comment_id: int, actor: Actor) -> None:
    """Raises NotFound, Forbidden."""
    _own(_row(record, comment_id, deleted=True), actor)
    with write():
        Comment.update(deleted_at=None).where(Comment.id == comment_id).execute()


def _own(row: Comment, actor: Actor) -> None:
    if row.author_id != actor.id and not actor.is_admin:
        raise Forbidden(_("只能删除自己的评论。"))


def _clean(text: Any) -> str:
    if not isinstance(text, str):
        raise FieldErrors({"text": _("请填写评论。")})
    clean = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\x00", "")).strip()
    if not clean:
        raise FieldErrors({"text": _("请填写评论。")})
    if len(clean) > LONGEST:
        raise FieldErrors({"text": _("评论最多 %(max)d 个字。", max=LONGEST)})
    return clean


def _tell(record: Record, user_ids: Iterable[int], author: Actor, link: str) -> None:
    def words(reader: Actor) -> str | None:
        titles = query.titles(record.form, [record.id], reader)
        if record.id not in titles:
            return None
        return _("%(who)s 在「%(title)s」的评论里提到了您", who=author.name, title=titles[record.id])

    notices.tell([i for i in user_ids if i != author.id][:TOLD], "mention", words, link)


# -- mentions -------------------------------------------------------------------------------------------------------


def _tokens(active_only: bool = True) -> dict[str, int]:
    """What may stand after an ``@``, with the person it means: each name that only one has, and each login."""
    found: dict[str, int] = {}
    twice: set[str] = set()
    for user_id, login, name, active in people.everybody():
        if active or not active_only:
            found[login] = user_id
            if name in found and found[name] != user_id:
                twice.add(name)
            found.setdefault(name, user_id)
    return {token: user_id for token, user_id in found.items() if token not in twice}


def mentioned(text: str, record: Record) -> list[int]:
    """The people whom a comment names, of those who may see the record."""
    tokens = _tokens()
    named = dict.fromkeys(tokens[found] for _start, found in _mentions(text, tokens))
    return [user_id for user_id in named if _sees(user_id, record)]


def _mentions(text: str, tokens: dict[str, int]) -> list[tuple[int, str]]:
    """Where the text names somebody: the place of the ``@`` and the longest name that follows it."""
    if "@" not in text:
        return []
    longest_first = sorted(tokens, key=len, reverse=True)
    found = []
    for match in re.finditer("@", text):
        rest = text[match.end() :]
        token = next((t for t in longest_first if rest.startswith(t) and _ends(t, rest)), None)
        if token and not (match.start() and text[match.start() - 1].isascii() and text[match.start() - 1].isalnum()):
            found.append((match.start(), token))
    return found


def _ends(token: str, rest: str) -> bool:
    """A name in Latin letters ends where the word ends; a Chinese one may be followed by anything."""
    after = rest[len(token) : len(token) + 1]
    return not (token[-1].isascii() and after.isascii() and (after.isalnum() or after in ("_", "-")) and after)


def _sees(user_id: int, record: Record) -> bool:
    reader = users.actor_of(user_id)
    return reader is not None and record.id in query.visible_ids(record.form.key, [record.id], reader)


def offered(text: str, record: Record) -> list[dict[str, str]]:
    """People to mention whose name or login holds ``text``, of those who may see the record.

    ``token``: what stands after the ``@``, the login of people who share their name with somebody.
    """
    wanted, tokens = text.strip().casefold(), _tokens()
    out: list[dict[str, str]] = []
    for user_id, login, name, active in people.everybody():
        if active and (wanted in name.casefold() or wanted in login) and _sees(user_id, record):
            out.append({"token": name if tokens.get(name) == user_id else login, "name": name, "login": login})
            if len(out) == OFFERED:
                break
    return out


def _html(text: str, names: dict[str, int], called: set[int]) -> Markup:
    parts: list[Markup] = []
    at = 0
    for start, token in _mentions(text, {t: i for t, i in names.items() if i in called}):
        parts += [escape(text[at:start]), Markup('<span class="mention">@{}</span>').format(token)]
        at = start + 1 + len(token)
    parts.append(escape(text[at:]))
    linked = re.sub(
        r"https?://[^\s<>\"']+",
        lambda m: f'<a href="{m[0]}" rel="noopener noreferrer" target="_blank">{m[0]}</a>',
        "".join(parts),
    )
    return Markup(linked)  # nosec B704: escaped above


# -- what happens to a record -----------------------------------------------------------------------------------------


def move(form_id: int, source: int, target: int) -> list[int]:
    """Gives the comments of one record to another; returns their ids. Only inside ``write()``."""
    mine = (Comment.form_id == form_id) & (Comment.record_id == source)
    ids = [row[0] for row in Comment.select(Comment.id).where(mine).tuples()]
    Comment.update(record_id=target).where(mine).execute()
    return ids


def move_back(ids: list[int], record_id: int) -> None:
    """Only inside ``write()``."""
    Comment.update(record_id=record_id).where(Comment.id.in_(ids)).execute()


def purge(form_id: int, ids: list[int]) -> None:
    """The records are gone for good. Only inside ``write()``."""
    Comment.delete().where(Comment.form_id == form_id, Comment.record_id.in_(ids)).execute()
