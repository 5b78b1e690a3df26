"""Tags that follow a segment: given to who comes in, taken from who leaves.

What people do outweighs it: a tag that a person gave is not taken away, and one that a person took away comes back only when the
customer has left and comes in again. In an exclusive group the first of its dynamic tags (in the order of the page) wins.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts.actor import SYSTEM, Actor
from ...core import dialect, incidents, jobs
from ...core.db import read, write
from ...core.errors import NotFound, UserError
from ...core.jobs import Job
from ...forms import causes
from ...forms.hooks import Cause
from .. import tagging, tags
from ..models import CustomerTag, Tag
from . import store
from .models import DynamicTag, SegmentMember, SegmentRow
from .store import Segment

CAUSE = "segment"
DEPTH = 8
"""A move that eight rules and tags led to gives no tag any more: they feed each other."""
GIVE = "segments.tag"

incidents.declare("segments.loop", _l("动态标签互相触发"))


# -- definitions ----------------------------------------------------------------------------------------------------


def of(tag_id: int) -> Segment | None:
    """The segment that a tag follows."""
    with read():
        row = DynamicTag.get_or_none(DynamicTag.tag_id == tag_id)
    if row is None:
        return None
    try:
        return store.by_id(row.segment_id)
    except NotFound:
        return None


def all() -> dict[int, Segment]:
    """Tag id → the segment that it follows."""
    known = {s.id: s for s in store.all(private=True)}
    with read():
        rows = list(DynamicTag.select(DynamicTag.tag_id, DynamicTag.segment_id).tuples())
    return {tag_id: known[segment_id] for tag_id, segment_id in rows if segment_id in known}


def follow(tag_id: int, segment_key: str, actor: Actor) -> None:
    """Makes the tag follow a segment. Raises NotFound."""
    with write():
        tag, segment = tags.tag_by_id(tag_id), store.get(segment_key)
        if (was := of(tag_id)) and was.id == segment.id:
            return
        _drop(tag_id, actor)
        _begin(tag, segment)


def condition(tag_id: int, where: dict[str, Any], actor: Actor) -> None:
    """Gives the tag a condition of its own. Raises FieldErrors with paths (``where.all.0``)."""
    with write():
        tag = tags.tag_by_id(tag_id)
        if not where:
            raise UserError(_("请至少写一个条件。"), "where")
        doc = {"label": tag.name, "where": where}
        old = of(tag_id)
        if old is not None and old.tag_id == tag_id:
            store.save(doc, actor, old.key)
            return
        _drop(tag_id, actor)
        _begin(tag, store.save(doc, actor, tag_id=tag_id))


def manual(tag_id: int, actor: Actor) -> None:
    """The tag is given by hand again; who holds it keeps it."""
    with write():
        _drop(tag_id, actor)


def _begin(tag: Tag, segment: Segment) -> None:
    DynamicTag.insert(tag_id=tag.id, segment_id=segment.id).execute()
    jobs.enqueue(GIVE, {"tag": tag.id}, unique=f"{GIVE}:{tag.id}")


def _drop(tag_id: int, actor: Actor) -> None:
    old = of(tag_id)
    DynamicTag.delete().where(DynamicTag.tag_id == tag_id).execute()
    if old is not None and old.tag_id == tag_id:
        store.delete(old.key, actor)
        SegmentRow.update(tag_id=None).where(SegmentRow.id == old.id).execute()


# -- giving and taking ------------------------------------------------------------------------------------------------


def moved(segment: Segment, came: set[int], went: set[int], depths: dict[int, int]) -> None:
    """After customers came into a segment or left it, in the same transaction."""
    following = DynamicTag.select(DynamicTag.tag_id).where(DynamicTag.segment_id == segment.id)
    for (tag_id,) in list(following.tuples()):
        tag = Tag.get_or_none(Tag.id == tag_id, Tag.deleted_at.is_null())
        if tag is None:
            continue
        by_depth: dict[int, set[int]] = defaultdict(set)
        for customer in came | went:
            by_depth[depths.get(customer, 0)].add(customer)
        for depth, customers in by_depth.items():
            if depth >= DEPTH:
                _stop(tag)
            else:
                settle(tag, customers, came, Cause(CAUSE, segment.id, depth + 1))


def settle(tag: Tag, customers: set[int], came: set[int], cause: Cause) -> int:
    """Gives the tag to those of ``customers`` who came in, and takes what was given from those who are not in any more."""
    group = tags.exclusive_sets().get(tag.id, {tag.id})
    follows = dict(
        DynamicTag.select(DynamicTag.tag_id, DynamicTag.segment_id).where(DynamicTag.tag_id.in_(group)).tuples()
    )
    ordered = [
        i for (i,) in Tag.select(Tag.id).where(Tag.id.in_(list(follows))).order_by(Tag.position, Tag.id).tuples()
    ]
    inside: dict[int, set[int]] = defaultdict(set)
    members = SegmentMember.select(SegmentMember.customer_id, SegmentMember.segment_id).where(
        SegmentMember.segment_id.in_(list(follows.values())), dialect.among(SegmentMember.customer_id, customers)
    )
    for customer, segment_id in members.tuples():
        inside[customer].add(segment_id)
    held: dict[int, tuple[int, bool]] = {}
    rows = CustomerTag.select(CustomerTag.customer_id, CustomerTag.tag_id, CustomerTag.cause_kind).where(
        CustomerTag.tag_id.in_(group), dialect.among(CustomerTag.customer_id, customers)
    )
    for customer, tag_id, kind in rows.tuples():
        held[customer] = (tag_id, kind == CAUSE and tag_id in follows)
    differences: list[tagging.Difference] = []
    for customer in sorted(customers):
        wanted = next((t for t in ordered if follows[t] in inside[customer]), None)
        old, ours = held.get(customer, (None, False))
        if old == wanted or (old is not None and not ours):
            continue
        if old is not None or customer in came:
            differences.append((customer, old, wanted))
    return len(tagging.move(differences, SYSTEM, cause)) if differences else 0


def _stop(tag: Tag) -> None:
    why = _(
        "标签「%(name)s」和别的标签或规则互相触发，已连续 %(depth)d 次，所以停在这里。请检查它们的条件。",
        name=tag.name,
        depth=DEPTH,
    )
    incidents.open("segments.loop", why, f"tag:{tag.id}", f"segments.loop:{tag.id}")


@jobs.handler(GIVE, label=_l("按条件打标签"))
def give(job: Job) -> dict[str, Any]:
    """A tag that has just become dynamic: its members get it, a batch a transaction."""
    tag_id = job.payload["tag"]
    state = job.state or {"after": 0, "tagged": 0}
    while True:
        with write():
            tag, row = Tag.get_or_none(Tag.id == tag_id), DynamicTag.get_or_none(DynamicTag.tag_id == tag_id)
            if tag is None or row is None or tag.deleted_at is not None:
                break
            members = SegmentMember.select(SegmentMember.customer_id).where(
                SegmentMember.segment_id == row.segment_id, SegmentMember.customer_id > state["after"]
            )
            ids = {i for (i,) in members.order_by(SegmentMember.customer_id).limit(1_000).tuples()}
            if not ids:
                break
            tagged = settle(tag, ids, ids, Cause(CAUSE, row.segment_id, 1))
            state = {"after": max(ids), "tagged": state["tagged"] + tagged}
            job.save_state(state)
        job.progress(state["tagged"])
    return {"tagged": state["tagged"]}


@causes.names(CAUSE)
def name_of(segment_id: int) -> str | None:
    row = SegmentRow.get_or_none(SegmentRow.id == segment_id)
    return Segment.open(row).label if row else None


def described(tag_id: int) -> str:
    """By what the tag is given, in words; empty when people give it."""
    segment = of(tag_id)
    if segment is None:
        return ""
    return segment.words() if segment.tag_id == tag_id else _("在客群「%(name)s」中", name=segment.label)
