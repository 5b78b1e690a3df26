"""The sample company: an invented shop with customers, products and two years of orders.

Everybody and everything in it is made up, the same each time, and written by the ordinary bulk write path, so that
metrics, tags and dashboards fill the way they do with real orders.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts.actor import SYSTEM
from ..automation import rules, tables
from ..core import clock, jobs, settings
from ..core.db import read
from ..core.errors import UserError
from ..customers.events import ingest
from ..customers.measures import store as measures
from ..customers.segments import ready_made
from ..forms import catalog, query, records
from ..forms.hooks import Cause
from ..loyalty import sample as loyalty_sample
from ..messaging import sample as message_sample
from ..sales import sample
from . import demo_people

COMPANY = "固客示例店"
CAUSE = Cause("import")
BATCH = 1_000
MONTHS = 24

SCALES = {"small": (2_000, 12_000), "tiny": (200, 1_000), "large": (20_000, 120_000)}
"""Name → customers and orders."""

CHANNELS = {"douyin": 42, "taobao": 22, "kuaishou": 12, "xiaohongshu": 10, "wechat": 9, "youzan": 5}
IDENTITY = {"douyin": "douyin_id", "taobao": "taobao_nick", "kuaishou": "kuaishou_id", "xiaohongshu": "xiaohongshu_id"}
SHOPS = {
    "douyin": "固客美妆抖音旗舰店", "taobao": "固客美妆淘宝店", "kuaishou": "固客快手小店",
    "xiaohongshu": "固客小红书店", "wechat": "固客会员小程序", "youzan": "固客有赞商城",
}  # fmt: skip
CITIES = (
    ("浙江", "杭州", 14), ("上海", "上海", 12), ("广东", "广州", 10), ("广东", "深圳", 10), ("四川", "成都", 9),
    ("北京", "北京", 9), ("江苏", "苏州", 7), ("湖北", "武汉", 6), ("重庆", "重庆", 6), ("湖南", "长沙", 5),
    ("陕西", "西安", 4), ("福建", "厦门", 3), ("山东", "青岛", 3), ("云南", "昆明", 2),
)  # fmt: skip
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
GIVEN = "欣怡梓涵雨桐诗琪佳宁思远子轩浩然俊杰文博晓婷美玲婉清若曦芷晴语嫣静雅慧敏海燕建国志强丽娟秀英晨曦嘉懿一诺书瑶"

PRODUCTS: dict[str, tuple[tuple[str, int], ...]] = {
    "护肤": (("玻尿酸补水面膜", 79), ("烟酰胺精华液", 168), ("氨基酸洁面乳", 69), ("胶原蛋白眼霜", 219),
           ("防晒乳 SPF50", 99), ("舒缓保湿水乳套装", 298), ("视黄醇晚霜", 259), ("清洁泥膜", 88)),
    "彩妆": (("丝绒哑光口红", 89), ("持妆粉底液", 139), ("十二色眼影盘", 128), ("纤长睫毛膏", 65), ("柔雾腮红", 59),
           ("双头眉笔", 39)),
    "母婴": (("婴儿棉柔巾 6 包", 59), ("婴儿洗衣液", 49), ("儿童营养米粉", 68), ("学饮杯", 45), ("纯棉连体衣", 79),
           ("婴儿抚触油", 58)),
    "食品": (("坚果每日包 30 袋", 119), ("云南小粒咖啡", 68), ("低糖麦片", 55), ("黑芝麻丸", 49), ("冻干草莓脆", 29),
           ("枸杞原浆", 158)),
}  # fmt: skip
CATEGORY_WEIGHTS = (40, 25, 15, 20)

SEASON = {1: 0.9, 2: 0.6, 3: 1.0, 4: 0.9, 5: 1.0, 6: 1.8, 7: 0.8, 8: 0.9, 9: 1.0, 10: 1.2, 11: 2.2, 12: 1.3}
"""How a month compares with an ordinary one: 618 and 双 11, and the quiet weeks around the spring festival."""
HOURS = (2, 1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 9, 8, 7, 7, 7, 8, 11, 18, 26, 24, 14, 6)
"""When people order: most of them while the evening's live show is on."""


LIVE_DAYS = 60
_LIVE = ("新品首发专场", "护肤福利夜", "老粉宠粉场", "彩妆上新", "周末囤货场")
HOSTS = ("小满", "阿梨", "知夏")
COMMENTS = (
    "敏感肌能用吗",
    "有没有小样",
    "已拍，坐等发货",
    "主播试一下色",
    "和上次的有什么区别",
    "孕妇可以用吗",
    "求链接",
)


class Loaded(Struct, frozen=True):
    """What was made; all zero when the sample was there already."""

    customers: int = 0
    products: int = 0
    orders: int = 0
    items: int = 0


def load(scale: str = "small") -> Loaded:
    """Fills an empty data folder. Raises UserError when the folder holds a company's own records."""
    if scale not in SCALES:
        raise UserError(_("没有「%(scale)s」这种规模，可选：%(all)s。", scale=scale, all=", ".join(SCALES)))
    if settings.get("company.name") == COMPANY:
        return Loaded()
    _demand_empty()
    customers, orders = SCALES[scale]
    made = _Shop(random.Random(2026)).fill(customers, orders)
    jobs.work()
    demo_people.tell()
    _tag()
    return made


METRIC = {
    "key": "spent_90", "label": {"zh": "最近 90 天消费", "en": "Spent in 90 days"}, "form": "order", "agg": "sum",
    "of": "amount", "on": "paid_at", "window": {"days": 90},
    "where": {"not": {"field": "status", "op": "eq", "value": "cancelled"}},
}  # fmt: skip


def _tag() -> None:
    """Switches the ready-made segments, table and rules on and lets them work once, as they will every night."""
    ready_made.switch_on(SYSTEM)
    measures.save(METRIC, SYSTEM)
    for book in (tables.book, rules.book):
        for subject in book.all():
            book.switch(subject.key, True, SYSTEM)
            if "updated" not in (subject.document().get("on") or {}):
                book.run(subject.key, SYSTEM)
    jobs.work()


def _demand_empty() -> None:
    with read():
        for key in ("customer", "order", "product"):
            if query.Query(catalog.get(key), SYSTEM).page(1, fields=[]).records:
                raise UserError(_("这里已经有记录了，示例数据只能载入到空的数据目录。"))


class _Shop:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.today = clock.today(settings.tz())
        self.items: list[dict[str, Any]] = []

    def fill(self, customers: int, orders: int) -> Loaded:
        products = self._write("product", list(self._products()))
        people = list(self._people(customers))
        ids = self._write("customer", people)
        order_docs = list(self._orders(orders, ids, [p["channel"] for p in people], products))
        order_ids = self._write("order", order_docs)
        for item in self.items:
            item["order"] = order_ids[item["order"]]
        self._write("order_item", self.items)
        self._go_live([c for c, person in zip(ids, people, strict=True) if person["channel"] == "douyin"], products)
        sample.fill(random.Random(618), ids, self._write)
        loyalty_sample.fill(random.Random(77), ids, self._write)
        # The messages speak in the company's name.
        settings.set("company.name", COMPANY)
        message_sample.fill(ids)
        return Loaded(len(ids), len(products), len(order_ids), len(self.items))

    def _write(self, form_key: str, rows: Sequence[dict[str, Any]]) -> list[int]:
        form, ids = catalog.get(form_key), []
        for start in range(0, len(rows), BATCH):
            written = records.create_many(form, rows[start : start + BATCH], SYSTEM, CAUSE)
            if written.errors:
                raise RuntimeError(f"sample {form_key}: {next(iter(written.errors.values()))}")
            ids += [i for i in written.ids if i is not None]
        return ids

    def _go_live(self, viewers: list[int], products: list[int]) -> None:
        """An evening's live show every third day, and what its viewers did there; the orders of the hour find it themselves."""
        tz = settings.tz()
        days = [self.today - dt.timedelta(days=n) for n in range(LIVE_DAYS, 0, -3)]
        shows = [
            {
                "title": _LIVE[n % len(_LIVE)], "host": self.chance.choice(HOSTS), "channel": "douyin", "shop": SHOPS["douyin"],
                "starts_at": clock.iso(clock.start_of(day, tz) + 19 * 3600, tz),
                "ends_at": clock.iso(clock.start_of(day, tz) + 23 * 3600, tz), "external_id": f"demo-live-{day:%Y%m%d}",
                "spend": self.chance.randrange(2, 8) * 50, "goods": self.chance.sample(products, 6),
            }
            for n, day in enumerate(days)
        ]  # fmt: skip
        self._write("live_session", shows)
        fans = self.chance.choices(viewers, [self.chance.paretovariate(0.8) for _each in viewers], k=len(viewers) * 6)
        told = [event for who in fans for event in self._watching(who, clock.start_of(self.chance.choice(days), tz))]
        for start in range(0, len(told), BATCH):
            result = ingest.ingest(told[start : start + BATCH], SYSTEM, CAUSE)
            if result.failed:
                raise RuntimeError(f"sample events: {next(iter(result.failed.values()))}")

    def _watching(self, customer: int, day: int) -> Iterator[dict[str, Any]]:
        """One viewer's evening: they come, stay a while, and some do more than look."""
        came = day + 19 * 3600 + self.chance.randrange(3 * 3600)
        stayed = int(self.chance.expovariate(1 / 600)) + 5
        one: dict[str, Any] = {"customer": customer, "channel": "douyin", "connection": "demo"}
        yield one | {"type": "watch", "at": came, "seconds": min(stayed, 3600)}
        for kind, share, most in (
            ("like", 0.4, 60),
            ("comment", 0.25, 1),
            ("add_to_cart", 0.15, 1),
            ("share", 0.05, 1),
            ("gift", 0.04, 3),
        ):
            if self.chance.random() < share:
                props: dict[str, Any] = {}
                if kind == "comment":
                    props = {"text": self.chance.choice(COMMENTS)}
                elif kind == "add_to_cart":
                    props = {"product": self.chance.choice(PRODUCTS["护肤"])[0]}
                elif kind == "gift":
                    props = {"value": self.chance.choice((1, 9.9, 52))}
                at = came + self.chance.randrange(min(stayed, 3600))
                yield one | {"type": kind, "at": at, "times": self.chance.randint(1, most), "props": props}

    def _products(self) -> Iterator[dict[str, Any]]:
        for number, (category, (name, price)) in enumerate(
            ((c, p) for c, listed in PRODUCTS.items() for p in listed), start=1
        ):
            yield {
                "sku": f"GK{number:04d}", "name": name, "category": category, "price": price,
                "cost": round(price * 0.38, 2), "stock": self.chance.randrange(20, 900), "active": True,
            }  # fmt: skip

    def _people(self, count: int) -> Iterator[dict[str, Any]]:
        names = [s + g for s in SURNAMES for g in map("".join, itertools.pairwise(GIVEN))]
        channels = self.chance.choices(list(CHANNELS), list(CHANNELS.values()), k=count)
        places = self.chance.choices(CITIES, [weight for *_place, weight in CITIES], k=count)
        for number, (channel, (province, city, _weight)) in enumerate(zip(channels, places, strict=True)):
            born = self.today - dt.timedelta(days=self.chance.randrange(18 * 365, 58 * 365))
            person: dict[str, Any] = {
                "name": self.chance.choice(names), "phone": f"1990{number + 1:07d}", "province": province, "city": city,
                "gender": "female" if self.chance.random() < 0.76 else "male", "birthday": born.isoformat(),
                "channel": channel, "source": self.chance.choice(("直播间", "短视频", "搜索", "老客推荐", "社群")),
            }  # fmt: skip
            if channel in IDENTITY:
                person["identities"] = {IDENTITY[channel]: [f"demo_{channel}_{number + 1:05d}"]}
            yield person

    def _moments(self, count: int) -> list[int]:
        """UTC seconds, in order: a growing shop with its seasons, weekends and evenings."""
        first = (self.today.replace(day=1) - dt.timedelta(days=30 * (MONTHS - 1))).replace(day=1)
        days = [first + dt.timedelta(days=n) for n in range((self.today - first).days)]
        weights = [
            SEASON[day.month] * (1 + 0.7 * n / len(days)) * (1.25 if day.weekday() >= 5 else 1.0)
            * (2.6 if (day.month, day.day) in ((6, 18), (11, 11)) else 1.0)
            for n, day in enumerate(days)
        ]  # fmt: skip
        hours = self.chance.choices(range(24), HOURS, k=count)
        starts = {day: clock.start_of(day, settings.tz()) for day in days}
        chosen = self.chance.choices(days, weights, k=count)
        return sorted(
            starts[day] + hour * 3600 + self.chance.randrange(3600) for day, hour in zip(chosen, hours, strict=True)
        )

    def _orders(
        self, count: int, customers: list[int], channels: list[str], products: list[int]
    ) -> Iterator[dict[str, Any]]:
        goods: dict[str, list[tuple[int, str, int]]] = {c: [] for c in PRODUCTS}
        for product, (category, (name, price)) in zip(
            products, ((c, p) for c, listed in PRODUCTS.items() for p in listed), strict=True
        ):
            goods[category].append((product, name, price))
        # A few buy much, many buy once, some only look.
        looking = 0.12
        eager = [
            0.0 if self.chance.random() < looking else min(self.chance.paretovariate(0.62), 45.0) for _each in customers
        ]
        buyers = self.chance.choices(range(len(customers)), eager, k=count)
        for number, (buyer, at) in enumerate(zip(buyers, self._moments(count), strict=True)):
            total = self._basket(number, goods)
            yield self._order(number, customers[buyer], channels[buyer], at, total)

    def _basket(self, order: int, goods: dict[str, list[tuple[int, str, int]]]) -> int:
        total = 0
        for category in self.chance.choices(list(goods), CATEGORY_WEIGHTS, k=self.chance.choice((1, 1, 2, 2, 3))):
            product, name, price = self.chance.choice(goods[category])
            pieces = self.chance.choice((1, 1, 1, 2, 2, 3))
            total += price * pieces
            self.items.append({
                "order": order, "product": product, "name": name, "category": category, "quantity": pieces,
                "price": price, "amount": price * pieces,
            })  # fmt: skip
        return total

    def _order(self, number: int, customer: int, channel: str, at: int, total: int) -> dict[str, Any]:
        discount = round(total * self.chance.choice((0, 0, 0, 0.05, 0.1, 0.15)), 2)
        age = clock.now() - at
        status = "completed" if age > 15 * clock.DAY else "shipped" if age > 3 * clock.DAY else "paid"
        order: dict[str, Any] = {
            "number": f"GK{number + 1:08d}", "customer": customer, "channel": channel, "shop": SHOPS[channel],
            "ordered_at": at, "paid_at": at + self.chance.randrange(20, 900), "amount": round(total - discount, 2),
            "discount": discount, "status": status,
        }  # fmt: skip
        fate = self.chance.random()
        if fate < 0.03:
            order |= {"status": "refunded", "refunded": order["amount"]}
        elif fate < 0.05:
            order["refunded"] = round(order["amount"] * 0.3, 2)
        elif fate < 0.08:
            order["status"] = "cancelled"
            if self.chance.random() < 0.7:
                order["paid_at"] = None
        for key in ("ordered_at", "paid_at"):
            if order[key] is not None:
                order[key] = clock.iso(order[key], settings.tz())
        return order
