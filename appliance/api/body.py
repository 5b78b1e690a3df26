"""Reading what a program sent: JSON of bounded size and depth, typed access with sentences."""

from __future__ import annotations

import json
from typing import Any

from flask import request
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from ..core.errors import UserError

LIMIT = 16 * 1024 * 1024
DEPTH = 40
MAX_LIMIT = 500
BIG = 2**53
"""Ids and whole numbers are smaller, so that JavaScript reads them right."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def parse(text: str | bytes) -> Any:
    """Raises BadRequest for what is no JSON or is nested too deep, UserError for text that cannot be stored."""
    try:
        doc = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(_("请求内容不是有效的 JSON。")) from error
    if _depth(doc) > DEPTH:
        raise BadRequest(_("JSON 嵌套太深，最多 %(max)d 层。", max=DEPTH))
    # Only an escape can bring in half a surrogate pair or NUL.
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text and (place := _unstorable(doc)) is not None:  # type: ignore[operator]
        raise UserError(_("「%(key)s」里有不能保存的字符（NUL 或半个字符），请去掉。", key=place), place)
    return doc


def _unstorable(item: Any, place: str = "") -> str | None:
    """Where text stands that no database takes (``records.0.name``; values by their field)."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            return place
        return place if "\x00" in item else None
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in pairs:
        inner = str(key) if place in ("", "values") else f"{place}.{key}"
        found = place or "body" if _unstorable(key) is not None else _unstorable(value, inner)
        if found is not None:
            return found
    return None


def _depth(doc: Any) -> int:
    level, layer = 0, [doc]
    while layer and level <= DEPTH:
        layer = [
            child
            for item in layer
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        level += 1
    return level


def read() -> dict[str, Any]:
    """The request's JSON object; an absent body is an empty one."""
    if (request.content_length or 0) > LIMIT:
        raise RequestEntityTooLarge(_("请求最大 %(size)d MB，请分几次发送。", size=LIMIT // 2**20))
    if not request.content_length and not request.headers.get("Transfer-Encoding"):
        return {}
    if not request.is_json:
        raise UnsupportedMediaType(_("请求内容要是 JSON，并带上 Content-Type: application/json。"))
    data = request.get_data(cache=True)
    if len(data) > LIMIT:
        raise RequestEntityTooLarge(_("请求最大 %(size)d MB，请分几次发送。", size=LIMIT // 2**20))
    doc = parse(data)
    if not isinstance(doc, dict):
        raise UserError(_("请求内容要是一个 JSON 对象。"), "body")
    return doc


def allow(doc: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Refuses what is not known, so that a misspelt key is not silently without effect."""
    unknown = [key for key in doc if key not in keys]
    if unknown:
        raise UserError(_("不认识「%(key)s」，可用：%(known)s。", key=unknown[0], known=", ".join(keys)), unknown[0])
    return doc


def object_(doc: dict[str, Any], key: str, *, required: bool = False) -> dict[str, Any]:
    value = doc.get(key)
    if value is None and not required:
        return {}
    if not isinstance(value, dict):
        raise UserError(_("「%(key)s」要是一个 JSON 对象。", key=key), key)
    return value


def list_(doc: dict[str, Any], key: str, most: int, *, required: bool = False) -> list[Any]:
    value = doc.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise UserError(_("「%(key)s」要是一列 JSON 对象。", key=key), key)
    if len(value) > most:
        raise UserError(_("「%(key)s」一次最多 %(max)d 个，请分几次发送。", key=key, max=most), key)
    return value


def text(doc: dict[str, Any], key: str) -> str | None:
    value = doc.get(key)
    if value is not None and not isinstance(value, str):
        raise UserError(_("「%(key)s」要是文字。", key=key), key)
    return value


def whole(doc: dict[str, Any], key: str) -> int | None:
    value = doc.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) >= BIG):
        raise UserError(_("「%(key)s」要是整数。", key=key), key)
    return value


def is_id(value: Any) -> bool:
    """Whether it can be the id of something; ``True`` is none."""
    return type(value) is int and 0 < value < BIG


def ids(doc: dict[str, Any], most: int) -> list[int]:
    """``ids``: ids of records, at most ``most``."""
    found = doc.get("ids")
    if not isinstance(found, list) or not all(map(is_id, found)):
        raise UserError(_("「ids」要是一列记录编号。"), "ids")
    if len(found) > most:
        raise UserError(_("「%(key)s」一次最多 %(max)d 个，请分几次发送。", key="ids", max=most), "ids")
    return found


def row_cursor() -> int | None:
    """``cursor`` of a URL whose pages follow the ids of rows: the id to go on from, ``None`` on the first page."""
    text = request.args.get("cursor", "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor")
    return int(text)


def flag(doc: dict[str, Any], key: str) -> bool | None:
    value = doc.get(key)
    if value is not None and not isinstance(value, bool):
        raise UserError(_("「%(key)s」要是 true 或 false。", key=key), key)
    return value


def limit(value: Any) -> int:
    try:
        number = int(value if value not in (None, "") else 50)
    except (TypeError, ValueError):
        number = 0
    if isinstance(value, bool) or not 1 <= number <= MAX_LIMIT:
        raise UserError(_("limit 要在 1 到 %(max)d 之间。", max=MAX_LIMIT), "limit")
    return number


def condition_argument() -> dict[str, Any]:
    """``where`` of a URL: a condition as JSON."""
    raw = request.args.get("where")
    if not raw:
        return {}
    try:
        doc = parse(raw)
    except (BadRequest, UserError) as error:
        raise UserError(_("where 要是 JSON 写的条件。"), "where") from error
    if not isinstance(doc, dict):
        raise UserError(_("where 要是 JSON 写的条件。"), "where")
    return doc
