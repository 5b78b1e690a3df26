"""A message that a rule asked for and that is not sent (no consent, no address, too many) stands in the rule's log as skipped, with why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..core import dialect
from ..messaging import reasons, sending
from ..messaging.models import Message
from . import log
from .actions import send
from .models import RuleRun, RunRecord
from .rules import Rule

Place = tuple[int, str]
"""Record id, and the action's place in the rule."""


@sending.on_withheld
def note(rows: Sequence[Message]) -> None:
    """In the transaction that settles the messages."""
    by_run: dict[int, dict[Place, str]] = defaultdict(dict)
    for row in rows:
        place = _place(row)
        if place is not None and row.cause_id is not None:
            by_run[row.cause_id][place] = reasons.sentence(row)
    for run in RuleRun.select().where(dialect.among(RuleRun.id, list(by_run)), RuleRun.kind == Rule.kind):
        _skipped(run, by_run[run.id])


def _place(row: Message) -> Place | None:
    """What the key says, which the action made: ``rule:7:0:customer:12:…``."""
    parts = row.key.split(":")
    if row.cause_kind != Rule.kind or len(parts) < 6 or parts[0] != Rule.kind or not parts[4].isdigit():
        return None
    return int(parts[4]), parts[2]


def _skipped(run: RuleRun, why: dict[Place, str]) -> None:
    rule = log.subject_of(run)
    idle: dict[int, set[str]] = defaultdict(set)
    ids = {record_id for record_id, _slot in why}
    others = RunRecord.select(RunRecord.record_id, RunRecord.slot).where(
        RunRecord.run_id == run.id, dialect.among(RunRecord.record_id, list(ids)), RunRecord.slot != ""
    )
    for record_id, slot in [*others.tuples(), *why]:
        idle[record_id].add(slot)
    for (record_id, slot), said in why.items():
        RunRecord.insert(
            run_id=run.id, record_id=record_id, slot=slot, state="skipped", why=said
        ).on_conflict_replace().execute()
    if not isinstance(rule, Rule) or rule.version != run.version:
        return
    # Where nothing else was done to the record, nothing was done at all.
    reached = _reached(run, rule, why)
    nothing = [i for i, slots in idle.items() if len(slots) == len(rule.do) and i not in reached]
    undone = RunRecord.delete().where(
        RunRecord.run_id == run.id, dialect.among(RunRecord.record_id, nothing), RunRecord.slot == ""
    )
    count = undone.execute() if nothing else 0
    run.changed, run.skipped = run.changed - count, run.skipped + count
    log.save(run, "changed", "skipped")


def _reached(run: RuleRun, rule: Rule, why: dict[Place, str]) -> set[int]:
    """Records of which an action that tells several people has told somebody else."""
    several = {slot for _i, slot in why if slot.isdigit() and rule.do[int(slot)].get("to") not in send.TO}
    if not several:
        return set()
    rows = Message.select(Message.key).where(
        (Message.cause_kind == run.kind) & (Message.cause_id == run.id) & Message.state.not_in(sending.WITHHELD)
    )
    told = {place for (key,) in rows.tuples() if (place := _place(Message(key=key, cause_kind=run.kind))) is not None}
    return {record_id for record_id, slot in told if slot in several}
