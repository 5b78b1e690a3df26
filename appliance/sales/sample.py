"""The sample company's leads, follow-ups and tasks, so that every screen of selling has something on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from ..accounts import people
from ..core import clock, settings

Write = Callable[[str, Sequence[dict[str, Any]]], list[int]]
"""Writes rows of a form; gives their ids."""

LEADS, OWNED = 48, 30
NAMES = (
    "陈静", "李娜", "王磊", "张敏", "刘洋", "杨帆", "赵倩", "黄涛", "周莹", "吴昊", "徐丽", "孙鹏", "胡蝶", "朱琳", "高远", "林悦", "何欢", "郭靖怡", "马超群", "罗曼",
)  # fmt: skip
INTERESTS = ("玻尿酸补水面膜", "舒缓保湿水乳套装", "持妆粉底液", "坚果每日包 30 袋", "婴儿棉柔巾 6 包", "枸杞原浆")
SOURCES = ("直播间留资", "短视频评论", "私信咨询", "表单填写", "老客推荐", "线下沙龙")
SAID = (
    "介绍了套装的用法，她想等活动再买。", "问了过敏史，推荐了舒缓系列。", "没有接通，晚上八点后再打。", "已加微信，发了优惠券。",
    "对价格有顾虑，约好周末直播间再看。", "已寄小样，三天后回访。", "上次的面膜用完了，想补一箱。", "要给公司做团购，等她确认数量。",
)  # fmt: skip
TITLES = (
    "回访小样使用感受", "发送新品资料", "确认团购数量", "打电话介绍会员权益", "核对收货地址", "跟进售后换货", "邀请参加周五直播",
    "整理本周意向客户", "回复抖音私信", "给生日客户送祝福",
)  # fmt: skip


def fill(chance: random.Random, customers: list[int], write: Write) -> None:
    """Makes them. ``customers``: ids of the sample's customers."""
    staff: list[int | None] = [user_id for user_id, _name in people.active()] or [None]
    now, tz = clock.now(), settings.tz()

    def at(days: float) -> str:
        return clock.iso(now + int(days * clock.DAY), tz)

    leads = write("lead", [_lead(chance, number, staff) for number in range(LEADS)])
    about = [("lead", i) for i in leads[:OWNED]] + [("customer", i) for i in customers[:20]]
    write(
        "follow_up",
        [
            {
                key: record_id, "kind": chance.choice(("phone", "wechat", "live", "visit")), "content": chance.choice(SAID),
                "next_at": at(chance.choice((-1, -0.2, 0.1, 0.2, 1, 2, 5))) if chance.random() < 0.5 else None,
                "owner": staff[n % len(staff)],
            }
            for n, (key, record_id) in enumerate(about)
            if chance.random() < 0.75
        ],
    )  # fmt: skip
    write("task", [_task(chance, number, staff, about, at) for number in range(36)])


def _lead(chance: random.Random, number: int, staff: list[Any]) -> dict[str, Any]:
    owned = number < OWNED
    stage = chance.choice(("new", "new", "contacting", "interested", "negotiating", "invalid")) if owned else "new"
    return {
        "name": NAMES[number % len(NAMES)] if number < len(NAMES) else f"{NAMES[number % len(NAMES)]}（{number}）",
        "phone": f"1980{number + 1:07d}", "channel": chance.choice(("douyin", "kuaishou", "xiaohongshu", "wechat")),
        "source": chance.choice(SOURCES), "interest": chance.choice(INTERESTS),
        "intent": chance.choice(("high", "medium", "medium", "low")), "stage": stage,
        "city": chance.choice(("杭州", "上海", "广州", "成都", "武汉")), "owner": staff[number % len(staff)] if owned else None,
    }  # fmt: skip


def _task(
    chance: random.Random, number: int, staff: list[Any], about: list[tuple[str, int]], at: Callable[[float], str]
) -> dict[str, Any]:
    key, record_id = chance.choice(about)
    days = chance.choice((-2, -1, -0.3, 0.05, 0.1, 0.15, 1, 2, 3, 6, 12))
    task: dict[str, Any] = {
        "title": chance.choice(TITLES), "assignee": staff[number % len(staff)], "due_at": at(days),
        "priority": chance.choice(("normal", "normal", "normal", "high", "urgent", "low")), key: record_id,
    }  # fmt: skip
    if number % 4 == 0:
        task |= {"status": "done", "done_at": at(min(days, 0) - 0.01)}
    elif number % 9 == 0:
        task["repeat"] = "weekly"
    return task
