"""Makes a big company: customers and orders with the skew that real shops have, the same ones for the same seed.

The rows are written straight into the forms' tables (a million through the write path would measure the write path,
which is another figure), with everything else that the write path would have left: ids, identities, search index, and
the Change log when asked. Then the product's own jobs run until nothing is due, so metrics and scores are its own.
"""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
import sys
import time
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

SEED = 20_261_122
DAY = 86_400
CHUNK = 20_000

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红娥玲芬梅琳欣怡子涵梓轩浩宇诗思雨佳宁晨曦嘉怡俊博文雅婷雪"
CITIES = [
    ("上海", "上海"), ("北京", "北京"), ("广东", "深圳"), ("广东", "广州"), ("浙江", "杭州"), ("四川", "成都"),
    ("重庆", "重庆"), ("江苏", "苏州"), ("湖北", "武汉"), ("江苏", "南京"), ("陕西", "西安"), ("湖南", "长沙"),
    ("天津", "天津"), ("河南", "郑州"), ("山东", "青岛"), ("浙江", "宁波"), ("福建", "厦门"), ("安徽", "合肥"),
    ("辽宁", "大连"), ("云南", "昆明"), ("山东", "济南"), ("广东", "佛山"), ("广东", "东莞"), ("福建", "福州"),
]  # fmt: skip
CHANNELS = {"douyin": 34, "taobao": 22, "wechat": 16, "kuaishou": 10, "xiaohongshu": 8, "jd": 6, "offline": 4}
STAGES = {"new": 40, "following": 22, "customer": 28, "loyal": 6, "lost": 4}
LEVELS = {"normal": 78, "silver": 14, "gold": 6, "vip": 2}
STATUSES = {"completed": 84, "shipped": 5, "paid": 3, "closed": 4, "cancelled": 2, "refunded": 2}


class Weighted:
    """Draws from ``{value: weight}``; much faster than ``random.choices`` one at a time."""

    def __init__(self, weights: dict[Any, float], rng: random.Random) -> None:
        self.values = list(weights)
        self.sums = list(accumulate(weights.values()))
        self.rng = rng

    def __call__(self) -> Any:
        return self.values[bisect(self.sums, self.rng.random() * self.sums[-1])]


def customers(count: int, now: int, people: Sequence[int], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of the customer form, keyed by field, in stored values."""
    city = Weighted({pair: 1 / (rank + 2) for rank, pair in enumerate(CITIES)}, rng)
    channel, stage, level = Weighted(CHANNELS, rng), Weighted(STAGES, rng), Weighted(LEVELS, rng)
    for number in range(1, count + 1):
        name = rng.choice(SURNAMES) + rng.choice(GIVEN) + (rng.choice(GIVEN) if rng.random() < 0.7 else "")
        province, town = city()
        seen = now - int(rng.random() ** 1.5 * 1_000 * DAY)
        yield {
            "name": name,
            "nickname": f"{name[-1]}{rng.randrange(10_000)}",
            "gender": "female" if rng.random() < 0.68 else "male",
            "birthday": dt.date.fromordinal(dt.date(1960, 1, 1).toordinal() + rng.randrange(17_000)).isoformat(),
            # Odd and no multiple of five, so that the product runs through all numbers before one comes again.
            "phone": f"13{number * 48_271 % 10**9:09d}",
            "email": f"c{number}@example.com",
            "wechat": f"wx_{number:x}",
            "province": province,
            "city": town,
            "region": "高新区" if rng.random() < 0.2 else "老城区",
            "channel": channel(),
            "source": "直播间" if rng.random() < 0.6 else "商品卡",
            "stage": stage(),
            "level": level(),
            "owner": rng.choice(people),
            "first_seen_at": seen,
            "remark": "喜欢夜场直播" if rng.random() < 0.1 else None,
        }


def orders(count: int, buyers: int, now: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of the order form: a tenth of the customers make half of the orders, three in ten never buy."""
    channel, status = Weighted(CHANNELS, rng), Weighted(STATUSES, rng)
    for number in range(1, count + 1):
        customer = 1 + int(rng.random() ** 3 * buyers * 0.7) * 7 % buyers
        at = now - int(rng.random() ** 1.3 * 1_000 * DAY) - 60
        state = status()
        amount = int(min(rng.lognormvariate(9.2, 0.9), 5_000_000))
        paid = state not in ("closed", "cancelled")
        yield {
            "number": f"B{number:09d}",
            "customer": customer,
            "channel": channel(),
            "shop": "旗舰店" if rng.random() < 0.7 else "直播间小店",
            "status": state,
            "ordered_at": at - 30,
            "paid_at": at if paid else None,
            "amount": amount,
            "discount": amount // 10 if rng.random() < 0.3 else 0,
            "refunded": amount if state == "refunded" else 0,
        }


def fill(form: Any, rows: Iterator[dict[str, Any]], count: int, actor_id: int, *, changes: bool) -> None:
    """Writes ``count`` rows into the form's empty table. Indexes are made afterwards, in one go each."""
    from appliance.core import clock
    from appliance.core.db import db, write
    from appliance.core.dialect import dumps
    from appliance.forms.models import FormRow

    table = form.table_name
    with write():
        # Writers have a connection of their own, which is the one in here.
        connection: sqlite3.Connection = db.connection()
        connection.execute("PRAGMA cache_size = -400000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
        ).fetchall()
        for name, _sql in indexes:
            connection.execute(f'DROP INDEX "{name}"')
    now = clock.now()
    columns: list[str] = []
    done = 0
    started = time.perf_counter()
    while chunk := list(islice(rows, CHUNK)):
        if not columns:
            columns = [key for key in chunk[0] if form.fields[key].column]
            names = ", ".join(f'"{c}"' for c in ["id", "version", "created_at", "created_by", "updated_at", *columns])
            insert = f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * (5 + len(columns)))})'
        with write():
            connection = db.connection()
            connection.executemany(
                insert,
                [
                    (done + i, 1, row.get("first_seen_at") or row.get("ordered_at") or now, actor_id, now,
                     *[row[c] for c in columns])
                    for i, row in enumerate(chunk, 1)
                ],
            )  # fmt: skip
            if changes:
                connection.executemany(
                    "INSERT INTO change (at, form_id, record_id, action, fields, actor_id, cause_kind, depth)"
                    " VALUES (?, ?, ?, 'create', ?, ?, 'system', 0)",
                    [
                        (now, form.id, done + i, dumps({k: v for k, v in row.items() if v is not None}), actor_id)
                        for i, row in enumerate(chunk, 1)
                    ],
                )
        done += len(chunk)
        say(f"{form.key}: {done:,} of {count:,} ({done / (time.perf_counter() - started):,.0f}/s)")
    with write():
        for _name, sql in indexes:
            db.connection().execute(sql)
        FormRow.update(last_id=done).where(FormRow.id == form.id).execute()


def identify(form: Any, now: int) -> None:
    """The identities of the customers: phone and e-mail as the write path keeps them, and a member number."""
    from appliance.core.db import db, write

    insert = (
        "INSERT INTO identity (customer_id, kind, scope, value, evidence, first_seen_at, last_seen_at, active)"
        f" SELECT id, ?, '', {{}}, ?, ?, ?, 1 FROM {form.table_name}"
    )
    for kind, value, evidence in (
        ("phone", "phone", "field"),
        ("email", "email", "field"),
        ("member_no", "printf('M%08d', id)", "import"),
    ):
        with write():
            db.connection().execute(insert.format(value), (kind, evidence, now, now))
        say(f"identities: {kind}")


def make(data: Path, count: int, order_count: int, *, changes: bool = False, search: bool = True) -> None:
    """Makes the database in ``data``, which must be empty. The administrator is amy, as in the tests."""
    from tests.support import world

    if (data / "guke.db").exists():
        raise SystemExit(f"{data} holds a database already; name an empty folder")
    data.parent.mkdir(parents=True, exist_ok=True)
    template = world.prepare(data)
    world.save(template)
    from appliance.accounts import users
    from appliance.core import clock, jobs
    from appliance.core.db import db, write
    from appliance.customers import rfm
    from appliance.forms import catalog
    from appliance.forms.models import SearchDirty

    with world.running(data):
        db.connect(reuse_if_open=True)
        db.connection().execute("PRAGMA synchronous = off")
        db.connection().execute("PRAGMA cache_size = -400000")
        rng = random.Random(SEED)
        now = clock.now()
        people = [user.id for user in users.people()]
        customer, order = catalog.get("customer"), catalog.get("order")
        fill(customer, customers(count, now, people, rng), count, people[0], changes=changes)
        identify(customer, now)
        fill(order, orders(order_count, count, now, rng), order_count, people[0], changes=changes)
        with write():
            for form, last in ((customer, count), (order, order_count)):
                if search and form.search_fields and last:
                    SearchDirty.insert(form_id=form.id, first_id=1, last_id=last).execute()
            jobs.enqueue("search.index", {}, unique="search.index")
        say("indexing for search, computing metrics …")
        started = time.perf_counter()
        rfm.ask_full()
        done = jobs.work()
        say(f"jobs done in {time.perf_counter() - started:.0f} s: {done}")
        db.connection().execute("PRAGMA analysis_limit = 1000")
        db.connection().execute("ANALYZE")
        db.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
