"""Search everything: records of every form, pages, actions, pages of the manual."""

from __future__ import annotations

from functools import lru_cache

from flask import current_app, url_for
from flask_babel import gettext as _
from msgspec import Struct

from ..accounts.actor import Actor
from ..core import i18n, nav
from ..forms import finder
from . import help, shell

PER_FORM = 4
PAGES = 8


class Found(Struct, frozen=True):
    """A heading and what was found under it."""

    title: str
    links: list[tuple[shell.Link, str]]


def search(text: str, actor: Actor) -> list[Found]:
    """What ``text`` finds; without a text the places to go to. Pages first when they begin with the text."""
    text = text.strip()
    pages = [Found(_("前往"), _pages(text, actor)), Found(_("操作"), _actions(text, actor))]
    if not text:
        return [group for group in pages if group.links]
    manual = [
        (shell.Link(hit.topic.title, url_for("help.topic", key=hit.topic.key), "book"), _("手册"))
        for hit in help.search(text, i18n.current())[:3]
    ]
    return [group for group in [*pages, *_records(text, actor), Found(_("手册"), manual)] if group.links]


def _pages(text: str, actor: Actor) -> list[tuple[shell.Link, str]]:
    found = [(shell.form_link(form), _("列表")) for form in shell.forms(actor)]
    for entry in shell.entries(actor):
        link = shell.Link(
            i18n.label(entry.label), url_for(entry.endpoint, **entry.values), entry.icon, words=entry.words
        )
        found.append((link, i18n.label(nav.GROUPS[entry.group])))
    return [pair for pair in found if fits(text, pair[0])][:PAGES]


def _actions(text: str, actor: Actor) -> list[tuple[shell.Link, str]]:
    entries = (e for e in nav.actions() if shell.allowed(actor, e) and e.endpoint in current_app.view_functions)
    links = [shell.Link(i18n.label(e.label), url_for(e.endpoint, **e.values), e.icon, words=e.words) for e in entries]
    return [(link, "") for link in links if fits(text, link)][:PAGES]


def _records(text: str, actor: Actor) -> list[Found]:
    """The first few records of each form whose quick search finds the text."""
    return [
        Found(form.label, [(shell.Link(hit.title, hit.url, form.icon), hit.hint) for hit in hits])
        for form, hits in finder.find(text, actor, PER_FORM)
    ]


def fits(text: str, link: shell.Link) -> bool:
    """Whether a page is meant: by its label, its other words, its pinyin or the initials of it."""
    folded = text.casefold().replace(" ", "")
    return not folded or any(
        folded in word for word in (link.label.casefold(), link.words.casefold(), *sounds(link.label))
    )


@lru_cache(maxsize=512)
def sounds(label: str) -> tuple[str, ...]:
    """``("kehu", "kh")`` for 客户."""
    if label.isascii():
        return ()
    from pypinyin import lazy_pinyin

    syllables = lazy_pinyin(label)
    return "".join(syllables), "".join(s[:1] for s in syllables)
