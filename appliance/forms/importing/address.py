"""Splits a Chinese address into province and city: the column ``收货地址`` of order exports fills two fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

SUFFIX = "@address"
"""Last part of the target path of a column that holds whole addresses: ``@address``, ``customer.@address``."""

MUNICIPALITIES = ("北京", "上海", "天津", "重庆")
_REGIONS = {"内蒙古": "内蒙古自治区", "广西": "广西壮族自治区", "宁夏": "宁夏回族自治区", "新疆": "新疆维吾尔自治区"}
_REGIONS |= {"西藏": "西藏自治区", "香港": "香港特别行政区", "澳门": "澳门特别行政区"}
_PROVINCES = (
    "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾"
)
_FULL = {name: f"{name}省" for name in _PROVINCES.split()} | _REGIONS | {name: f"{name}市" for name in MUNICIPALITIES}
_START = re.compile(
    "(" + "|".join(sorted(_FULL, key=len, reverse=True)) + ")(?:省|市|壮族自治区|回族自治区|维吾尔自治区|特别行政区|自治区)?"
)
_CITY = re.compile(r"[\s,，/-]*([\u4e00-\u9fff]{2,10}?(?:自治州|地区|盟|市(?!场|区)))")


def is_target(path: str) -> bool:
    return path.endswith(SUFFIX)


def parts(path: str) -> tuple[str, str]:
    """The target paths that an address column fills."""
    stem = path.removesuffix(SUFFIX)
    return f"{stem}province", f"{stem}city"


def split_column(path: str, cells: list[Any]) -> dict[str, list[Any]]:
    found = [split(cell) if isinstance(cell, str) else (None, None) for cell in cells]
    province, city = parts(path)
    return {province: [f[0] for f in found], city: [f[1] for f in found]}


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str | None, str | None]:
    """``浙江省 杭州市 西湖区 文三路1号`` → ``("浙江省", "杭州市")``; ``(None, None)`` where no province leads."""
    text = re.sub(r"^\s*(?:中国|中华人民共和国)[\s,，]*", "", text.strip())
    found = _START.match(text)
    if not found:
        return None, None
    province = _FULL[found[1]]
    rest = text[found.end() :]
    if found[1] in MUNICIPALITIES:
        return province, province
    city = _CITY.match(rest)
    return province, city[1] if city else None
