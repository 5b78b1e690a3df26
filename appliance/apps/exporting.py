"""An app package of what the company has made itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..accounts.actor import SYSTEM
from ..automation import rules, tables
from ..connections import store as connections
from ..core.db import read
from ..customers.measures import store as measures
from ..customers.models import Tag, TagGroup
from ..customers.segments import store as segments
from ..forms import catalog
from ..forms.catalog import Form
from ..messaging import templates
from ..reports import saved
from .package import Doc


def document(app: str, version: str, label: Any, forms: Collection[str] | None = None) -> Doc:
    """The package. ``forms``: only these, and what is about them. Raises NotFound for a form that is not there."""
    for key in forms or ():
        catalog.get(key)

    def wanted(form_key: str) -> bool:
        return forms is None or form_key in forms

    with read():
        reports = [r for r in saved.reports(SYSTEM) if not r.system and r.shared and wanted(r.definition.form)]
        decisions = [t.document() for t in tables.all() if not t.system and wanted(t.form_key)]
        targets = {t["target"].get("tag_group") for t in decisions}
        return {
            "app": app,
            "version": version,
            "label": label,
            "forms": [doc for form in catalog.all() if wanted(form.key) and (doc := _form(form))],
            "tag_groups": [g for g in _tag_groups() if wanted("customer") or g["key"] in targets],
            "metrics": [m.document() for m in measures.all()] if wanted("customer") else [],
            "segments": [s.document() for s in segments.all() if not s.system] if wanted("customer") else [],
            "connections": [one.document() for one in connections.all_shown() if forms is None],
            "decision_tables": decisions,
            "message_templates": [t.document() for t in templates.all() if wanted(t.form_key)],
            "rules": [r.document() for r in rules.all() if not r.system and wanted(r.form_key)],
            "reports": [r.document() for r in reports],
            "dashboards": _dashboards({r.key for r in reports}, everything=forms is None),
        }


def _form(form: Form) -> Doc | None:
    """A form of the company's, or the fields that it added to a built-in one; ``None``: nothing of its own."""
    # The field of a metric comes with the metric.
    kept = {m.key for m in measures.all()} if form.key == "customer" else set()
    fields = [f.spec.document() for f in form.fields.values() if not f.spec.system and f.key not in kept]
    if form.system:
        return {"extends": form.key, "fields": fields} if fields else None
    doc = form.document() | {k: v for k, v in form.options.items() if v}
    return doc | ({"group": form.group} if form.group else {}) | {"fields": fields}


def _tag_groups() -> list[Doc]:
    found = []
    for group in TagGroup.select().where(TagGroup.system == False).order_by(TagGroup.position):  # noqa: E712
        rows = Tag.select().where(Tag.group == group, Tag.deleted_at.is_null()).order_by(Tag.position)
        names = [{"name": tag.name, "color": tag.color} if tag.color else tag.name for tag in rows]
        found.append(
            {
                "key": group.key, "label": group.label, "exclusive": group.exclusive, "color": group.color,
                "tags": names,
            }
        )  # fmt: skip
    return found


def _dashboards(exported: set[str], *, everything: bool) -> list[Doc]:
    """The company's dashboards, with the tiles whose reports stand in the package or in every Guke."""
    there = exported | {r.key for r in saved.reports(SYSTEM) if r.system}
    found = []
    for dashboard in saved.dashboards():
        doc = dashboard.document()
        doc["tiles"] = [tile for tile in doc["tiles"] if tile["report"] in there]
        if not dashboard.system and (everything or any(tile["report"] in exported for tile in doc["tiles"])):
            found.append(doc)
    return found
