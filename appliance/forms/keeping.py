"""Values that Guke keeps (a balance, a score): written as derived values, and told as Changes while somebody waits for them."""

from __future__ import annotations

from typing import Any

import peewee

from ..accounts.actor import Actor
from ..core import dialect
from ..core.db import db
from . import hooks, records
from .catalog import Form
from .formula import filling
from .hooks import Cause


def keep(form: Form, values: dict[int, dict[str, Any]], actor: Actor, cause: Cause) -> None:
    """Writes kept fields of records, all of them the same fields; inside ``write()``. ``values``: by id and field."""
    if not values:
        return
    keys = list(next(iter(values.values())))
    if hooks.heard(form, set(keys)) or filling.watched(form, set(keys)):
        names = ["id", "deleted_at", *form.columns]
        rows = form.table.select(*[form.col(name) for name in names]).where(dialect.among(form.col("id"), list(values)))
        before = {row[0]: dict(zip(names, row, strict=True)) for row in rows.tuples().execute(db)}
        changes = {i: new for i, row in before.items() if (new := {k: v for k, v in values[i].items() if row[k] != v})}
        records.write_computed(form, before, changes, actor, cause)
        return
    source = dialect.json_rows([[i, *[new[key] for key in keys]] for i, new in values.items()], ["id", *keys])
    records.write_derived(
        form, {key: peewee.Column(source, key) for key in keys}, form.col("id") == peewee.Column(source, "id"), source
    )
