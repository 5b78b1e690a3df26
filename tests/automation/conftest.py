"""Customers with figures, and the automation pages as a person uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from appliance.accounts.actor import SYSTEM
from appliance.core import clock, i18n
from appliance.core.db import read, write
from appliance.forms import catalog, query, records
from tests.support.http import Client

Customer = tuple[int, int, int]
"""yuan paid, orders, days since the last"""


class Shop:
    """A company's customers, by name."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def add(self, **customers: Customer) -> None:
        form = catalog.get("customer")
        written = records.create_many(form, [{"name": name} for name in customers], SYSTEM)
        for name, record_id in zip(customers, written.ids, strict=True):
            assert record_id
            self.ids[name] = record_id
            self.figures(name, customers[name])

    def figures(self, name: str, customer: Customer) -> None:
        form = catalog.get("customer")
        yuan, orders, days = customer
        values = {
            "total_paid": yuan * 100, "order_count": orders,
            "last_paid_at": clock.now() - days * clock.DAY if orders else None,
        }  # fmt: skip
        with write():
            records.write_derived(form, values, form.col("id") == self.ids[name])

    def with_tag(self, tag: str) -> list[str]:
        found = query.Query(catalog.get("customer"), SYSTEM).where({"tag": tag}).sort("id").page(500).records
        return [record.title for record in found]

    def value(self, name: str, key: str) -> Any:
        return query.Query(catalog.get("customer"), SYSTEM).get(self.ids[name]).values[key]

    def change(self, name: str, **values: Any) -> None:
        records.update(catalog.get("customer"), self.ids[name], values, SYSTEM)

    def changes(self, name: str, kind: str) -> int:
        from appliance.forms.models import Change

        mine = (Change.record_id == self.ids[name]) & (Change.cause_kind == kind)
        return int(Change.select().where(mine & (Change.form_id == catalog.get("customer").id)).count())


@pytest.fixture
def shop(app: Flask) -> Iterator[Shop]:
    with i18n.speaking("zh"), read():
        yield Shop()


class Pages:
    """The editors, filled in and sent as the browser would."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def rule(self, url: str = "/automation/rules/new", expect: int = 303, **more: Any) -> str:
        """Saves a rule; ``do``: its actions as documents of the inputs. Returns its key, or the refusing page."""
        data: dict[str, Any] = {
            "label": "一条规则", "form": "customer", "on": "schedule", "schedule.choice": "daily",
            "schedule.time": "03:00", "where": "{}", "enabled": "1",
        }  # fmt: skip
        actions = more.pop("do", [{"action": "add_tag", "tag": "沉默预警"}])
        data["do"] = [f"a{i}" for i in range(len(actions))]
        for i, action in enumerate(actions):
            data |= {f"a{i}.{key}": value for key, value in action.items()}
        return self._send(url, data | more, expect)

    def table(self, url: str = "/automation/tables/new", expect: int = 303, **more: Any) -> str:
        """Saves a table; ``rows``: (condition, outcome)."""
        rows = more.pop("rows", [])
        data: dict[str, Any] = {
            "label": "一张表", "form": "customer", "target": "tag_group:value", "scheduled": "1",
            "schedule.choice": "daily", "schedule.time": "03:00", "enabled": "1",
            "row": [f"r{i}" for i in range(len(rows))],
        }  # fmt: skip
        for i, (where, then) in enumerate(rows):
            data |= {f"r{i}.where": json.dumps(where), f"r{i}.then": then}
        return self._send(url, data | more, expect)

    def _send(self, url: str, data: dict[str, Any], expect: int) -> str:
        if isinstance(data.get("where"), dict):
            data["where"] = json.dumps(data["where"])
        answer = self.client.post(url, data={key: value for key, value in data.items() if value is not None})
        assert answer.status_code == expect, answer.text[:3000]
        if expect != 303:
            return answer.text
        return answer.headers["Location"].rpartition("/")[2].partition("?")[0]

    def preview(self, html: str) -> int:
        """The number in "将改变 N 位客户"."""
        found = re.search(r'<b class="num">([\d,]+)</b>', html)
        assert found, html
        return int(found[1].replace(",", ""))


@pytest.fixture
def pages(client: Client) -> Pages:
    return Pages(client)


@pytest.fixture
def runs(app: Flask) -> Callable[..., list[Any]]:
    """The log, newest first."""
    from appliance.automation import log

    return log.runs
