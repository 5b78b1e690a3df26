"""Why a customer has these scores, in plain words."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct, field
from peewee import fn

from ..core.db import read
from ..forms import catalog
from . import rfm
from .models import RfmValue
from .rfm import EPOCH, Config, State

NAMES = {"r": _l("最近购买"), "f": _l("购买次数"), "m": _l("购买金额"), "i": _l("互动"), "w": _l("观看")}


class Letter(Struct, frozen=True):
    """One score. ``value``: what it is given for, in words; ``sentence``: why; ``high``: whether it counts as high."""

    letter: str
    name: str
    score: int
    value: str
    sentence: str
    high: bool

    def document(self) -> dict[str, Any]:
        return {
            "letter": self.letter.upper(),
            "score": self.score,
            "value": self.value,
            "why": self.sentence,
            "high": self.high,
        }


class Explanation(Struct, frozen=True):
    """A customer's scores and segment; ``letters`` is empty when there is nothing to score."""

    letters: list[Letter] = field(default_factory=list)
    segment: str | None = None
    sentence: str = ""

    def document(self) -> dict[str, Any]:
        return {"letters": [one.document() for one in self.letters], "segment": self.segment, "why": self.sentence}


def explain(customer_id: int) -> Explanation:
    """The scores as the last scoring gave them. The caller has made sure that the customer may be seen."""
    with read():
        row = RfmValue.get_or_none(RfmValue.customer_id == customer_id)
        state, model = rfm.state(), rfm.config()
        if row is None or not state.cuts:
            return Explanation()
        letters = [_letter(letter, getattr(row, rfm.COLUMNS[letter].name), state, model) for letter in rfm.LETTERS]
    shown = [one for one in letters if one is not None]
    if row.m is None:
        return Explanation(shown)
    marks = "".join("H" if one.high else "L" for one in shown if one.letter in "rfm")
    segment = rfm.SEGMENTS[marks]
    return Explanation(shown, segment, _segment_sentence(shown, segment))


def _letter(letter: str, value: int | None, state: State, model: Config) -> Letter | None:
    if value is None:
        return None
    column, cuts = rfm.COLUMNS[letter], state.cuts[letter]
    score = 1 + sum(1 for cut in cuts if cut is not None and value >= cut)
    said = _say(letter, value)
    if letter in model.cuts:
        why = _("%(value)s，按公司设的分界值得 %(score)d 分", value=said, score=score)
    else:
        worse = RfmValue.select(fn.COUNT(column)).where(column < value).scalar()
        # Rounded down, as the score is: "better than 80 %" is what five points ask for.
        share = worse * 100 // state.count[letter] if state.count[letter] else 0
        why = _("%(value)s，强于 %(share)d%% 的客户，得 %(score)d 分", value=said, share=share, score=score)
    return Letter(letter, str(NAMES[letter]), score, said, why, score >= state.high[letter])


def _say(letter: str, value: int) -> str:
    if letter == "r":
        days = rfm.today() - value
        day = (EPOCH + dt.timedelta(days=value)).isoformat()
        return (
            _("今天（%(day)s）", day=day)
            if days <= 0
            else ngettext("%(num)d 天前（%(day)s）", "%(num)d 天前（%(day)s）", days, day=day)
        )
    if letter == "f":
        return ngettext("%(num)d 单", "%(num)d 单", value)
    if letter == "m":
        return catalog.get("customer").fields["total_paid"].format(value)
    if letter == "i":
        return ngettext("%(num)d 次", "%(num)d 次", value)
    return _("%(minutes)d 分钟", minutes=value // 60)


def _segment_sentence(letters: list[Letter], segment: str) -> str:
    parts = [
        _("%(name)s高", name=one.name) if one.high else _("%(name)s低", name=one.name)
        for one in letters
        if one.letter in "rfm"
    ]
    label = catalog.get("customer").fields["rfm_segment"].format(segment)
    return _(
        "%(parts)s，所以是“%(segment)s”。高低以全部付费客户的平均分为界。", parts=_("、").join(parts), segment=label
    )


def period_words(model: Config) -> str:
    """What the scores are about."""
    if model.period is None:
        return _("统计全部时间的订单")
    since = EPOCH + dt.timedelta(days=rfm.today() - model.period)
    return _("统计 %(day)s 以来的订单", day=since.isoformat())
