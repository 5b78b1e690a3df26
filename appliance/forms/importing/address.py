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
    "河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 "
    "青海 台湾"
)
_FULL = {name: f"{name}省" for name in _PROVINCES.split()} | _REGIONS | {name: f"{name}市" for name in MUNICIPALITIES}
_START = re.compile(
    f"({'|'.join(sorted(_FULL, key=len, reverse=True))})(?:省|市|壮族自治区|回族自治区|维吾尔自治区|特别行政区|自治区)?"
)
_CITY = re.compile(r"[\s,，/-]*([\u4e00-\u9fff]{2,10}?(?:自治州|地区|盟|市(?!场|区)))")
_DISTRICT = re.compile(r"[\s,，/-]*([\u4e00-\u9fff]{1,8}?(?:自治县|新区|区|县|市|旗))(?=[\s,，/-]|[\u4e00-\u9fff\d]|$)")


def is_target(path: str) -> bool:
    return path.endswith(SUFFIX)


def split_column(path: str, cells: list[Any]) -> dict[str, list[Any]]:
    """The columns for the target paths ``…province``, ``…city`` and ``…region``."""
    stem = path.removesuffix(SUFFIX)
    found = [split(cell) if isinstance(cell, str) else (None, None, None) for cell in cells]
    return {f"{stem}{key}": [f[n] for f in found] for n, key in enumerate(("province", "city", "region"))}


@lru_cache(maxsize=4096)
def split(text: str) -> tuple[str | None, str | None, str | None]:
    """``浙江省 杭州市 西湖区 文三路1号`` → ``("浙江省", "杭州市", "西湖区")``; all ``None`` where no province leads."""
    text = re.sub(r"^\s*(?:中国|中华人民共和国)[\s,，]*", "", text.strip())
    found = _START.match(text)
    if not found:
        return None, None, None
    province, rest = _FULL[found[1]], text[found.end() :]
    city = _CITY.match(rest)
    if found[1] in MUNICIPALITIES:
        name: str | None = province
        # 上海 上海市 徐汇区: the city's name stands there once more, or not.
        rest = rest[city.end() :] if city and city[1] == province else rest
    else:
        name = city[1] if city else None
        rest = rest[city.end() :] if city else rest
    district = _DISTRICT.match(rest) if name else None
    return province, name, district[1] if district else None
