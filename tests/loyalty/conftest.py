"""Customers with orders, and rules that act on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from appliance.accounts.actor import SYSTEM
from appliance.core import i18n
from appliance.core.db import read
from appliance.forms import catalog, query, records
from tests.support.http import Api


class Shop:
    """A company's customers and orders, by the API; figures by name."""

    def __init__(self, api: Api, work: Callable[[], Any]) -> None:
        self.api, self.work = api, work

    def add(self, form: str, **values: Any) -> int:
        return int(self.api.post(f"/forms/{form}/records", {"values": values})["id"])

    def customer(self, name: str, **values: Any) -> int:
        return self.add("customer", name=name, **values)

    def order(self, customer: int, amount: str, number: str, **values: Any) -> int:
        return self.add(
            "order", number=number, customer=customer, amount=amount, paid_at="2026-06-01T10:00:00+08:00", status="paid",
            **values,
        )  # fmt: skip

    def change(self, form: str, record_id: int, **values: Any) -> None:
        self.api.patch(f"/forms/{form}/records/{record_id}", {"values": values})

    def value(self, form: str, record_id: int, key: str) -> Any:
        return query.Query(catalog.get(form), SYSTEM).get(record_id).values.get(key)

    def points(self, customer: int) -> int:
        """The balance as the API says; it is what the customer's record holds."""
        said = self.api.get(f"/customers/{customer}/points")
        assert said["balance"] == (self.value("customer", customer, "points") or 0)
        assert said["balance"] == sum(e["points"] for e in said["entries"]), said
        return int(said["balance"])

    def rule(self, form: str, do: Any, **more: Any) -> str:
        doc = {
            "label": "规则",
            "form": form,
            "on": {"created": True},
            "do": do if isinstance(do, list) else [do],
            "enabled": True,
        }
        return str(self.api.post("/rules", doc | more)["key"])

    def refuse(self, form: str, do: dict[str, Any]) -> dict[str, str]:
        """What the API says against an action: path inside it → sentence."""
        doc = {"label": "规则", "form": form, "on": {"created": True}, "do": [do]}
        answer = self.api.post("/rules", doc, expect=422)
        return {e["field"].removeprefix("do.0").removeprefix("."): e["message"] for e in answer["errors"]}

    def run(self, key: str, ids: list[int] | None = None) -> Any:
        """Runs a rule by hand and returns its entry in the log."""
        self.api.post(f"/rules/{key}:run", {} if ids is None else {"ids": ids})
        self.work()
        return self.last_run(key)

    def last_run(self, key: str) -> Any:
        return self.api.get(f"/rules/{key}/runs")["runs"][0]

    def many(self, form: str, rows: list[dict[str, Any]]) -> list[int]:
        written = records.create_many(catalog.get(form), rows, SYSTEM)
        assert not written.errors, written.errors
        return [i for i in written.ids if i]


@pytest.fixture
def shop(app: Flask, api: Api, work: Callable[[], Any]) -> Iterator[Shop]:
    with i18n.speaking("zh"), read():
        yield Shop(api, work)
