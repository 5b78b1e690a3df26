"""Viewers of a live room, one row a viewer: what Douyin, Kuaishou and tools around them export, under many headers."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l

from ...parsing import parse_number, parse_phone
from .base import Preset

_UNIT = re.compile(r"[(（\[【](.*?)[)）\]】]")

HEADERS: dict[str, tuple[str, ...]] = {
    "customer.douyin_id": ("用户id", "抖音号", "抖音id", "用户抖音号", "观众id", "粉丝id", "uid", "openid"),
    "customer.kuaishou_id": ("快手号", "快手id"),
    "customer.nickname": ("昵称", "用户昵称", "观众昵称", "粉丝昵称", "用户名"),
    "customer.phone": ("手机", "手机号", "手机号码", "联系方式", "联系电话"),
    "at": (
        "最近一次观看日期", "最近一次观看时间", "最近观看时间", "观看时间", "进入时间", "进房时间", "进入直播间时间", "首次进入时间",
        "开始观看时间", "互动时间", "日期",
    ),
    "watched": ("累计观看时长", "观看时长", "停留时长", "总观看时长", "在线时长"),
    "comments": ("评论次数", "评论数", "评论", "弹幕数", "发言次数", "互动次数"),
    "likes": ("点赞次数", "点赞数", "点赞"),
    "shares": ("分享次数", "分享数", "分享"),
    "gifts": ("送礼次数", "礼物数", "送礼数", "打赏次数"),
    "gift_value": ("打赏金额", "送礼金额", "礼物金额", "打赏", "礼物价值"),
    "followed": ("是否关注", "关注", "是否新增关注", "新增关注"),
    "fan_club": ("是否加入粉丝团", "加入粉丝团", "新加粉丝团"),
    "fan_level": ("粉丝团等级", "粉丝等级", "灯牌等级"),
    "content": ("备注", "评论内容", "弹幕内容"),
    "live_session.external_id": ("直播间id", "场次id", "直播场次id", "房间号", "room_id", "直播id"),
}  # fmt: skip
"""Target path → headers, in lower case, without the group above them and the unit behind them."""


def bare(name: str) -> str:
    """``观看/累计观看时长(分钟)`` → ``累计观看时长``."""
    return _UNIT.sub("", name.rsplit("/", 1)[-1]).strip().casefold()


class LiveRoom(Preset):
    name = "live_room"
    label = _l("直播间观众明细")
    form = "event_entry"
    signature: ClassVar = frozenset()
    columns: ClassVar = {}
    constants: ClassVar = {"channel": "douyin", "customer.channel": "douyin"}
    derived = ("watched", "customer.phone")
    note = _l(
        "每位观众一行，一行里的观看、评论、点赞、送礼各成一条互动。按抖音的用户 ID 认人；写得不完整的手机号会略过。"
    )

    def fit(self, names: list[str]) -> float:
        """Whoever tells how long each watched is such an export."""
        known = {header: path for path, headers in HEADERS.items() for header in headers}
        found = [known[bare(name)] for name in names if bare(name) in known]
        if "watched" not in found or not any(path.startswith("customer.") for path in found):
            return 0.0
        return len(found) / max(len(names), 1)

    def mapping(self, names: list[str]) -> dict[int, str]:
        places = {bare(name): i for i, name in reversed(list(enumerate(names))) if name}
        found: dict[int, str] = {}
        for path, headers in HEADERS.items():
            header = next((h for h in headers if h in places), None)
            if header is not None:
                found[places[header]] = path
        return dict(sorted(found.items()))

    def derive(self, cells: dict[str, list[Any]], size: int) -> dict[str, list[Any]]:
        """Numbers under "… (秒)" are seconds, else minutes; numbers that nobody can call are left out."""
        derived: dict[str, list[Any]] = {}
        for name, column in cells.items():
            head = bare(name)
            if head in HEADERS["watched"]:
                derived.setdefault("watched", [_duration(cell, "秒" in name.rsplit("/", 1)[-1]) for cell in column])
            elif head in HEADERS["customer.phone"]:
                derived.setdefault("customer.phone", [_phone(cell) for cell in column])
        return derived


def _duration(cell: Any, seconds: bool) -> Any:
    """What the duration field reads as minutes or ``h:mm:ss``."""
    if not seconds or cell is None:
        return cell
    try:
        count = parse_number(cell, 0)
    except ValueError:
        return cell
    return f"{count // 3600}:{count // 60 % 60:02}:{count % 60:02}"


def _phone(cell: Any) -> str | None:
    try:
        return None if cell is None else parse_phone(cell)
    except ValueError:
        return None
