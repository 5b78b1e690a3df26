"""What migrations are made of. Each leaves alone what is there already, so that a step can run twice."""

from __future__ import annotations

from ..core import dialect, schema
from ..core.db import db


def create_missing_tables() -> None:
    """Makes the tables of this release that the database does not have."""
    there = set(db.get_tables())
    db.create_tables([model for model in schema.tables() if model._meta.table_name not in there])


def add_columns(table: str, columns: dict[str, str]) -> None:
    """``columns``: name → definition; one that may not be NULL needs a constant default (then no row is rewritten)."""
    there = dialect.columns(db, table)
    for name, definition in columns.items():
        if name not in there:
            dialect.add_column(db, table, name, definition)


def add_index(table: str, columns: list[str]) -> None:
    """An index under the name that a model's own would have."""
    dialect.create_index(db, "_".join([table, *columns]), table, columns)


def has_column(table: str, name: str) -> bool:
    return name in dialect.columns(db, table)


def drop_column(table: str, name: str) -> None:
    """Writes every row anew."""
    dialect.drop_column(db, table, name)


def drop_table(table: str) -> None:
    dialect.drop_table(db, table)


def chain_audit_log() -> None:
    """Seals every line of the audit log that is there, unless that was done."""
    from ..accounts import chain

    chain.begin()
