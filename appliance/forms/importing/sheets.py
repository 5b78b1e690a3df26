"""Several sheets of one file to several forms in one go: customers, their orders and the orders' items.

Each sheet is an import of its own (mapping, check, failures, undo); together they are a set. They run one after
the other, the forms that are pointed at first, so that an order finds the customer of the sheet before it.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core import clock
from ...core.db import read, write
from ...core.errors import UserError
from .. import catalog
from ..catalog import Form
from . import imports, mapping
from . import plan as plans
from .mapping import bare
from .models import Import
from .plan import Facts, Plan

MAX_SHEETS = 20
OTHER_NAMES = {
    "customer": ("会员", "顾客", "粉丝", "买家", "members"),
    "order": ("交易", "销售", "成交", "sales"),
    "order_item": ("明细", "订单明细", "宝贝", "items"),
    "product": ("货品", "宝贝列表", "sku", "goods"),
}
"""What sheets are called besides the form's own label."""


def propose(row: Import, actor: Actor) -> dict[int, tuple[Facts, str]]:
    """For each sheet that holds rows: what is in it, and the key of the form it seems to be for ("" for none)."""
    forms = [f for f in catalog.all() if permissions.can(actor, "import", f.key)]
    facts = Facts.open(row.facts)
    found: dict[int, tuple[Facts, str]] = {}
    taken: set[str] = set()
    for number, sheet in enumerate(facts.sheets[:MAX_SHEETS]):
        if not sheet["rows"]:
            continue
        try:
            here = facts if number == facts.sheet else imports.inspect(row, catalog.get(row.form), sheet=number)
        except UserError:
            continue
        best = max(forms, key=lambda f: _likeness(f, sheet["name"], here, row.form), default=None)
        key = best.key if best and best.key not in taken and _likeness(best, sheet["name"], here, row.form) >= 1 else ""
        taken.add(key)
        found[number] = here, key
    return found


def _likeness(form: Form, name: str, facts: Facts, asked: str) -> float:
    """How much a sheet looks like records of the form: its name counts most, then columns that fit."""
    label = form.spec_label
    names = [form.key, *(label.values() if isinstance(label, dict) else [label]), *OTHER_NAMES.get(form.key, ())]
    named = 2.0 if bare(name) in {bare(str(n)) for n in names} else 0.0
    columns = mapping.propose(facts.names, facts.samples, mapping.targets(form))
    own = [path for path in columns.values() if "." not in path]
    if not own:
        return named / 4
    fitting = len(own) / max(len([n for n in facts.names if n]), 1)
    return named + fitting + (0.25 if form.key == asked else 0.0)


def several(proposed: dict[int, tuple[Facts, str]]) -> bool:
    """Whether the file is for more than one form."""
    return len({key for _facts, key in proposed.values() if key}) > 1


def split(row: Import, chosen: dict[int, str], actor: Actor) -> list[Import]:
    """Makes an import of each chosen sheet (number → form key). Raises :class:`UserError`, Forbidden."""
    if not chosen:
        raise UserError(_("请至少为一个工作表选择要导入的表单。"), "sheets")
    for key in chosen.values():
        catalog.get(key)
        permissions.demand(actor, "import", key)
    order = _order(list(dict.fromkeys(chosen.values())))
    numbers = sorted(chosen, key=lambda number: (order.index(chosen[number]), number))
    made: list[Import] = []
    for place, number in enumerate(numbers):
        one = row if place == 0 else Import(file_id=row.file_id, file_name=row.file_name, actor_id=row.actor_id)
        one.form, one.place, one.created_at = chosen[number], place, clock.now()
        form = catalog.get(one.form)
        facts = imports.inspect(one, form, sheet=number)
        one.facts = facts.document()
        one.plan = plans.propose(form, facts, actor).document()
        one.check_job, one.checked, one.ready = None, None, False
        made.append(one)
    with write():
        Import.delete().where(Import.set_id == row.id, Import.id != row.id, Import.status == "draft").execute()
        for one in made:
            one.set_id = row.id if len(made) > 1 else None
            one.save()
    return made


def _order(keys: list[str]) -> list[str]:
    """The forms so that each comes after those its records point at."""
    left, out = list(keys), []
    while left:
        free = [key for key in left if not (_points_at(key) & (set(left) - {key}))] or left[:1]
        out += free
        left = [key for key in left if key not in free]
    return out


def _points_at(key: str) -> set[str]:
    fields = catalog.get(key).fields.values()
    return {str(f.options.get("form")) for f in fields if f.type in ("relation", "relations")}


def of(row: Import) -> list[Import]:
    """All imports of the set, in the order in which they run; none when the import stands alone."""
    if row.set_id is None:
        return []
    with read():
        return list(Import.select().where(Import.set_id == row.set_id).order_by(Import.place))


def following(row: Import) -> Import | None:
    """The sheet that the person has not gone through yet."""
    return next((one for one in of(row) if not one.ready and one.id != row.id), None)


def start(row: Import, actor: Actor) -> None:
    """Starts all sheets of the set, one after the other. Raises :class:`UserError` for a plan that cannot work."""
    every = of(row)
    for one in every:
        targets = mapping.targets(catalog.get(one.form), actor)
        try:
            plans.check(Plan.open(one.plan), targets)
        except UserError as error:
            raise UserError(_("工作表「%(sheet)s」：%(why)s", sheet=title(one), why=error.message)) from error
    with write():
        for one in every[1:]:
            Import.update(status="waiting", actor_id=actor.id).where(Import.id == one.id).execute()
        imports.start(every[0], actor)


def title(row: Import) -> str:
    """The name of the sheet that the import takes in."""
    facts = Facts.open(row.facts)
    return str(facts.sheets[facts.sheet]["name"]) or row.file_name


def go_on(row: Import, status: str) -> None:
    """Called inside the transaction that ends an import: starts the next sheet, or calls the rest off."""
    if row.set_id is None:
        return
    rest = [one for one in of(row) if one.status == "waiting"]
    if not rest:
        return
    if status == "done":
        actor = imports.actor_of(rest[0])
        rest[0].status = "draft"
        imports.start(rest[0], actor)
        return
    why = _("前一个工作表没有导入完，所以没有开始。")
    Import.update(status="cancelled", error=why, finished_at=clock.now()).where(
        Import.id.in_([one.id for one in rest])
    ).execute()


def shares_file(row: Import) -> bool:
    """Whether another import still needs the file."""
    with read():
        return Import.select().where(Import.file_id == row.file_id, Import.id != row.id, Import.files_kept).exists()


def document(row: Import) -> list[dict[str, Any]]:
    """The set for the page: where each sheet stands."""
    return [
        {"row": one, "title": title(one), "form": catalog.get(one.form), "counts": imports.counts(one)}
        for one in of(row)
    ]
