"""A report's question: which records, by what, how much, drawn how. The one place that opens its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import replace

from ..accounts.actor import Actor
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog, conditions, query
from ..forms.catalog import Form
from ..forms.fields.base import is_label
from . import ranges

Label = str | dict[str, str]

COMPARE = {"previous": _l("上一时段"), "last_year": _l("去年同期")}
MAX_LIMIT = 1_000
AUTO = "auto"


class Chart(Struct, frozen=True):
    """A way to draw a result. ``dimensions``: least and most; ``measures``: most."""

    key: str
    label: Any
    icon: str
    dimensions: tuple[int, int]
    measures: int = 12
    top: int | None = None
    """How many groups are shown when the report does not say."""
    rest: bool = False
    """Whether what is not shown stands in one group of its own."""


CHARTS = {
    chart.key: chart
    for chart in (
        Chart("table", _l("表格"), "table", (0, 4)),
        Chart("bar", _l("柱状图"), "chart-bar", (1, 2), 4, 24, True),
        Chart("line", _l("折线图"), "chart-line", (1, 2), 4),
        Chart("area", _l("面积图"), "chart-area", (1, 2), 4),
        Chart("pie", _l("饼图"), "chart-donut", (1, 1), 1, 8, True),
        Chart("number", _l("数字"), "number", (0, 0), 4),
        Chart("leaderboard", _l("排行榜"), "trophy", (1, 1), 4, 10),
        Chart("funnel", _l("漏斗图"), "chart-funnel", (1, 1), 1, 12),
        Chart("heatmap", _l("热力图"), "grid-dots", (2, 2), 1),
        Chart("pivot", _l("交叉表"), "table-column", (2, 2), 4),
    )
}


class Dimension(Struct, frozen=True):
    """What records are grouped by: a field (a path goes through relations), a moment by its period.

    The period ``auto`` follows the range of days that is looked at.
    """

    field: str
    bucket: str | None = None
    name: str = ""
    label: Label | None = None

    @classmethod
    def read(cls, doc: Any) -> Dimension:
        if not isinstance(doc, Mapping) or not isinstance(doc.get("field"), str) or not doc["field"]:
            raise UserError(_("请指明按哪个字段分组。"), "dimensions")
        _check_words(doc, ("bucket",), "dimensions")
        return cls(doc["field"], doc.get("bucket"), str(doc.get("as") or doc["field"]), doc.get("label"))

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"field": self.field}
        if self.bucket:
            doc["bucket"] = self.bucket
        if self.name != self.field:
            doc["as"] = self.name
        if self.label:
            doc["label"] = self.label
        return doc

    def title(self, form: Form) -> str:
        return i18n_label(self.label) if self.label else path_label(form, self.field)

    def in_span(self, span: ranges.Range, form: Form) -> Dimension:
        """With a period that suits the span in place of ``auto``: days up to two months, months up to five years."""
        if self.bucket != AUTO:
            return self
        days = (span.end - span.start).days if span.start and span.end else 365
        size = "day" if days <= 62 else "month" if days <= 1830 else "year"
        known = _buckets(form, self.field)
        return replace(self, bucket="month" if "month" in known and size not in known else size)


class Measure(Struct, frozen=True):
    """How much: ``agg`` over a field, less another, over some of the records; or ``share``: ``part`` / ``whole``."""

    agg: str
    of: str | None = None
    minus: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    part: Measure | None = None
    whole: Measure | None = None
    name: str = ""
    label: Label | None = None

    @classmethod
    def read(cls, doc: Any) -> Measure:
        if not isinstance(doc, Mapping):
            raise UserError(_("请指明要汇总什么。"), "measures")
        _check_words(doc, ("of", "minus"), "measures")
        agg = doc.get("agg", "count")
        if agg == "share":
            part, whole = cls.read(doc.get("part")), cls.read(doc.get("whole"))
            if part.agg == "share" or whole.agg == "share":
                raise UserError(_("占比的两个部分要是普通的汇总。"), "measures")
            return cls("share", part=part, whole=whole, name=str(doc.get("as") or "share"), label=doc.get("label"))
        if agg not in conditions.AGGREGATES:
            raise UserError(_("没有「%(agg)s」这种汇总。", agg=agg), "measures")
        of = doc.get("of")
        if not of and agg != "count":
            raise UserError(_("请指明要汇总哪个字段。"), "measures")
        name = doc.get("as") or (f"{agg}_{of}" if of else agg)
        return cls(agg, of, doc.get("minus"), doc.get("where") or {}, name=str(name), label=doc.get("label"))

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"agg": self.agg}
        for key in ("of", "minus", "where", "label"):
            if getattr(self, key):
                doc[key] = getattr(self, key)
        if self.part and self.whole:
            doc |= {"part": self.part.document(), "whole": self.whole.document()}
        return doc | {"as": self.name}

    def plain(self) -> list[Measure]:
        """The measures that the database computes for this one."""
        return [self.part, self.whole] if self.part and self.whole else [self]

    @property
    def additive(self) -> bool:
        """Whether the groups' values add up to the whole's."""
        return self.agg in ("sum", "count")

    def title(self, form: Form) -> str:
        if self.label:
            return i18n_label(self.label)
        if self.part and self.whole:
            return _("%(part)s 占 %(whole)s", part=self.part.title(form), whole=self.whole.title(form))
        if not self.of:
            return _("%(form)s数", form=form.label)
        what = path_label(form, self.of)
        if self.minus:
            what = _("%(what)s − %(less)s", what=what, less=path_label(form, self.minus))
        return what if self.agg == "sum" else _("%(field)s %(agg)s", field=what, agg=conditions.agg_words(self.agg))


class Definition(Struct, frozen=True):
    """One question about one form.

    ``time``: the date field that a range of days applies to (default: that of the first dimension by period).
    ``range``: a fixed range (a key of ``ranges.PRESETS``) in place of the page's. ``sort``: a column's name, ``-``
    before it: falling. ``limit``: how many groups; ``rest``: the others as one group.
    """

    form: str
    where: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[Dimension, ...] = ()
    measures: tuple[Measure, ...] = (Measure("count", name="count"),)
    chart: str = "table"
    sort: str | None = None
    limit: int | None = None
    rest: bool | None = None
    compare: str | None = None
    time: str | None = None
    range: str | None = None

    @classmethod
    def read(cls, doc: Any) -> Definition:
        """Opens the JSON. Raises UserError with a sentence; what needs the form is asked by :meth:`check`."""
        if not isinstance(doc, Mapping) or not isinstance(doc.get("form"), str):
            raise UserError(_("请选择报表要统计的表单。"), "form")
        for key in ("dimensions", "measures"):
            if not isinstance(doc.get(key) or [], list):
                raise UserError(_("「%(key)s」要是一列 JSON 对象。", key=key), key)
        if not isinstance(doc.get("where") or {}, Mapping):
            raise UserError(_("条件要写成一个对象。"), "where")
        for key in ("chart", "sort", "compare", "time", "range"):
            _check_words(doc, (key,), key)
        dimensions = tuple(Dimension.read(d) for d in doc.get("dimensions") or ())
        measures = tuple(Measure.read(m) for m in doc.get("measures") or ({"agg": "count"},))
        made = cls(
            doc["form"], doc.get("where") or {}, dimensions, measures, doc.get("chart") or "table",
            doc.get("sort") or None, _limit(doc.get("limit")), doc.get("rest"), doc.get("compare") or None,
            doc.get("time") or None, doc.get("range") or None,
        )  # fmt: skip
        made._check_shape()
        return made

    def document(self) -> dict[str, Any]:
        """The definition as an app package holds it; what is at its default is left out."""
        doc: dict[str, Any] = {"form": self.form}
        if self.where:
            doc["where"] = dict(self.where)
        doc["dimensions"] = [d.document() for d in self.dimensions]
        doc["measures"] = [m.document() for m in self.measures]
        doc["chart"] = self.chart
        for key in ("sort", "limit", "rest", "compare", "time", "range"):
            if getattr(self, key) is not None:
                doc[key] = getattr(self, key)
        return doc

    def _check_shape(self) -> None:
        chart = CHARTS.get(self.chart)
        if chart is None:
            raise UserError(_("没有「%(chart)s」这种图表。", chart=self.chart), "chart")
        low, high = chart.dimensions
        if not low <= len(self.dimensions) <= high:
            wanted = str(low) if low == high else f"{low}–{high}"
            raise UserError(
                _("%(chart)s需要 %(wanted)s 个维度，现在有 %(found)s 个。",
                  chart=chart.label, wanted=wanted, found=len(self.dimensions)), "dimensions",
            )  # fmt: skip
        if not 1 <= len(self.measures) <= chart.measures:
            raise UserError(
                _("%(chart)s最多 %(most)s 个指标，至少一个。", chart=chart.label, most=chart.measures), "measures"
            )
        names = [d.name for d in self.dimensions] + [m.name for m in self.measures]
        if len(set(names)) != len(names):
            raise UserError(_("两列不能用同一个名字。"), "measures")
        if self.sort and self.sort.removeprefix("-") not in names:
            raise UserError(_("不能按「%(key)s」排序。", key=self.sort), "sort")
        if self.compare and self.compare not in COMPARE:
            raise UserError(_("只能与上一时段或去年同期比较。"), "compare")
        if self.range and self.range not in ranges.PRESETS:
            raise UserError(_("没有「%(key)s」这个时间范围。", key=self.range), "range")

    def check(self, actor: Actor) -> None:
        """Raises UserError when the question makes no sense, or is about what ``actor`` may not see."""
        try:
            form = catalog.get(self.form)
            found = query.Query(form, actor).where(dict(self.where))
        except NotFound as error:
            raise UserError(error.message, "form") from error
        query.Aggregation(
            found,
            [d.in_span(ranges.ALL, form).document() for d in self.dimensions],
            [p.document() | {"as": f"m{i}"} for i, p in enumerate(p for m in self.measures for p in m.plain())],
        )
        if self.time:
            found.where({"field": self.time, "op": "not_empty"})

    @property
    def kind(self) -> Chart:
        return CHARTS[self.chart]

    @property
    def time_field(self) -> str | None:
        """The field that a range of days applies to."""
        return self.time or next((d.field for d in self.dimensions if d.bucket), None)

    @property
    def top(self) -> int | None:
        return self.limit or self.kind.top

    @property
    def with_rest(self) -> bool:
        return self.kind.rest if self.rest is None else self.rest


def _check_words(doc: Mapping[str, Any], keys: tuple[str, ...], place: str) -> None:
    """Raises UserError at ``place`` for what is there and no text, and for a label that is none."""
    for key in keys:
        if not isinstance(doc.get(key), str | None):
            raise UserError(_("「%(key)s」要是文字。", key=key), place)
    if place in ("dimensions", "measures") and not is_label(doc.get("label")):
        raise UserError(_('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label"), place)


def _limit(raw: Any) -> int | None:
    if raw in (None, ""):
        return None
    try:
        value = int(raw)
    except (TypeError, ValueError):
        value = 0
    if isinstance(raw, bool) or not 1 <= value <= MAX_LIMIT:
        raise UserError(_("显示的组数要在 1 到 %(most)s 之间。", most=MAX_LIMIT), "limit")
    return value


def _buckets(form: Form, path: str) -> tuple[str, ...]:
    """The periods that the field at the end of a path falls into; none when there is no such field."""
    *between, last = path.split(".")
    for key in between:
        f = form.field(key)
        if f is None or f.type != "relation":
            return ()
        form = catalog.get(f.options["form"])
    found = form.field(last)
    return found.inner.buckets if found else ()


def path_label(form: Form, path: str) -> str:
    """``customer.city`` → 客户 · 城市; an unknown key stands as it is."""
    words, keys = [], path.split(".")
    for key in keys:
        f = form.field(key)
        words.append(f.label if f else key)
        if f is not None and f.type == "relation" and key != keys[-1]:
            form = catalog.get(f.options["form"])
    return " · ".join(words)
