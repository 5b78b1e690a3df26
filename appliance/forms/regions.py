"""China's provinces, cities and districts by their codes of GB/T 2260 (``330106``), and how people write them.

The data (``data/regions.txt.gz``, 20 KB) is read when it is first needed. A code says where it lies: ``330106`` is in ``330100``
is in ``330000``. Districts of Beijing, Tianjin, Shanghai, Chongqing, Hong Kong and Macao, and the cities that a province
governs without a prefecture between (仙桃市), lie right under their province.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from flask_babel import gettext as _
from msgspec import Struct, field

from .fields.errors import FieldError

LEVELS = ("province", "city", "district")
DATA = Path(__file__).with_name("data") / "regions.txt.gz"
SEPARATORS = " \t\u3000/／\\,，、;；>＞-—·|"
ONE_CITY = ("11", "12", "31", "50", "81", "82")
"""Provinces that are one city."""
FILLERS = ("市辖区", "省直辖县级行政区划", "自治区直辖县级行政区划", "省直辖", "县")
COUNTRY = ("中华人民共和国", "中国")

_PEOPLES = (
    "维吾尔|柯尔克孜|蒙古族|蒙古|哈萨克族|哈萨克|塔吉克|锡伯|鄂伦春|鄂温克族|达斡尔族|朝鲜族|土家族|布依族|哈尼族|景颇族|傈僳族|"
    "毛南族|仫佬族|仡佬族|拉祜族|布朗族|纳西族|独龙族|普米族|撒拉族|东乡族|保安族|裕固族|苗族|藏族|羌族|彝族|侗族|壮族|傣族|"
    "白族|回族|满族|瑶族|畲族|黎族|各族|水族|佤族|怒族|土族"
)
_TAIL = re.compile(
    rf"(?:特别行政区|(?:{_PEOPLES})*自治[区州县旗]|地区|新区|林区|矿区|[省市区县盟旗])$"
)  # fmt: skip


_PROVINCE_TAIL = re.compile(r"(?:特别行政区|(?:壮族|回族|维吾尔)?自治区|[省市])$")


class _Book(Struct):
    names: dict[str, str] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Codes right under a code; those of the provinces under an empty one."""
    known: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=lambda: defaultdict(dict))
    """Under each code: a full or short name → its code and whether the name is the full one."""
    anywhere: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Full and short names of cities and districts → their codes."""


@cache
def _book() -> _Book:
    book = _Book()
    for line in gzip.decompress(DATA.read_bytes()).decode().splitlines():
        book.names[line[:6]] = line[6:]
    for code, full in book.names.items():
        above = _above(code, book.names)
        book.below[above].append(code)
        book.known[above][full] = (code, True)
        if above:
            book.anywhere[full].append(code)
        short = (_TAIL if above else _PROVINCE_TAIL).sub("", full)
        if len(short) > 1 and short != full:
            book.known[above].setdefault(short, (code, False))
            if above:
                book.anywhere[short].append(code)
    return book


def _above(code: str, names: dict[str, str]) -> str:
    if code.endswith("0000"):
        return ""
    city = code[:4] + "00"
    return city if city != code and city in names else code[:2] + "0000"


def exists(code: str) -> bool:
    return code in _book().names


def name(code: str) -> str:
    """The division's own name; the code itself for one that is not known."""
    return _book().names.get(code, code)


def above(code: str) -> list[str]:
    """The codes from the province down to the division itself."""
    names = _book().names
    steps = [code]
    while steps[0] and (upper := _above(steps[0], names)):
        steps.insert(0, upper)
    return steps


def path(code: str, joint: str = " ") -> str:
    """``浙江省 杭州市 西湖区``"""
    return joint.join(name(one) for one in above(code))


def children(code: str = "", level: str = "district") -> list[tuple[str, str]]:
    """``(code, name)`` right below a division (the provinces: below nothing), as far as ``level`` goes down."""
    return [(one, name(one)) for one in _book().below.get(code, []) if cut(one, level) == one]


def cut(code: str, level: str) -> str:
    """The division itself, or the one that holds it where it lies below ``level``."""
    steps = above(code)
    if level == "province":
        return steps[0]
    if level == "city" and len(steps) > 1:
        return steps[0] if code[:2] in ONE_CITY else steps[1]
    return code


def span(code: str) -> tuple[str, str]:
    """The division and all within it are the codes from the first up to, not including, the second."""
    size = 2 if code.endswith("0000") else 4 if code.endswith("00") else 6
    return code[:size], str(int(code[:size]) + 1)


# -- reading what people write ------------------------------------------------------------------------------------


def read(text: str) -> str:
    """The division that the whole text names. Raises :class:`FieldError` with a sentence."""
    wanted = text.strip(SEPARATORS)
    if wanted.isascii() and wanted.isdecimal():
        code = wanted.ljust(6, "0") if len(wanted) in (2, 4) else wanted
        if exists(code):
            return code
        raise FieldError(_("没有代码是「%(code)s」的省市区。", code=wanted[:12]))
    code, rest = take(wanted)
    if code and not rest:
        return code
    several = _book().anywhere.get(wanted, [])
    if len(several) > 1:
        shown = _("、").join(path(one) for one in several[:5])
        raise FieldError(_("叫「%(name)s」的不止一处，请写上省市：%(all)s。", name=wanted, all=shown))
    raise FieldError(_("没有「%(name)s」这个省市区，请写成「浙江省杭州市西湖区」这样。", name=text.strip()[:40]))


def take(text: str) -> tuple[str, str]:
    """The division that a text begins with and what follows it; an empty code when it begins with none."""
    text = text.lstrip(SEPARATORS)
    for country in COUNTRY:
        text = text.removeprefix(country).lstrip(SEPARATORS)
    code, rest = _down("", text)
    return (code, rest) if code else _somewhere(text)


def _down(parent: str, text: str) -> tuple[str, str]:
    """The deepest division under ``parent`` that the text goes on with; ``parent`` itself when there is none."""
    book = _book()
    text = _skip(parent, text.lstrip(SEPARATORS))
    known = book.known.get(parent, {})
    for size in range(min(len(text), 15), 1, -1):
        found = known.get(text[:size])
        if found and _fits(found, text[size:]):
            return _down(found[0], text[size:])
    if parent.endswith("0000"):
        # The city was left out: the name must be that of one district of the province.
        for size in range(min(len(text), 15), 2, -1):
            inside = [c for c in book.anywhere.get(text[:size], []) if c[:2] == parent[:2] and name(c) == text[:size]]
            if len(inside) == 1:
                return inside[0], text[size:].lstrip(SEPARATORS)
    return parent, text


def _skip(parent: str, text: str) -> str:
    """What says nothing: ``北京市北京市``, ``市辖区``."""
    if not parent.endswith("0000"):
        return text
    doubled = (name(parent),) if parent[:2] in ONE_CITY else ()
    for filler in (*doubled, *FILLERS):
        after = text.removeprefix(filler)
        if after != text and (filler != "县" or not after or after[0] in SEPARATORS):
            return after.lstrip(SEPARATORS)
    return text


def _fits(found: tuple[str, bool], rest: str) -> bool:
    """A short name counts when the text ends there, or goes on with a separator or a division inside."""
    code, full = found
    return full or not rest or rest[0] in SEPARATORS or _down(code, rest)[0] != code


def _somewhere(text: str) -> tuple[str, str]:
    """A city or district that stands without its province, when only one has the name."""
    for size in range(min(len(text), 15), 1, -1):
        codes = _book().anywhere.get(text[:size], [])
        # The full name of one goes before the short names of others.
        named = [c for c in codes if name(c) == text[:size]] or codes
        if len(named) == 1 and _fits((named[0], name(named[0]) == text[:size]), text[size:]):
            return _down(named[0], text[size:])
    return "", text


def search(text: str, limit: int = 20, level: str = "district") -> list[str]:
    """Codes of the divisions that the text could mean, the larger ones first."""
    wanted = text.strip(SEPARATORS)
    names = _book().names
    if not wanted:
        return [code for code, _name in children()][:limit]
    if wanted.isascii() and wanted.isdecimal():
        hits = [code for code in names if code.startswith(wanted)]
    else:
        code, rest = take(wanted)
        inside = [code, *_book().below.get(code, [])] if code and not rest else []
        hits = inside + [one for one, text_ in names.items() if wanted in text_ and one not in inside]
        if code and rest:
            # ``浙江西``: what begins so inside the part that was understood.
            low, high = span(code)
            hits += [one for one, text_ in names.items() if low <= one < high and rest in text_ and one not in hits]
        if inside:
            return [one for one in hits if cut(one, level) == one][:limit]
    hits.sort(key=lambda one: (len(above(one)), one))
    return [one for one in hits if cut(one, level) == one][:limit]
