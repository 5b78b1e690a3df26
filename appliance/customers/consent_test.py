"""The condition ``{"consent": "marketing", "channel": "sms"}``: the customer agreed to it, and why we know."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, settings
from ..forms.catalog import Form
from ..forms.conditions import Condition, Context, Look, Test, test
from ..forms.fields.base import FieldError
from . import consents
from .models import Consent


@test
class ConsentTest(Test):
    """``state``: granted (when left out), withdrawn, or none (nothing was said). Without ``channel``: by any channel."""

    name = "consent"

    def _read(self, doc: Condition, form: Form) -> tuple[str, str | None, str]:
        if form.key != "customer":
            raise FieldError(_("只有客户有同意记录，「%(form)s」不能按它筛选。", form=form.label))
        purpose, channel, state = doc["consent"], doc.get("channel") or None, doc.get("state") or consents.GRANTED
        if not isinstance(purpose, str) or not purpose:
            raise FieldError(_("请选择一个用途。"))
        if channel is not None and channel not in consents.CHANNELS:
            raise FieldError(_("没有这个渠道，可选：%(all)s。", all=_("、").join(consents.CHANNELS)))
        if state not in consents.STATES:
            raise FieldError(_("请选择已同意、已撤回或未表态。"))
        return purpose, channel, state

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        purpose, channel, state = self._read(doc, form)
        record_id = form.col("id", source)

        def said(state: str) -> Any:
            return record_id.in_(consents.holders(purpose, channel, state, ctx.tied(Consent.customer_id)))

        if state == consents.NONE:
            return ~(said(consents.GRANTED) | said(consents.WITHDRAWN))
        return said(state)

    def words(self, doc: Condition, form: Form) -> str:
        purpose, channel = consents.purpose_label(str(doc["consent"])), doc.get("channel")
        state = str(consents.STATES.get(doc.get("state") or consents.GRANTED, ""))
        by = consents.channel_label(str(channel)) if channel else _("任一渠道")
        return _("「%(purpose)s」（%(channel)s）%(state)s", purpose=purpose, channel=by, state=state)

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        purpose, channel, _state = self._read(doc, form)
        said = [
            one for pair, one in consents.current(ctx.record_id or 0).items()
            if pair[0] == purpose and channel in (None, pair[1])
        ]  # fmt: skip
        return _("；").join(words(one) for one in said) or _("客户没有表态")

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        return [Look("@consent")]

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        if form.key != "customer" or not permissions.can(actor, "see", "customer"):
            return []
        parts = [
            {"at": "consent", "input": "select", "options": [["", ""], *([k, v] for k, v in consents.purposes().items())]},
            {"at": "channel", "input": "select",
             "options": [["", _("任一渠道")], *([k, str(v)] for k, v in consents.CHANNELS.items())]},
            {"at": "state", "input": "select", "options": [[k, str(v)] for k, v in consents.STATES.items()]},
        ]  # fmt: skip
        start = {"consent": "", "channel": "sms", "state": consents.GRANTED}
        return [{"id": "consent", "group": _("隐私"), "label": _("同意"), "start": start, "parts": parts}]


def words(said: consents.Said) -> str:
    """One line of the history as a sentence."""
    at = clock.local(said.at, settings.tz()).strftime("%Y-%m-%d %H:%M")
    return _(
        "%(channel)s%(state)s，%(at)s，来源：%(source)s", channel=consents.channel_label(said.channel),
        state=str(consents.STATES[said.state]), at=at, source=consents.source_words(said.source),
    )  # fmt: skip
