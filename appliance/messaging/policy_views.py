"""The rules of sending: quiet hours, caps, budget, test mode, the words of unsubscribing, and who gets nothing any more."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from msgspec.structs import replace
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import clock, http
from ..core.db import read, write
from ..core.errors import FieldErrors
from . import deciding, ledger, outbox, policy, senders, unsubscribing
from .blueprint import bp
from .models import MessageBlock
from .policy import Policy

SCOPES = ("marketing", "all")


def _page(rules: Policy, errors: dict[str, str], status: int = 200, typed: Any = None) -> AnyResponse:
    with read():
        blocks = list(MessageBlock.select().order_by(MessageBlock.id.desc()).limit(100))
    now = clock.now()
    return http.render(
        "messages/policy.html", None, status, rules=rules, errors=errors, typed=typed, ways=senders.SENDERS,
        customer_ways=[s for s in senders.SENDERS.values() if {"customer", "address"} & s.reaches],
        leaving=[s for s in senders.SENDERS.values() if s.connection_kinds], quiet_for=policy.QUIET_FOR,
        purposes={key: outbox.PURPOSES[key] for key in (outbox.MARKETING, outbox.SERVICE)}, periods=policy.PERIODS,
        blocks=blocks, months=ledger.months(), yuan=ledger.yuan, spent=deciding.spent(now),
    )  # fmt: skip


@bp.get("/settings/messages/")
@requires_room("settings")
def policy_page() -> AnyResponse:
    return _page(policy.get(), {})


@bp.post("/settings/messages/")
@requires_room("settings")
def policy_save() -> AnyResponse:
    given = request.form
    errors: dict[str, str] = {}

    def whole(name: str) -> int:
        text = given.get(name, "").strip() or "0"
        if not text.isascii() or not text.isdecimal() or len(text) > 9:
            errors[name] = _("请填写不小于 0 的整数。")
            return 0
        return int(text)

    quiet_by: dict[str, list[str]] = {}
    for via in senders.SENDERS:
        how = given.get(f"quiet.{via}.how", "")
        if how == "never":
            quiet_by[via] = []
        elif how == "own":
            quiet_by[via] = [given.get(f"quiet.{via}.from", ""), given.get(f"quiet.{via}.to", "")]
    caps = {
        purpose: {period: whole(f"caps.{purpose}.{period}") for period in policy.PERIODS}
        for purpose in (outbox.MARKETING, outbox.SERVICE)
    }
    rules = replace(
        policy.get(), quiet_from=given.get("quiet_from", ""), quiet_to=given.get("quiet_to", ""),
        quiet_for=given.get("quiet_for", ""), quiet_by=quiet_by, caps=caps, budget=_fen(given.get("budget", ""), errors),
        budget_stops=given.get("budget_stops") == "1", warn_percent=whole("warn_percent"),
        test_all=bool(given.get("test_all")), test=tuple(given.getlist("test")), sms_suffix=given.get("sms_suffix", "").strip(),
        site_url=given.get("site_url", "").strip(), keep_days=whole("keep_days"),
    )  # fmt: skip
    if not errors:
        try:
            policy.save(rules, current_actor())
        except FieldErrors as error:
            errors = error.errors
    if errors:
        return _page(rules, errors, 422, given)
    flash(_("已保存。"), "success")
    return http.go(url_for(".policy_page"))


def _fen(text: str, errors: dict[str, str]) -> int:
    try:
        amount = Decimal(text.strip().replace(",", "").removeprefix("¥") or "0")
        if not amount.is_finite() or not 0 <= amount <= 10**9:
            raise InvalidOperation
        return int(amount * 100)
    except InvalidOperation:
        errors["budget"] = _("预算要是不小于 0 的金额，0 表示不限。")
        return 0


@bp.post("/settings/messages/blocks")
@requires_room("settings")
def block_add() -> AnyResponse:
    via, address = request.form.get("via", ""), request.form.get("address", "").strip()
    scope = request.form.get("scope", "all")
    errors = {}
    if via not in senders.SENDERS:
        errors["block.via"] = _("请选择发送方式。")
    if not 3 <= len(address) <= 200:
        errors["block.address"] = _("请填写号码或地址。")
    if scope not in SCOPES:
        errors["block.scope"] = _("请从列表中选择一项。")
    if errors:
        return _page(policy.get(), errors, 422, request.form)
    actor = current_actor()
    with write():
        unsubscribing.block(via, address.lower() if "@" in address else address, scope, "blacklist", actor.id)
        audit.note("messages.blocked", {"via": via, "scope": scope}, actor)
    flash(_("已加入不发送名单。"), "success")
    return http.go(url_for(".policy_page") + "#blocks")


@bp.post("/settings/messages/blocks/<int:block_id>/delete")
@requires_room("settings")
def block_delete(block_id: int) -> AnyResponse:
    with write():
        MessageBlock.delete().where(MessageBlock.id == block_id).execute()
        audit.note("messages.unblocked", {"block": block_id}, current_actor())
    flash(_("已移出不发送名单。"), "success")
    return http.go(url_for(".policy_page") + "#blocks")
