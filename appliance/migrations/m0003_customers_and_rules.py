"""0.3.0, customers and the rule engine: connections, events, segments, messages, tasks, points and the like.

Tables that are new are made as this release's models say; columns that older tables gained are added below.
"""

from __future__ import annotations

import peewee as pw

from ..core.db import db
from . import steps


def apply() -> None:
    steps.create_missing_tables()
    steps.add_columns(
        "duplicate",
        {
            "likeness": "INTEGER NOT NULL DEFAULT 0",
            "met": "INTEGER NOT NULL DEFAULT 0",
            "later_at": "INTEGER",
        },
    )
    steps.add_columns("record_merge", {"why": "TEXT NOT NULL DEFAULT ''"})
    steps.add_columns("consent", {"entry_id": "INTEGER"})
    steps.add_index("consent", ["entry_id"])
    _rules()


def _rules() -> None:
    """A definition remembered the newest Change at which it was switched on; now each of its listeners does. The
    dispatcher's one cursor becomes that of the stream of Changes."""
    for table in ("rule", "decision_table"):
        steps.add_columns(table, {"folder": "TEXT NOT NULL DEFAULT ''"})
    steps.add_columns("rule", {"stop": "INTEGER NOT NULL DEFAULT 0", "working_hours": "TEXT"})
    steps.add_columns(
        "rule_listener",
        {"scope": "TEXT", "stream": "TEXT NOT NULL DEFAULT 'changes'", "since": "INTEGER NOT NULL DEFAULT 0"},
    )
    steps.add_columns("rule_run", {"affects": "INTEGER", "decided_at": "INTEGER", "decided_by": "INTEGER"})
    steps.add_index("rule_run", ["status"])
    listener = pw.Table("rule_listener", ("id", "kind", "subject_id", "since"), _database=db)
    for table in ("rule", "decision_table"):
        if not steps.has_column(table, "since"):
            continue
        definition = pw.Table(table, ("id", "since"), _database=db)
        for subject_id, since in definition.select(definition.id, definition.since).tuples():
            mine = (listener.kind == table) & (listener.subject_id == subject_id)
            listener.update({listener.since: since}).where(mine).execute()
        steps.drop_column(table, "since")
    if "rule_cursor" in db.get_tables():
        old = pw.Table("rule_cursor", ("change_id",), _database=db)
        cursor = pw.Table("rule_stream", ("stream", "position"), _database=db)
        for (position,) in old.select(old.change_id).tuples():
            cursor.insert({cursor.stream: "changes", cursor.position: position}).execute()
        steps.drop_table("rule_cursor")
