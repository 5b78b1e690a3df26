"""A number that Guke gives to every new record, like ``ORD-202611-0042``."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from .base import FieldError, Setting, Spec, raw_text
from .text import Text

PARTS = {"yyyy": r"\d{4}", "yy": r"\d{2}", "mm": r"\d{2}", "dd": r"\d{2}"}
RESETS = {"never": _l("不重新开始"), "year": _l("每年"), "month": _l("每月"), "day": _l("每天")}
_PIECE = re.compile(r"\{(yyyy|yy|mm|dd|0+)\}")
START = "{00000}"


class AutoNumber(Text):
    """Options: ``pattern`` (text with ``{yyyy} {yy} {mm} {dd}`` and one ``{0000}``, the number with at least so many digits),
    ``start`` (1), ``reset`` (never, year, month, day; left out: by what the pattern says of the date), ``manual`` (people and
    imports may give a number themselves; the next one goes on after the highest), ``gapless`` (they may not).

    A number is taken in the transaction that writes the record: one that fails leaves no hole, and none is used twice.
    """

    type = "auto_number"
    name = _l("自动编号")
    icon = "number"
    group: ClassVar[str] = "computed"
    rules = ()
    input_template = "forms/fields/auto_number.html"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting(
                "pattern",
                "text",
                _l("编号的样子"),
                _l("比如 ORD-{yyyy}{mm}-{0000}：年、月和至少四位的序号"),
                start=START,
            ),
            Setting("start", "number", _l("从几开始"), start=1),
            Setting("reset", "choice", _l("重新从头编号"), _l("不选时由编号里最细的日期决定"), tuple(RESETS.items())),
            Setting("gapless", "yes_no", _l("必须连续"), _l("勾选后谁也不能自己填写编号")),
            Setting("manual", "yes_no", _l("可以自己填写"), _l("不填的自动编号，接着最大的号")),
        )

    def __init__(self, spec: Spec) -> None:
        # Numbers are one of a kind, whatever the definition says.
        spec.unique, spec.required, spec.default = True, False, None
        super().__init__(spec)
        self.readonly = spec.readonly = not self.options.get("manual")

    def check_options(self) -> None:
        self.shape = self.options.get("pattern") or START
        start = self.options.get("start", 1)
        if not isinstance(self.shape, str) or len(self.shape) > 60:
            raise FieldError(_("编号的样子要写成文字，最多 60 个字。"))
        pieces = _PIECE.split(self.shape)
        counters = [p for p in pieces[1::2] if p.startswith("0")]
        if len(counters) != 1 or any(set(p) & set("{}") for p in pieces[0::2]):
            raise FieldError(
                _(
                    "编号里要有一个 {0000} 这样的序号，其余可以写 {yyyy}、{yy}、{mm}、{dd} 和文字，比如 ORD-{yyyy}{mm}-{0000}。"
                )
            )
        if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start < 10**12:
            raise FieldError(_("编号要从一个不小于 0 的整数开始。"))
        self.start = start
        names = set(pieces[1::2])
        year = bool(names & {"yyyy", "yy"})
        finest = "day" if "dd" in names else "month" if "mm" in names else "year" if year else "never"
        told = self.options.get("reset") or None
        if told is not None and told not in RESETS:
            raise FieldError(_("重新编号只能是 never、year、month 或 day。"))
        self.reset = told or (finest if self._whole(finest, names, year) else "never")
        if not self._whole(self.reset, names, year):
            raise FieldError(
                _("编号每%(period)s重新开始，里面就要写出是哪一%(period)s，否则会重复。", period=_PERIODS[self.reset])
            )
        if self.options.get("manual") and self.options.get("gapless"):
            raise FieldError(_("要编号连续，就不能让人自己填写。"))
        self.max_length = 80
        self.digits_regex = re.compile(
            "".join(
                re.escape(p) if i % 2 == 0 else (r"(?P<n>\d+)" if p.startswith("0") else f"(?P<{p}{i}>{PARTS[p]})")
                for i, p in enumerate(pieces)
            )
        )

    @staticmethod
    def _whole(reset: str, names: set[str], year: bool) -> bool:
        """Whether the pattern says which year (month, day) it is."""
        wanted = {"never": True, "year": year, "month": year and "mm" in names, "day": year and {"mm", "dd"} <= names}
        return wanted[reset]

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (list, dict, bool)):
            raise FieldError(_("这里要填编号。"))
        text = raw_text(raw).strip()
        if len(text) > self.max_length:
            raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=self.max_length, now=len(text)))
        return text or None

    def period(self, day: dt.date) -> str:
        """Within which numbers count on; ``""``: always."""
        return {"never": "", "year": f"{day:%Y}", "month": f"{day:%Y-%m}", "day": f"{day:%Y-%m-%d}"}[self.reset]

    def number(self, count: int, day: dt.date) -> str:
        """The text of the ``count``-th number of a day's period."""
        words = {"yyyy": f"{day:%Y}", "yy": f"{day:%y}", "mm": f"{day:%m}", "dd": f"{day:%d}"}

        def piece(found: re.Match[str]) -> str:
            name = found[1]
            return str(count).rjust(len(name), "0") if name.startswith("0") else words[name]

        return _PIECE.sub(piece, self.shape)

    def counted(self, text: str, day: dt.date) -> tuple[str, int] | None:
        """The period and count of a number that somebody gave, when it looks like ours; ``day``: today."""
        found = self.digits_regex.fullmatch(text)
        if found is None or len(found["n"]) > 12:
            return None
        parts = {re.sub(r"\d+$", "", name): int(value) for name, value in found.groupdict().items() if name != "n"}
        year = parts.get("yyyy") or (2000 + parts["yy"] if "yy" in parts else day.year)
        try:
            return self.period(dt.date(year, parts.get("mm", 1), parts.get("dd", 1))), int(found["n"])
        except ValueError:
            return None

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "maxLength": self.max_length} | (
            {"readOnly": True} if self.readonly else {}
        )


_PERIODS = {"never": "", "year": _l("年"), "month": _l("月"), "day": _l("天")}
