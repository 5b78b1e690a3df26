"""The page of the RFM model: what was typed → the model's document, and back."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext
from werkzeug.datastructures import MultiDict

from ..core.errors import UserError
from ..forms.parsing import parse_number
from .rfm import LETTERS, Config, state

UNITS = {"r": _l("天内"), "f": _l("单"), "m": _l("元"), "i": lazy_pgettext("unit", "次"), "w": _l("秒")}
FEN = 2
"""Digits of M: typed in yuan, kept in fen."""


def read(typed: MultiDict[str, str]) -> dict[str, Any]:
    """Raises :class:`UserError` naming the input."""
    doc: dict[str, Any] = {"period": _number(typed.get("period", ""), "period"), "cuts": {}, "high": {}}
    for letter in LETTERS:
        parts = [p for p in re.split(r"[\s,，、;；]+", typed.get(f"cut_{letter}", "").strip()) if p]
        if parts:
            doc["cuts"][letter] = [_number(p, f"cut_{letter}", FEN if letter == "m" else 0) for p in parts]
        high = _number(typed.get(f"high_{letter}", ""), f"high_{letter}")
        if high is not None:
            doc["high"][letter] = high
    return doc


def _number(text: str, name: str, digits: int = 0) -> int | None:
    if not text.strip():
        return None
    try:
        return parse_number(text.strip(), digits)
    except ValueError:
        raise UserError(_("“%(text)s”不是整数。", text=text.strip()[:20]), name) from None


def shown(model: Config) -> dict[str, str]:
    """What the inputs hold."""
    typed = {"period": str(model.period or "")}
    for letter in LETTERS:
        points = model.cuts.get(letter, [])
        typed[f"cut_{letter}"] = " ".join(_plain(letter, p) for p in points)
        typed[f"high_{letter}"] = str(model.high.get(letter, ""))
    return typed


def _plain(letter: str, point: int) -> str:
    return f"{point / 100:g}" if letter == "m" else str(point)


def figures() -> list[tuple[str, list[str], int]]:
    """Letter, the least values of scores 2 to 5 as the last scoring found them, and from which score on it is high."""
    found = state()
    rows = []
    for letter, cuts in found.cuts.items():
        if found.count.get(letter):
            rows.append((letter, [_cut_words(letter, c, found.today) for c in cuts], found.high[letter]))
    return rows


def _cut_words(letter: str, cut: int | None, today: int) -> str:
    if cut is None:
        return "—"
    if letter == "r":
        return _("≤ %(days)d 天", days=today - cut)
    return f"≥ ¥{cut / 100:,.2f}" if letter == "m" else f"≥ {cut:,}"
