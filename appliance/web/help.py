"""The manual inside the appliance: Markdown pages in ``appliance/help/<language>/<topic>.md``.

A page begins with a few lines between ``---`` lines::

    ---
    title: 登录与密码
    group: 账号
    order: 10
    pages: accounts.* settings_people.my_tokens
    ---

``pages`` names the endpoints (``*`` matches anything) whose "help for this page" leads here. Putting the file there is
all: index, search and links find it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from msgspec import Struct
from werkzeug.wrappers import Response

from ..accounts.guards import requires_login
from ..core import http, i18n, nav
from ..core.errors import NotFound

FOLDER = Path(__file__).resolve().parents[1] / "help"
SNIPPET = 60

bp = Blueprint("help", __name__, url_prefix="/help")
nav.action(_l("使用手册"), "help.index", "book", words="help manual shouce bangzhu")


class Topic(Struct, frozen=True):
    """One page of the manual in one language."""

    key: str
    title: str
    group: str
    order: int
    pages: tuple[str, ...]
    text: str

    @property
    def summary(self) -> str:
        """The first sentence or two, without marks."""
        first = next((line for line in self.text.splitlines() if line and not line.startswith(("#", "|", "`"))), "")
        return plain(first.lstrip("-*0123456789. "))


class Hit(Struct, frozen=True):
    """A page that holds what was searched, with the place."""

    topic: Topic
    before: str
    match: str
    after: str


def topics(locale: str) -> list[Topic]:
    """The pages of a language in the manual's order; a page that is missing there is shown in Chinese."""
    found = {topic.key: topic for topic in _read(i18n.SOURCE)} | {topic.key: topic for topic in _read(locale)}
    return sorted(found.values(), key=lambda t: (t.order, t.key))


@lru_cache(maxsize=4)
def _read(locale: str) -> tuple[Topic, ...]:
    return tuple(_open(path) for path in sorted((FOLDER / locale).glob("*.md")))


def _open(path: Path) -> Topic:
    _empty, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    facts = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    return Topic(
        path.stem,
        facts["title"].strip().strip(chr(34)),
        facts.get("group", "").strip(),
        int(facts.get("order", "100")),
        tuple(facts.get("pages", "").split()),
        text.strip(),
    )


def groups(locale: str) -> list[tuple[str, list[Topic]]]:
    """The pages under their headings, both in the manual's order."""
    found: dict[str, list[Topic]] = {}
    for topic in topics(locale):
        found.setdefault(topic.group, []).append(topic)
    return list(found.items())


def plain(text: str) -> str:
    """Markdown without its marks, for searching and for summaries."""
    return re.sub(r"[#*`>|\[\]]|\((?:https?:|/)\S+?\)", "", text)


def topic_for(endpoint: str, locale: str) -> Topic | None:
    """The page about an endpoint: the one that names it most exactly."""
    matches = [
        (len(pattern.rstrip("*")), topic)
        for topic in topics(locale)
        for pattern in topic.pages
        if fnmatchcase(endpoint, pattern)
    ]
    return max(matches, key=lambda m: m[0])[1] if matches else None


def search(wanted: str, locale: str) -> list[Hit]:
    """Pages that hold every word of ``wanted``, those that have it in the title first."""
    words = wanted.casefold().split()
    hits = []
    for topic in topics(locale):
        text = plain(topic.text)
        folded = f"{topic.title}\n{text}".casefold()
        if words and all(word in folded for word in words):
            hits.append((words[0] not in topic.title.casefold(), _hit(topic, text, words[0])))
    return [hit for _late, hit in sorted(hits, key=lambda h: h[0])]


def _hit(topic: Topic, text: str, word: str) -> Hit:
    at = max(text.casefold().find(word), 0)
    end = at + len(word) if word in text.casefold() else at
    start = max(0, at - SNIPPET // 2)
    return Hit(topic, text[start:at].replace("\n", " "), text[at:end], text[end : end + SNIPPET].replace("\n", " "))


@lru_cache(maxsize=64)
def html(text: str) -> Markup:
    """A page as HTML. Raw HTML in the Markdown is shown as text."""
    from markdown_it import MarkdownIt

    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))  # nosec B704: our own pages, no HTML in them


@bp.get("/")
@requires_login
def index() -> Response:
    text = request.args.get("q", "").strip()
    hits = search(text, i18n.current()) if text else []
    return http.render("web/help.html", "results", groups=groups(i18n.current()), topic=None, q=text, hits=hits)


@bp.get("/<key>")
@requires_login
def topic(key: str) -> Response:
    found = next((t for t in topics(i18n.current()) if t.key == key), None)
    if found is None:
        raise NotFound(_("手册里没有这一页。"))
    return http.render(
        "web/help.html", groups=groups(i18n.current()), topic=found, html=html(found.text), q="", hits=[]
    )
