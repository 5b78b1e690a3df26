"""Text with formatting: written in an editor (rich text), or with signs (Markdown)."""

from __future__ import annotations

import html
import re
from functools import cache, lru_cache
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from ...core import dialect
from .base import Field, FieldError
from .text import LongText

TAGS = {"p", "br", "strong", "em", "u", "s", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "pre", "code", "a", "hr"}
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
SCHEMES = {"http", "https", "mailto", "tel"}
_REPLACED = {"b": "strong", "i": "em", "strike": "s", "del": "s", "div": "p", "h1": "h2", "h5": "h4", "h6": "h4"}
_OLD_TAG = re.compile(rf"<(/?)({'|'.join(_REPLACED)})(?=[\s>/])", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^>]*>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|hr|/p|/h[2-4]|/li|/blockquote|/pre|/tr)\s*/?>", re.IGNORECASE)
_LINES = re.compile(r"\s*\n\s*")
SEPARATOR = "\x1f"
"""Between the formatted text and the plain text in a stored value: searching looks at the plain text alone."""
LONGEST = 100_000
SHOWN = 200


def sanitised(text: str, tags: set[str] = TAGS) -> str:
    """HTML that can do nothing: known tags, and links to the web, to mail and telephone."""
    import nh3

    return nh3.clean(
        text, tags=tags, attributes={"a": {"href"}}, url_schemes=SCHEMES, link_rel="noopener noreferrer nofollow"
    )


def plain_text(markup: str) -> str:
    """The words of sanitised HTML, a line a paragraph."""
    return _LINES.sub("\n", html.unescape(_TAG.sub("", _BREAK.sub("\n", markup)))).strip()


class RichText(Field):
    """Sanitised HTML. The API takes and prints HTML; lists, exports and searches see the plain text."""

    type = "rich_text"
    name = _l("富文本")
    icon = "text-size"
    operators: ClassVar[tuple[str, ...]] = ("contains", "not_contains", "empty", "not_empty")
    sortable = False
    can_be_unique = False
    can_be_indexed = False
    searchable = False
    aggregates = ("count",)
    rules = ("min_length", "max_length")
    input_template = "forms/fields/rich_text.html"
    scripts = ("rich_text.js",)

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填文字。"))
        text = "" if raw is None else str(raw).replace("\r\n", "\n").replace(SEPARATOR, "")
        if len(text) > LONGEST * 2:
            raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LONGEST, now=len(text)))
        if not _TAG.search(text):
            text = "".join(f"<p>{escape(html.unescape(line))}</p>" for line in text.strip().split("\n") if line.strip())
        markup = sanitised(_OLD_TAG.sub(lambda m: f"<{m[1]}{_REPLACED[m[2].lower()]}", text)).strip()
        plain = plain_text(markup)
        if len(markup) > LONGEST:
            raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LONGEST, now=len(markup)))
        return f"{markup}{SEPARATOR}{plain}" if plain else None

    def check_rules(self, value: Any) -> None:
        super().check_rules(None if value is None else self.format(value))

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        if op == "contains":
            column = dialect.text_after(column, SEPARATOR)
        return super().compile_positive(column, op, value, ctx)

    def operand(self, value: Any, ctx: Any) -> Any:
        return value

    def _word(self, value: Any) -> str:
        return str(value)

    @staticmethod
    def markup(value: Any) -> str:
        """The HTML of a stored value."""
        return (value or "").partition(SEPARATOR)[0]

    def to_api(self, value: Any) -> Any:
        return None if value is None else self.markup(value)

    def format(self, value: Any) -> str:
        return (value or "").partition(SEPARATOR)[2]

    def form_value(self, value: Any) -> str:
        return self.markup(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        return _line(self.format(value))

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        # Sanitised again: what was stored by an older rule follows today's.
        return Markup('<div class="rich">{}</div>').format(Markup(_shown(self.markup(value)))) if value else Markup("")  # nosec B704: cleaned

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "maxLength": LONGEST, "contentMediaType": "text/html"}


def _line(text: str) -> Markup:
    text = " ".join(text.split())
    return escape(text if len(text) <= SHOWN else text[:SHOWN] + "…")


@lru_cache(maxsize=256)
def _shown(markup: str) -> str:
    return sanitised(markup)


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


@lru_cache(maxsize=256)
def from_markdown(text: str) -> Markup:
    """Markdown as HTML that can do nothing; HTML in it is shown as it is written, pictures as their words."""
    return Markup(sanitised(_markdown().render(text), TAGS | TABLE))  # nosec B704: cleaned


class Markdown(LongText):
    """Text with Markdown signs, stored as it was written; headings, lists, tables and links show on the record's page."""

    type = "markdown"
    can_be_public = False
    name = _l("Markdown 文本")
    icon = "markdown"
    length = 50_000
    input_template = "forms/fields/markdown.html"

    def render(self, value: Any, record: Any = None) -> Markup:
        return _line(plain_text(from_markdown(value[: SHOWN * 4]))) if value else Markup("")

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        return Markup('<div class="rich">{}</div>').format(from_markdown(value)) if value else Markup("")
