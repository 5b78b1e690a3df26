"""Presets that the company saves itself: how the columns of one kind of file fill a form, kept under a name.

They are recognised by their headers like the built-in ones, and ``guke import --preset`` takes their names.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ...accounts.actor import Actor
from ...core import clock
from ...core.db import read, write
from ...core.errors import Forbidden, NotFound, UserError
from .mapping import Target
from .models import Import, SavedPreset
from .plan import Facts, Plan

PREFIX = "saved:"
"""Before its id where the name of a preset is asked for."""
MAX_NAME = 40


def of(form_key: str) -> list[SavedPreset]:
    """The saved presets of a form, by name."""
    with read():
        query = SavedPreset.select().where(SavedPreset.form == form_key, SavedPreset.deleted_at.is_null())
        return list(query.order_by(SavedPreset.name))


def find(form_key: str, name: str) -> SavedPreset | None:
    """By ``saved:ID`` or by its name."""
    return next((p for p in of(form_key) if name in (p.name, f"{PREFIX}{p.id}")), None)


def get(preset_id: int, *, deleted: bool = False) -> SavedPreset:
    """Raises :class:`NotFound`."""
    with read():
        row = SavedPreset.get_or_none(SavedPreset.id == preset_id)
    if row is None or (row.deleted_at is not None) != deleted:
        raise NotFound(_("这个预设已经不在了。"))
    return row


def recognise(names: list[str], form_key: str) -> SavedPreset | None:
    """The preset all of whose headers are in the file, the one with the most of them."""
    bare = {name.strip() for name in names}
    fitting = [p for p in of(form_key) if p.plan["columns"] and set(p.plan["columns"]) <= bare]
    return max(fitting, key=lambda p: len(p.plan["columns"]), default=None)


def save(row: Import, name: str, actor: Actor) -> SavedPreset:
    """Keeps the decisions of an import under a name; the same name takes the new ones. Raises :class:`UserError`."""
    name = name.strip()
    if not name or name.startswith(PREFIX):
        raise UserError(_("请给预设起个名字。"), "name")
    if len(name) > MAX_NAME:
        raise UserError(_("名字最多 %(max)d 个字。", max=MAX_NAME), "name")
    facts, plan = Facts.open(row.facts), Plan.open(row.plan or {})
    if not plan.columns:
        raise UserError(_("还没有任何一列对应到字段。请至少选择一列要导入的内容。"), "name")
    document = _document(facts, plan)
    if len(document["columns"]) < len(plan.columns):
        raise UserError(_("没有列名的列不能记进预设。请先选对表头在第几行。"), "name")
    with write():
        same = find(row.form, name)
        if same is not None:
            _demand(same, actor)
            same.plan, same.updated_at = document, clock.now()
            same.save()
            return same
        now = clock.now()
        return SavedPreset.create(
            form=row.form, name=name, plan=document, owner_id=actor.id, created_at=now, updated_at=now
        )


def _document(facts: Facts, plan: Plan) -> dict[str, Any]:
    """The plan with the columns by their headers instead of their places."""
    headers = {i: facts.names[i].strip() for i in plan.columns if i < len(facts.names) and facts.names[i].strip()}
    return {
        "preset": plan.preset,
        "columns": {headers[i]: path for i, path in plan.columns.items() if i in headers},
        "hints": {headers[i]: hint for i, hint in plan.hints.items() if i in headers},
        "key": plan.key,
        "on_duplicate": plan.on_duplicate,
        "bad_cells": plan.bad_cells,
        "constants": plan.constants,
    }


def use(preset: SavedPreset, plan: Plan, facts: Facts, all_targets: dict[str, Target]) -> None:
    """Fills the plan from a preset; columns it does not know keep what their names say. Raises :class:`UserError`."""
    document = preset.plan
    places = {name.strip(): i for i, name in reversed(list(enumerate(facts.names)))}
    known = {
        places[header]: path for header, path in document["columns"].items() if header in places and path in all_targets
    }
    if not known:
        raise UserError(_("文件里没有「%(preset)s」的任何一列，请检查文件或去掉预设。", preset=preset.name), "preset")
    taken = set(known.values())
    extra = {i: path for i, path in plan.columns.items() if i not in known and path not in taken}
    plan.columns = known | extra
    plan.saved, plan.preset = preset.id, document["preset"]
    plan.hints = {places[header]: hint for header, hint in document["hints"].items() if header in places}
    plan.constants = {path: value for path, value in document["constants"].items() if path in all_targets}
    plan.on_duplicate, plan.bad_cells = document["on_duplicate"], document["bad_cells"]
    if document["key"] is None or document["key"] in plan.paths or document["key"] == "*":
        plan.key = document["key"]


def rename(preset: SavedPreset, name: str, actor: Actor) -> None:
    """Raises Forbidden, UserError for a name that is missing, long or taken."""
    name = name.strip()
    _demand(preset, actor)
    if not name or len(name) > MAX_NAME or name.startswith(PREFIX):
        raise UserError(_("请给预设起个名字，最多 %(max)d 个字。", max=MAX_NAME), "name")
    with write():
        other = find(preset.form, name)
        if other is not None and other.id != preset.id:
            raise UserError(_("已经有叫「%(name)s」的预设了，请换个名字。", name=name), "name")
        preset.name = name
        preset.save()


def delete(preset: SavedPreset, actor: Actor) -> None:
    """Puts it away; :func:`restore` takes that back. Raises Forbidden."""
    _demand(preset, actor)
    with write():
        preset.deleted_at = clock.now()
        preset.save()


def restore(preset: SavedPreset, actor: Actor) -> None:
    """Raises Forbidden, UserError when its name is taken by now."""
    _demand(preset, actor)
    with write():
        if find(preset.form, preset.name):
            raise UserError(_("已经有叫「%(name)s」的预设了，请换个名字。", name=preset.name))
        preset.deleted_at = None
        preset.save()


def may_change(preset: SavedPreset, actor: Actor) -> bool:
    return actor.is_admin or preset.owner_id == actor.id


def _demand(preset: SavedPreset, actor: Actor) -> None:
    if not may_change(preset, actor):
        raise Forbidden(_("这是别人存的预设。您可以换个名字另存一个。"))
