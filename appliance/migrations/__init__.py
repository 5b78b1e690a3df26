"""Numbered steps from one schema to the next, oldest first. A step that was released is never edited.

Each step is a module here with ``apply()``, made of ``steps``; it is listed below as
``Migration(3, "what it does", m0003_name.apply)``.
"""

from __future__ import annotations

from ..core.schema import Migration
from . import m0002_form_engine, m0003_customers_and_rules

MIGRATIONS: list[Migration] = [
    Migration(2, "form engine", m0002_form_engine.apply),
    Migration(3, "customers and the rule engine", m0003_customers_and_rules.apply),
]
