"""Numbered steps from one schema to the next, oldest first. A step that was released is never edited.

Each step is a module here with frozen models and ``apply()``; it is listed below as
``Migration(2, "what it does", m0002_name.apply)``.
"""

from __future__ import annotations

from ..core.schema import Migration

MIGRATIONS: list[Migration] = []
