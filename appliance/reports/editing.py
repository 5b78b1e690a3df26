"""What the report editor offers, and how its form becomes a definition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from werkzeug.datastructures import MultiDict

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core.errors import UserError
from ..forms import catalog, query
from ..forms.catalog import SYSTEM_FIELDS, Form
from ..forms.fields.base import Field
from ..forms.fields.moment import DateTime, Moment
from ..forms.fields.number import Number
from . import builtin, periods
from .definition import AUTO, CHARTS, COMPARE, Definition, Dimension, Measure

DERIVED: dict[str, list[dict[str, Any]]] = {"order": [builtin.VALUE]}
"""Measures that are more than a field: form key → documents."""


class Options(Struct):
    """Choices of one select: ``[(group label, [(value, label), …]), …]``; values are JSON."""

    groups: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def add(self, group: str, value: Mapping[str, Any], label: str) -> None:
        found = next((g for g in self.groups if g[0] == group), None)
        if found is None:
            found = (group, [])
            self.groups.append(found)
        found[1].append((dump(value), label))

    def has(self, value: str) -> bool:
        return any(value == v for _group, options in self.groups for v, _label in options)


def dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def forms(actor: Actor) -> list[Form]:
    return [f for f in catalog.all() if permissions.can(actor, "see", f.key)]


def dimensions(form: Form, actor: Actor) -> Options:
    """What records can be grouped by: the form's own fields, its dates by period, fields of what it relates to."""
    options = Options()
    seen = {k: f for k, f in query.clear(form, actor).items() if _groupable(f)}
    plain = {k: f for k, f in seen.items() if not isinstance(f, (Moment, Number))}
    for key, f in plain.items():
        options.add(form.label, {"field": key}, f.label)
    for key, f in [*seen.items(), ("created_at", SYSTEM_FIELDS["created_at"])]:
        if isinstance(f.inner, Moment):
            for size, name in _periods(f):
                group = _("%(field)s（时间）", field=f.label)
                options.add(group, {"field": key, "bucket": size}, f"{f.label} · {name}")
    for key, f in plain.items():
        if f.type == "relation" and permissions.can(actor, "see", f.options["form"]):
            target = catalog.get(f.options["form"])
            for inner, g in query.clear(target, actor).items():
                if _groupable(g) and not isinstance(g, (Moment, Number)) and not g.points_at:
                    options.add(f.label, {"field": f"{key}.{inner}"}, f"{f.label} · {g.label}")
    return options


def _groupable(f: Field) -> bool:
    return f.groupable and (f.sortable or f.column is None)


def _periods(f: Field) -> list[tuple[str, str]]:
    sizes = [(size, str(name)) for size, name in periods.NAMES.items() if size in f.inner.buckets]
    return [(AUTO, _("自动")), *(s for s in sizes if s[0] != "hour" or isinstance(f.inner, DateTime))]


def measures(form: Form, actor: Actor) -> Options:
    options = Options()
    options.add(form.label, {"agg": "count"}, _("%(form)s数", form=form.label))
    for doc in DERIVED.get(form.key, []):
        options.add(form.label, doc, Measure.read(doc).title(form))
    for key, f in query.clear(form, actor).items():
        if not f.column:
            continue
        for agg in (
            ("sum", "avg", "max", "min") if isinstance(f.inner, Number) else ("distinct",) * (f.type == "relation")
        ):
            measure = Measure.read({"agg": agg, "of": key})
            title = _("不同的%(field)s数", field=f.label) if agg == "distinct" else measure.title(form)
            options.add(f.label if isinstance(f.inner, Number) else form.label, {"agg": agg, "of": key}, title)
    return options


class Editor(Struct):
    """The editor's form with what is chosen in it."""

    form: Form
    definition: Definition
    dimension_options: Options
    measure_options: Options
    dimensions: list[str]
    measures: list[str]
    sort: str

    @classmethod
    def open(cls, definition: Definition, actor: Actor) -> Editor:
        form = catalog.get(definition.form)
        editor = cls(form, definition, dimensions(form, actor), measures(form, actor), [], [], "")
        for d in definition.dimensions:
            editor.dimensions.append(_chosen(editor.dimension_options, d.document(), d.title(form)))
        for m in definition.measures:
            editor.measures.append(_chosen(editor.measure_options, m.document(), m.title(form)))
        names = {d.name: "dimension" for d in definition.dimensions} | {m.name: "measure" for m in definition.measures}
        if definition.sort:
            word = names[definition.sort.removeprefix("-")]
            editor.sort = "-" + word if definition.sort.startswith("-") else word
        return editor

    @property
    def sorts(self) -> list[tuple[str, str]]:
        return [
            ("", _("自动")),
            ("-measure", _("指标从大到小")),
            ("measure", _("指标从小到大")),
            ("dimension", _("按维度顺序")),
        ]

    @property
    def compares(self) -> list[tuple[str, str]]:
        return [("", _("不比较")), *((key, str(text)) for key, text in COMPARE.items())]

    @property
    def charts(self) -> list[Any]:
        return list(CHARTS.values())

    @property
    def where(self) -> str:
        return json.dumps(self.definition.where, ensure_ascii=False)

    @property
    def time_options(self) -> list[tuple[str, str]]:
        """Dates that a range of days can apply to; one that goes through relations stays when it is chosen."""
        found = [(k, f.label) for k, f in self.form.fields.items() if isinstance(f.inner, Moment)]
        found.append(("created_at", SYSTEM_FIELDS["created_at"].label))
        chosen = self.definition.time
        if chosen and chosen not in dict(found):
            found.append((chosen, Dimension(chosen).title(self.form)))
        return [("", _("自动")), *found]


def _chosen(options: Options, doc: dict[str, Any], title: str) -> str:
    """The option that is the same as ``doc``; when it says more than any option, it becomes one itself."""
    bare = dump({k: v for k, v in doc.items() if k not in ("as", "label")})
    for value in (dump(doc), bare if "label" not in doc else ""):
        if value and options.has(value):
            return value
    options.add(_("当前"), doc, title)
    return dump(doc)


def starting(form: Form) -> Definition:
    """What the editor of a new report begins with: how many records over time."""
    moment = next((k for k, f in form.fields.items() if isinstance(f.inner, DateTime) and f.indexed), "created_at")
    return Definition(form.key, dimensions=(Dimension(moment, AUTO, moment),), chart="bar")


def read(sent: MultiDict[str, str]) -> dict[str, Any]:
    """The editor's inputs as a report's document. Raises UserError."""
    doc: dict[str, Any] = {"form": sent.get("form", ""), "label": sent.get("label", "")}
    doc["dimensions"] = [_json(text) for text in sent.getlist("dimension") if text]
    doc["measures"] = [_json(text) for text in sent.getlist("measure") if text]
    doc["where"] = _json(sent.get("where") or "{}")
    for key in ("chart", "limit", "compare", "time", "range"):
        doc[key] = sent.get(key) or None
    doc["shared"] = sent.get("shared") == "1"
    sort = sent.get("sort", "")
    what = doc["dimensions" if sort.endswith("dimension") else "measures"]
    if sort and what:
        first = Dimension.read(what[0]).name if sort.endswith("dimension") else Measure.read(what[0]).name
        doc["sort"] = ("-" if sort.startswith("-") else "") + first
    else:
        doc["sort"] = None
    return doc


def _json(text: str) -> dict[str, Any]:
    try:
        doc = json.loads(text)
    except ValueError:
        doc = None
    if not isinstance(doc, dict):
        raise UserError(_("表单里有看不懂的内容，请刷新页面后重试。"))
    return doc
