"""Saved reports and dashboards: who sees them, who changes them, and how they are kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct
from msgspec.structs import asdict

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock
from ..core.db import read, write
from ..core.errors import Conflict, Forbidden, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog
from .definition import Definition, Label
from .models import DashboardRow, ReportRow

KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
COLUMNS = 12
"""A dashboard is twelve columns wide."""


class Report(Struct, frozen=True):
    key: str
    spec_label: Label
    definition: Definition
    system: bool = False
    owner_id: int | None = None
    shared: bool = True

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label)

    def document(self) -> dict[str, Any]:
        """The report as an app package and the API print it."""
        return {"key": self.key, "label": self.spec_label, **self.definition.document()}

    def may_change(self, actor: Actor) -> bool:
        return actor.is_admin or (not self.system and self.owner_id == actor.id)


class Tile(Struct, frozen=True):
    """One report on a dashboard: ``x`` and ``w`` in columns of twelve, ``y`` and ``h`` in rows."""

    report: str
    x: int = 0
    y: int = 0
    w: int = 6
    h: int = 2

    @classmethod
    def read(cls, doc: Any) -> Tile:
        if not isinstance(doc, Mapping) or not isinstance(doc.get("report"), str):
            raise UserError(_("看板的每一块都要指明一个报表。"), "tiles")
        size = asdict(cls(doc["report"])) | {k: doc[k] for k in ("x", "y", "w", "h") if k in doc}
        del size["report"]
        if not all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= 1000 for v in size.values()):
            raise UserError(_("看板的位置和大小要是不小于 0 的整数。"), "tiles")
        return cls(doc["report"], size["x"], size["y"], min(max(size["w"], 2), COLUMNS), min(max(size["h"], 1), 4))

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Dashboard(Struct, frozen=True):
    key: str
    spec_label: Label
    tiles: tuple[Tile, ...]
    system: bool = False

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label)

    def document(self) -> dict[str, Any]:
        return {"key": self.key, "label": self.spec_label, "tiles": [t.document() for t in self.tiles]}


# -- reports ------------------------------------------------------------------------------------------------------


def _report(row: ReportRow) -> Report:
    return Report(row.key, row.label, Definition.read(row.definition), row.system, row.owner_id, row.shared)


def _seen(report: Report, actor: Actor) -> bool:
    if not (report.shared or actor.is_admin or report.owner_id == actor.id):
        return False
    known = catalog.all_forms()
    return report.definition.form in known and permissions.can(actor, "see", report.definition.form)


def reports(actor: Actor) -> list[Report]:
    """The reports that ``actor`` may open, the company's own first, the built-in ones after them."""
    with read():
        found = [_report(row) for row in ReportRow.select().order_by(ReportRow.system, ReportRow.id)]
    return [report for report in found if _seen(report, actor)]


def get(key: str, actor: Actor) -> Report:
    """Raises NotFound."""
    with read():
        row = ReportRow.get_or_none(ReportRow.key == key)
    if row is None or not _seen(report := _report(row), actor):
        raise NotFound(_("没有「%(key)s」这个报表，可能已被删除。", key=key))
    return report


def create(doc: Mapping[str, Any], actor: Actor) -> Report:
    """A new report from ``{"key"?, "label", …definition, "shared"?}``. Raises UserError, Conflict."""
    if actor is not SYSTEM:
        permissions.demand_room(actor, "reports")
    label, key = _label(doc.get("label")), doc.get("key") or f"r_{secrets.token_hex(4)}"
    _check_key(key)
    definition = Definition.read(doc)
    definition.check(actor)
    with write():
        if ReportRow.get_or_none(ReportRow.key == key):
            raise Conflict(_("已经有键名为「%(key)s」的报表了。", key=key))
        ReportRow.create(
            key=key, label=label, definition=definition.document(), owner_id=actor.id,
            shared=bool(doc.get("shared", True)), updated_at=clock.now(),
        )  # fmt: skip
    return get(key, actor)


def update(key: str, doc: Mapping[str, Any], actor: Actor) -> Report:
    """Changes label, question or sharing; what ``doc`` does not name stays. Raises UserError, Forbidden, NotFound."""
    report = get(key, actor)
    _demand_change(report, actor)
    definition = Definition.read({**report.definition.document(), **doc})
    definition.check(actor)
    with write():
        ReportRow.update(
            label=_label(doc.get("label", report.spec_label)), definition=definition.document(),
            shared=bool(doc.get("shared", report.shared)), updated_at=clock.now(),
        ).where(ReportRow.key == key).execute()  # fmt: skip
    return get(key, actor)


def delete(key: str, actor: Actor) -> None:
    """Raises UserError while a dashboard shows the report, Forbidden, NotFound."""
    report = get(key, actor)
    _demand_change(report, actor)
    if report.system:
        raise UserError(_("「%(report)s」是固客自带的报表，不能删除。", report=report.label))
    shown = [d.label for d in dashboards() if any(t.report == key for t in d.tiles)]
    if shown:
        raise UserError(_("看板「%(dashboard)s」正在使用这个报表，请先从看板移除。", dashboard=shown[0]))
    with write():
        ReportRow.delete().where(ReportRow.key == key).execute()


def _demand_change(report: Report, actor: Actor) -> None:
    if actor is not SYSTEM:
        permissions.demand_room(actor, "reports")
    if not report.may_change(actor):
        raise Forbidden(_("只有创建人和管理员可以修改这个报表；您可以另存一份。"))


# -- dashboards ---------------------------------------------------------------------------------------------------


def _dashboard(row: DashboardRow) -> Dashboard:
    return Dashboard(row.key, row.label, tuple(Tile.read(t) for t in row.tiles), row.system)


def dashboards() -> list[Dashboard]:
    """Everybody sees all dashboards; each tile is over what its reader may see."""
    with read():
        return [_dashboard(row) for row in DashboardRow.select().order_by(DashboardRow.position, DashboardRow.id)]


def dashboard(key: str) -> Dashboard:
    """Raises NotFound."""
    with read():
        row = DashboardRow.get_or_none(DashboardRow.key == key)
    if row is None:
        raise NotFound(_("没有「%(key)s」这个看板，可能已被删除。", key=key))
    return _dashboard(row)


def create_dashboard(doc: Mapping[str, Any], actor: Actor) -> Dashboard:
    """A new dashboard from ``{"key"?, "label", "tiles"}``, by administrators. Raises UserError, Conflict, Forbidden."""
    _demand_admin(actor)
    label, key = _label(doc.get("label")), doc.get("key") or f"d_{secrets.token_hex(4)}"
    _check_key(key)
    tiles = _tiles(doc.get("tiles") or [])
    with write():
        if DashboardRow.get_or_none(DashboardRow.key == key):
            raise Conflict(_("已经有键名为「%(key)s」的看板了。", key=key))
        DashboardRow.create(key=key, label=label, tiles=tiles, position=100, updated_at=clock.now())
    return dashboard(key)


def update_dashboard(key: str, doc: Mapping[str, Any], actor: Actor) -> Dashboard:
    """Changes label or tiles. Administrators only. Raises UserError, Forbidden, NotFound."""
    _demand_admin(actor)
    current = dashboard(key)
    tiles = _tiles(doc["tiles"]) if "tiles" in doc else [t.document() for t in current.tiles]
    with write():
        DashboardRow.update(
            label=_label(doc.get("label", current.spec_label)), tiles=tiles, updated_at=clock.now()
        ).where(DashboardRow.key == key).execute()
    return dashboard(key)


def delete_dashboard(key: str, actor: Actor) -> None:
    """Raises UserError for a built-in dashboard, Forbidden, NotFound."""
    _demand_admin(actor)
    if dashboard(key).system:
        raise UserError(_("这是固客自带的看板，不能删除；可以移除不需要的图表。"))
    with write():
        DashboardRow.delete().where(DashboardRow.key == key).execute()


def pack(tiles: Iterable[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """Tiles in reading order, ``(report, w, h)``, laid out row by row: the documents of :class:`Tile`."""
    placed, x, y, height = [], 0, 0, 0
    for report, w, h in tiles:
        if x + w > COLUMNS:
            x, y, height = 0, y + height, 0
        placed.append({"report": report, "x": x, "y": y, "w": w, "h": h})
        x, height = x + w, max(height, h)
    return placed


def _tiles(docs: Any) -> list[dict[str, Any]]:
    if not isinstance(docs, list):
        raise UserError(_("看板的内容要写成一列。"), "tiles")
    tiles = sorted((Tile.read(d) for d in docs), key=lambda t: (t.y, t.x))
    with read():
        known = {row.key for row in ReportRow.select(ReportRow.key)}
    for tile in tiles:
        if tile.report not in known:
            raise UserError(_("没有「%(key)s」这个报表，可能已被删除。", key=tile.report), "tiles")
    return [tile.document() for tile in tiles]


# -- shared -------------------------------------------------------------------------------------------------------


def plant(reports: Iterable[Mapping[str, Any]], dashboards: Iterable[Mapping[str, Any]]) -> None:
    """Makes the built-in reports and dashboards that are not there yet; what the company changed stays."""
    with write():
        for doc in reports:
            ReportRow.insert(
                key=doc["key"], label=doc["label"], definition=Definition.read(doc).document(), system=True,
                shared=True, updated_at=clock.now(),
            ).on_conflict_ignore().execute()  # fmt: skip
        for position, doc in enumerate(dashboards):
            DashboardRow.insert(
                key=doc["key"], label=doc["label"], tiles=doc["tiles"], system=True, position=position,
                updated_at=clock.now(),
            ).on_conflict_ignore().execute()  # fmt: skip


def _label(raw: Any) -> Label:
    if isinstance(raw, str) and raw.strip():
        return raw.strip()[:80]
    if isinstance(raw, Mapping) and raw and all(isinstance(v, str) and v.strip() for v in raw.values()):
        return {str(k): v.strip()[:80] for k, v in raw.items()}
    raise UserError(_("请填写名称。"), "label")


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not KEY.fullmatch(key) or key in ("new", "preview"):
        raise UserError(_("键名只能用小写字母、数字和下划线，并以字母开头。"), "key")


def _demand_admin(actor: Actor) -> None:
    if actor is not SYSTEM and not actor.is_admin:
        raise Forbidden(_("只有管理员可以修改看板。"))
