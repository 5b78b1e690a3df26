"""Pairs of records that may be one, as people decide on them: side by side, and the sure ones at once."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..accounts import users
from ..accounts.actor import Actor
from ..core import jobs
from ..core.errors import NotFound, UserError
from ..core.jobs import Job
from . import catalog, duplicates, merging
from .catalog import Form
from .duplicates import Pair
from .fields.base import Field
from .query import Record, clear

ROWS = 12
SIDES = {merging.TARGET: "left", merging.SOURCE: "right", merging.BOTH: "both"}
AT_ONCE = 100
"""So many sure pairs are merged at once; then a person looks again."""


class Row(Struct, frozen=True):
    """A field of both. ``same``: they agree, or only one says anything; else ``kept`` says which side a merge would take
    (left, right or both)."""

    field: Field
    left: str
    right: str
    same: bool
    kept: str = ""


class Shown(Struct, frozen=True):
    """A pair on the page. ``left`` is the one that would stay."""

    pair: Pair
    left: Record
    right: Record
    rows: list[Row]


def shown(pair: Pair, actor: Actor) -> Shown:
    """The two records beside each other, what differs first."""
    left, right = merging.fuller(pair.one, pair.other)
    listed = left.form.options.get("columns") or ()
    rows = []
    for key, f in clear(left.form, actor).items():
        one, other = left.text(key), right.text(key)
        # Of what Guke keeps, only what the list shows; it is computed anew when they are one.
        if not (one or other) or f.moves_along or key == left.form.title_field or (f.readonly and key not in listed):
            continue
        same = not one or not other or one == other or f.readonly or f.type == "datetime"
        rows.append(Row(f, one, other, same, "" if same else SIDES[merging.default_choice(f, left, right)]))
    rows.sort(key=lambda row: (row.same, row.field.readonly))
    return Shown(pair, left, right, rows[:ROWS])


def ask(form: Form, actor: Actor) -> int:
    """Starts merging the pairs that are as good as certain; returns the job."""
    return jobs.enqueue(
        "forms.merge_sure", {"form": form.key}, actor_id=actor.id, unique=f"forms.merge_sure:{form.key}"
    )


@jobs.handler("forms.merge_sure", label=_l("合并有把握的重复记录"))
def merge_sure(job: Job) -> dict[str, Any]:
    """Each merge is a transaction of its own; run again after a crash it finds those that are left."""
    actor = users.actor_of(job.actor_id) if job.actor_id else None
    if actor is None:
        return {"merged": 0}
    form = catalog.get(job.payload["form"])
    found, _more = duplicates.open_pairs(form, actor, limit=AT_ONCE, least=duplicates.SURE)
    sure = [pair for pair in found if pair.sure]
    merged = 0
    for n, pair in enumerate(sure):
        job.progress(n, len(sure))
        merged += merged_now(form, pair, actor)
    return {"merged": merged, "left": len(sure) - merged}


def merged_now(form: Form, pair: Pair, actor: Actor) -> bool:
    """Whether the pair could be merged: one of it may have become part of another since, or something stands against it."""
    try:
        merging.merge_pair(form, pair.id, actor)
    except (NotFound, UserError):
        return False
    return True
