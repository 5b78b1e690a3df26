"""Gives customers a coupon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...automation.actions import making
from ...automation.actions.base import Action, ActionError, Effect, Work
from ...forms import catalog
from ...forms.catalog import Form
from .. import coupons, whose


class IssueCoupon(Action):
    """``{coupon: key or name}``: one each, within stock, limit and dates of the coupon."""

    name = "issue_coupon"
    label = _l("发优惠券")
    icon = "ticket"
    template = "automation/actions/issue_coupon.html"
    params = frozenset({"coupon"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        of_customers = whose.customer_field(form) is not None
        return of_customers and form.key not in (coupons.COUPON, coupons.HELD) and coupons.HELD in catalog.all_forms()

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        return {"action": cls.name, "coupon": values.get(f"{slot}.coupon", "").strip()}

    @staticmethod
    def offers() -> list[tuple[str, str]]:
        return coupons.choices()

    def check(self) -> None:
        named = self.doc.get("coupon")
        if not named:
            raise ActionError(_("请选择优惠券。还没有的话，先在「优惠券」里新建一张。"), "coupon")
        if coupons.find(named) is None:
            raise ActionError(_("没有叫「%(name)s」的优惠券。", name=str(named)[:40]), "coupon")

    def words(self) -> str:
        named = str(self.doc.get("coupon") or "")
        return _("发优惠券「%(coupon)s」", coupon=dict(coupons.choices()).get(named, named))

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        coupon, effect = coupons.find(self.doc["coupon"]), Effect()
        if coupon is None:
            return Effect(skipped=dict.fromkeys(ids, _("没有这张优惠券。")))
        owners = whose.customers(work.form, ids)
        effect.skipped = {i: _("没有写明是哪位客户。") for i in ids if i not in owners}
        fresh = making.fresh(list(owners), work)
        effect.skipped |= {i: _("这次已经发过了。") for i in owners.keys() - set(fresh)}
        refused = coupons.refusals([(owners[i], coupon) for i in fresh])
        effect.skipped |= {fresh[n]: why for n, why in refused.items()}
        rows = {i: {"customer": owners[i], "coupon": coupon} for n, i in enumerate(fresh) if n not in refused}
        effect.add(making.make(catalog.get(coupons.HELD), rows, work))
        return effect
