"""Languages. Chinese is the source language; English stands in ``appliance/translations``.

Inside a request Flask-Babel asks :func:`select_locale`. The CLI and jobs have no request: they speak inside
:func:`speaking`. Outside both, messages come out in Chinese.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

LOCALES = {"zh": "中文", "en": "English"}
SOURCE = "zh"
TRANSLATIONS = Path(__file__).resolve().parent.parent / "translations"
COOKIE = "guke_lang"


def init_app(app: Flask) -> None:
    """Sets Flask-Babel up on ``app`` with the locale of the person who asks."""
    _babel(app, select_locale)


def _babel(app: Flask, selector: Any) -> None:
    from flask_babel import Babel

    Babel(
        app,
        default_locale=SOURCE,
        default_translation_directories=str(TRANSLATIONS),
        locale_selector=selector,
    )


def select_locale() -> str:
    """The asker's own choice, else the cookie of the sign-in page, else the browser's wish, else the company's."""
    from flask import g, has_request_context, request

    chosen = getattr(getattr(g, "actor", None), "locale", None)
    if chosen in LOCALES:
        return str(chosen)
    if has_request_context():
        cookie = request.cookies.get(COOKIE)
        if cookie in LOCALES:
            return str(cookie)
        wished = request.accept_languages.best_match(list(LOCALES))
        if wished:
            return wished
    return company_locale()


def company_locale() -> str:
    from . import settings

    locale = settings.get("company.locale")
    return locale if locale in LOCALES else SOURCE


def current() -> str:
    """The language being spoken now: ``zh`` or ``en``."""
    from flask_babel import get_locale

    locale = get_locale()
    return locale.language if locale and locale.language in LOCALES else SOURCE


@contextmanager
def speaking(locale: str | None = None) -> Iterator[None]:
    """Makes gettext work outside requests, in ``locale`` (default: the company's language)."""
    from flask_babel import force_locale

    with _speaker().app_context(), force_locale(locale if locale in LOCALES else company_locale()):
        yield


@lru_cache(maxsize=1)
def _speaker() -> Flask:
    """An application that serves nothing: Flask-Babel keeps the language in an application context."""
    from flask import Flask

    app = Flask("appliance", static_folder=None)
    _babel(app, None)
    return app


def many(label: str) -> str:
    """A form's label in the middle of a sentence: "Order items" → "order items". Names in capitals stay."""
    first = label.split(" ", 1)[0]
    return label[:1].lower() + label[1:] if current() == "en" and first.istitle() and first.isascii() else label


def one(label: str) -> str:
    """A form's label as the word for one record in a sentence: "Order items" → "order item"."""
    words = many(label)
    if current() != "en" or not words.isascii():
        return words
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("ss", "ss")):
        if words.endswith(plural):
            return words.removesuffix(plural) + singular
    return words.removesuffix("s")


def relabelled(old: Any, typed: str) -> Any:
    """The label to keep when a page showed ``old`` and ``typed`` came back: unchanged, a label in several languages stays
    what it was."""
    return old if typed == label(old) else typed


def label(value: Any) -> str:
    """A label in the language being spoken. Labels are text, ``{"zh": …, "en": …}``, or a lazy translation."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return str(value.get(current()) or value.get(SOURCE) or next(iter(value.values()), ""))
    return "" if value is None else str(value)
