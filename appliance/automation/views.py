"""Everything the browser asks of automation: the modules hang their routes on one blueprint."""

from __future__ import annotations

from flask import render_template, url_for

from ..accounts import permissions
from ..accounts.actor import Actor
from ..forms import causes, panels
from ..forms.query import Record
from . import bulk_views, explain, rule_views, run_views, shared_views, table_views
from . import rules as verbs
from .blueprint import bp
from .rules import book as rules
from .tables import book as tables

__all__ = ["bp", "bulk_views", "rule_views", "run_views", "shared_views", "table_views"]


@causes.links(rules.kind)
@causes.links(tables.kind)
def _run(run_id: int) -> str:
    return url_for("automation.runs_show", run_id=run_id)


@panels.panel(
    "customer", "tag_reasons", explain.PANEL, place="side", order=60,
    shows=lambda record, actor: bool(record.values.get("tags")),
)  # fmt: skip
def tag_reasons(record: Record, actor: Actor) -> str:
    """Why the customer has each of their tags."""
    reasons = [(name, explain.tag(record.id, name, actor)) for name in record.values.get("tags") or []]
    return render_template("automation/_tag_reasons.html", reasons=reasons)


@panels.actions(panels.ANY)
def buttons(record: Record, actor: Actor) -> list[panels.Action]:
    """The rules that wait for a button, on the page of a record."""
    if not permissions.has_room(actor, "rules"):
        return []
    return [
        panels.Action(rule.label, url_for("automation.rules_run_on", key=rule.key, record_id=record.id), "bolt", "post")
        for rule in verbs.all(form=record.form.key, enabled=True)
        if "manual" in rule.on
    ]
