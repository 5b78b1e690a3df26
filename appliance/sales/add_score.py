"""Gives leads points that fade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..automation.actions import making, register
from ..automation.actions.base import Action, ActionError, Effect, Work
from ..core import dialect
from ..core.db import db
from ..forms.catalog import Form
from . import scoring
from .scoring import HALF_LIFE, LINEAR, NONE, Fade, Points


@register
class AddScore(Action):
    """``{points: 20, reason, decay?: {"half_life": 30} | {"linear": 60} | false}``; without ``decay`` as the company says."""

    name = "add_score"
    label = _l("加线索分")
    icon = "gauge"
    template = "automation/actions/add_score.html"
    params = frozenset({"points", "reason", "decay"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return cls.lead_field(form) is not None

    @staticmethod
    def lead_field(form: Form) -> str | None:
        if form.key == scoring.LEAD:
            return "id"
        found = (
            key for key, f in form.columns.items() if f.type == "relation" and f.options.get("form") == scoring.LEAD
        )
        return next(found, None)

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        doc: dict[str, Any] = {
            "action": cls.name, "points": values.get(f"{slot}.points", "").strip(),
            "reason": values.get(f"{slot}.reason", "").strip(),
        }  # fmt: skip
        kind, days = values.get(f"{slot}.decay", ""), values.get(f"{slot}.days", "").strip()
        if kind == NONE:
            doc["decay"] = False
        elif kind in (HALF_LIFE, LINEAR):
            doc["decay"] = {kind: int(days) if days.isdecimal() else days}
        return doc

    def check(self) -> None:
        self._points()
        if not self.reason or len(self.reason) > scoring.LONGEST_REASON:
            raise ActionError(_("请写明原因，最多 %(max)d 个字。", max=scoring.LONGEST_REASON), "reason")
        self.fade()

    @property
    def reason(self) -> str:
        return str(self.doc.get("reason") or "").strip()

    def _points(self) -> int:
        raw = self.doc.get("points")
        try:
            amount = 0 if isinstance(raw, bool) else int(str(raw).strip())
        except ValueError:
            amount = 0
        if amount == 0 or abs(amount) > scoring.MOST:
            raise ActionError(_("请填写不为 0 的整数；要减分就写负数。"), "points")
        return amount

    def fade(self) -> Fade:
        """Raises :class:`ActionError`."""
        decay = self.doc.get("decay")
        if decay is None:
            return scoring.company_fade()
        if decay is False:
            return Fade()
        if isinstance(decay, dict) and len(decay) == 1 and (kind := next(iter(decay))) in (HALF_LIFE, LINEAR):
            if type(decay[kind]) is int and 0 < decay[kind] <= scoring.FARTHEST:
                return Fade(kind, decay[kind])
            raise ActionError(_("衰减的天数要是 1 到 %(max)d 的整数。", max=scoring.FARTHEST), f"decay.{kind}")
        raise ActionError(_('衰减写成 {"half_life": 30}、{"linear": 60} 或 false。'), "decay")

    def shown_decay(self) -> tuple[str, Any]:
        """What the inputs show: the kind and the days."""
        decay = self.doc.get("decay")
        if decay is False:
            return NONE, ""
        return next(iter(decay.items())) if isinstance(decay, dict) and decay else ("", "")

    def words(self) -> str:
        raw = str(self.doc.get("points") or 0)
        text = (
            _("线索减 %(points)s 分", points=raw.lstrip("-"))
            if raw.startswith("-")
            else _("线索加 %(points)s 分", points=raw)
        )
        kind, days = self.shown_decay()
        if kind == HALF_LIFE:
            text += _("，每 %(days)s 天减半", days=days)
        elif kind == LINEAR:
            text += _("，%(days)s 天后减完", days=days)
        return text

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        leads = self._leads(ids, work.form)
        wanted = [i for i in ids if i in leads]
        amount = self._points()
        gifts = [Points(leads[i], amount, making.key_of(work, i)) for i in wanted]
        given = scoring.give(gifts, self.reason, self.fade(), work.cause, work.actor)
        effect = Effect({wanted[n] for n in given.done})
        effect.skipped = {wanted[n]: why for n, why in given.skipped.items()}
        effect.skipped |= {i: _("没有写明是哪条线索。") for i in ids if i not in leads}
        return effect

    def _leads(self, ids: Sequence[int], form: Form) -> dict[int, int]:
        key = self.lead_field(form)
        if key in (None, "id"):
            return {i: i for i in ids}
        rows = form.table.select(form.col("id"), form.col(str(key))).where(dialect.among(form.col("id"), ids))
        return {i: lead for i, lead in rows.tuples().execute(db) if lead is not None}
