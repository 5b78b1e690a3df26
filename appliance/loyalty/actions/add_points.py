"""Gives customers points, or takes some away."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...automation.actions import making
from ...automation.actions.base import Action, ActionError, Effect, Work
from ...core import dialect
from ...core.db import db
from ...forms.catalog import Form
from ...forms.fields.base import Field
from .. import earned, points, whose
from ..points import Gift

NUMBERS = ("money", "integer", "decimal", "percent", "rating")


class AddPoints(Action):
    """``{points: 100, reason}`` or ``{points: {"per": "amount", "rate": 1, "max"?: 500}, reason}``: so many points per yuan (or
    unit) of a field. On an order the amount is what it is worth: paid and not refunded."""

    name = "add_points"
    label = _l("加积分")
    icon = "coin"
    template = "automation/actions/add_points.html"
    params = frozenset({"points", "reason"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return whose.customer_field(form) is not None

    @staticmethod
    def numbers(form: Form) -> list[Field]:
        return [f for f in form.columns.values() if f.type in NUMBERS and f.key != points.FIELD]

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        amount: Any = values.get(f"{slot}.points", "").strip()
        if values.get(f"{slot}.way") == "per":
            amount = {"per": values.get(f"{slot}.per", ""), "rate": values.get(f"{slot}.rate", "").strip()}
            if values.get(f"{slot}.max", "").strip():
                amount["max"] = values[f"{slot}.max"].strip()
        return {"action": cls.name, "points": amount, "reason": values.get(f"{slot}.reason", "").strip()}

    @property
    def by_field(self) -> dict[str, Any] | None:
        amount = self.doc.get("points")
        return amount if isinstance(amount, dict) else None

    @property
    def reason(self) -> str:
        return str(self.doc.get("reason") or "").strip()

    def check(self) -> None:
        if self.by_field is None:
            self._whole(self.doc.get("points"), "points")
        else:
            self._check_formula(self.by_field)
        if not self.reason or len(self.reason) > points.LONGEST_REASON:
            raise ActionError(_("请写明原因，最多 %(max)d 个字。", max=points.LONGEST_REASON), "reason")

    def _check_formula(self, doc: dict[str, Any]) -> None:
        if doc.get("per") not in {f.key for f in self.numbers(self.form)}:
            raise ActionError(_("请选择按哪个数字字段计算积分。"), "points.per")
        rate = self._rate(doc.get("rate"))
        if rate is None or rate == 0 or abs(rate) > 1000:
            raise ActionError(_("请填写每 1 元（或每 1 个）给多少积分，例如 1 或 0.1。"), "points.rate")
        if doc.get("max") is not None and self._whole(doc["max"], "points.max") < 0:
            raise ActionError(_("最多给多少积分要是正数。"), "points.max")

    @staticmethod
    def _rate(raw: Any) -> Decimal | None:
        try:
            rate = Decimal(str(raw).strip())
        except InvalidOperation:
            return None
        return rate if rate.is_finite() else None

    @staticmethod
    def _whole(raw: Any, path: str) -> int:
        try:
            amount = int(str(raw).strip())
        except ValueError:
            amount = 0
        if amount == 0 or abs(amount) > points.MOST or isinstance(raw, bool):
            raise ActionError(_("请填写不为 0 的整数；要扣积分就写负数，例如 -50。"), path)
        return amount

    def words(self) -> str:
        if self.by_field is not None:
            field = self.form.columns.get(str(self.by_field.get("per")))
            said = {"field": field.label if field else "", "rate": self.by_field.get("rate"), "reason": self.reason}
            text = _("按「%(field)s」每 1 给 %(rate)s 积分", **said)
            if field is not None and field.type == "money":
                text = _("按「%(field)s」每 1 元给 %(rate)s 积分", **said)
            if self.by_field.get("max"):
                text += _("，最多 %(max)s", max=self.by_field["max"])
            return text
        amount = int(str(self.doc.get("points") or 0))
        return (
            _("扣 %(points)s 积分", points=f"{-amount:,}")
            if amount < 0
            else _("加 %(points)s 积分", points=f"{amount:,}")
        )

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        form, effect = work.form, Effect()
        customers = whose.customers(form, ids)
        order = form.key == earned.ORDER
        worth = earned.worth(ids) if order else {}
        amounts = self._amounts(form, ids, worth)
        gifts: dict[int, Gift] = {}
        for i in ids:
            if i not in customers:
                effect.skipped[i] = _("没有写明是哪位客户。")
            elif order and i not in worth:
                effect.skipped[i] = _("订单没有付款，或已取消，不给积分。")
            else:
                # An order earns once for one reason, however often it is written and whichever rule says so.
                key = f"{form.key}:{i}:{self.reason}" if order else making.key_of(work, i)
                basis = worth[i][1] if order else None
                gifts[i] = Gift(customers[i], amounts.get(i, 0), form.key, i, basis, key)
        given = points.give(list(gifts.values()), self.reason, work.cause, work.actor)
        order_of = list(gifts)
        effect.changed = {order_of[n] for n in given.moved}
        effect.skipped |= {order_of[n]: why for n, why in given.skipped.items()}
        return effect

    def _amounts(self, form: Form, ids: Sequence[int], worth: dict[int, tuple[int | None, int]]) -> dict[int, int]:
        doc = self.by_field
        if doc is None:
            return dict.fromkeys(ids, int(str(self.doc["points"])))
        field, rate = form.columns[doc["per"]], self._rate(doc["rate"]) or Decimal(0)
        most = int(str(doc["max"])) if doc.get("max") else points.MOST
        rows = form.table.select(form.col("id"), form.col(field.key)).where(dialect.among(form.col("id"), ids))
        values = dict(rows.tuples().execute(db))
        if form.key == earned.ORDER and field.key == "amount":
            values = {i: value for i, (_customer, value) in worth.items()}
        out = {}
        for i, value in values.items():
            if value is not None:
                found = int((Decimal(str(field.to_api(value))) * rate).to_integral_value(ROUND_FLOOR))
                out[i] = max(-most, min(most, found))
        return out
