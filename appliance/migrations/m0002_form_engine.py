"""0.2.0, the form engine: departments, files, links of many values, drafts, comments, public pages and the like. The audit log is
chained from here on.

Tables that are new are made as this release's models say; a later step that changes one of them asks for what is there
first (``steps.add_columns`` does), since a fresh table may have it already.
"""

from __future__ import annotations

from . import steps


def apply() -> None:
    steps.create_missing_tables()
    steps.add_columns(
        "import", {"set_id": "INTEGER", "place": "INTEGER NOT NULL DEFAULT 0", "ready": "INTEGER NOT NULL DEFAULT 0"}
    )
    steps.add_columns("view", {"kind": "TEXT NOT NULL DEFAULT 'list'", "settings": "TEXT NOT NULL DEFAULT '{}'"})
    steps.add_index("import", ["set_id"])
    steps.add_columns(
        "audit", {"agent": "TEXT", "about": "VARCHAR(255)", "prev": "VARCHAR(255)", "mac": "VARCHAR(255)"}
    )
    for column in ("actor_id", "action", "about"):
        steps.add_index("audit", [column, "id"])
    steps.chain_audit_log()
    steps.add_columns("api_token", {"scope": "TEXT", "warned_at": "INTEGER"})
