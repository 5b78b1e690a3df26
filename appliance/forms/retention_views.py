"""The settings page of how long records are kept."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..core import http, nav
from ..core.errors import FieldErrors
from . import catalog, retention
from .retention_models import RetentionRule

bp = Blueprint("retention", __name__, url_prefix="/settings/retention")
nav.add(
    "settings",
    _l("保存期限"),
    "retention.index",
    "clock",
    "admin",
    order=75,
    words="retention privacy 隐私 baocunqixian 清理 过期",
)


@bp.get("/")
@requires_admin
def index() -> str:
    found = [(rule, catalog.all_forms().get(rule.form), retention.words(rule)) for rule in retention.rules()]
    return render_template(
        "forms/retention/index.html", rules=found, forms=retention.forms(), actions=retention.ACTIONS
    )


@bp.get("/new")
@requires_admin
def new() -> AnyResponse | str:
    form = catalog.get(request.args.get("form", ""))
    rule = RetentionRule(form=form.key, action=retention.DELETE, months=36, field="created_at", where={})
    return _page(rule)


@bp.get("/<int:rule_id>")
@requires_admin
def edit(rule_id: int) -> AnyResponse | str:
    return _page(retention.get(rule_id))


def _page(rule: RetentionRule, errors: dict[str, str] | None = None) -> AnyResponse:
    form = catalog.get(rule.form)
    return http.render(
        "forms/retention/edit.html", rule=rule, form=form, errors=errors or {}, actions=retention.ACTIONS,
        dates={key: f.label for key, f in retention.dates(form).items()}, word=_word(), status=422 if errors else 200,
    )  # fmt: skip


def _word() -> str:
    return _("清空")


def _typed(rule: RetentionRule) -> RetentionRule:
    sent = request.form
    months = sent.get("months", "").strip()
    rule.action, rule.field = sent.get("action", ""), sent.get("field", "")
    rule.months = int(months) if months.isascii() and months.isdecimal() and len(months) < 6 else 0
    rule.enabled = "enabled" in sent
    try:
        where: Any = json.loads(sent.get("where") or "{}")
    except ValueError:
        where = None
    rule.where = where if isinstance(where, dict) else {"": ""}
    return rule


@bp.post("/new")
@requires_admin
def create() -> AnyResponse:
    rule = RetentionRule(form=catalog.get(request.args.get("form", "")).key)
    return _save(_typed(rule))


@bp.post("/<int:rule_id>")
@requires_admin
def save(rule_id: int) -> AnyResponse:
    return _save(_typed(retention.get(rule_id)))


def _save(rule: RetentionRule) -> AnyResponse:
    if rule.enabled and rule.action == retention.PSEUDONYMISE and request.form.get("word", "").strip() != _word():
        return _page(rule, {"word": _("清空后不能恢复，请输入「%(word)s」来确认。", word=_word())})
    try:
        retention.save(rule, current_actor())
    except FieldErrors as error:
        return _page(rule, error.errors)
    flash(_("保存期限已保存。"), "success")
    return http.go(url_for("retention.index"))


@bp.post("/preview")
@requires_admin
def preview() -> str:
    """How many records the rule as typed is about today."""
    rule = _typed(RetentionRule(form=request.args.get("form", "")))
    try:
        count = retention.due(rule, retention.check(rule)).count()
    except FieldErrors as error:
        return render_template("forms/retention/_count.html", text="", error=error.first)
    text = ngettext("现在有 %(num)d 条记录到期", "现在有 %(num)d 条记录到期", count)
    return render_template("forms/retention/_count.html", text=text, error="")


@bp.post("/<int:rule_id>/delete")
@requires_admin
def delete(rule_id: int) -> AnyResponse:
    retention.remove(retention.get(rule_id), current_actor())
    flash(_("已删除这条保存期限，记录没有变化。"), "success")
    return http.go(url_for("retention.index"))
