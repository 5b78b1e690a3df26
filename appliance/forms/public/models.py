"""The table of public form pages."""

from __future__ import annotations

from typing import Any

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField


class PublicPage(Model):
    """One page. ``token`` is the secret part of its link."""

    form = pw.TextField(index=True)
    token = pw.TextField(unique=True)
    title = pw.TextField()
    intro = pw.TextField(default="")
    thanks = pw.TextField(default="")
    fields: Any = JSONField(default=list)
    """``pages.Chosen`` documents, in the order of the page."""
    active = pw.BooleanField(default=True)
    opens_at = pw.IntegerField(null=True)
    closes_at = pw.IntegerField(null=True)
    most = pw.IntegerField(null=True)
    """How many answers are taken; ``None``: any number."""
    once = pw.BooleanField(default=False)
    """One answer a device (a cookie remembers)."""
    on_known = pw.TextField(default="refuse")
    """What happens when a unique value is there already: ``refuse``, or ``fill`` the blanks of that record."""
    answers = pw.IntegerField(default=0)
    owner_id = pw.IntegerField(null=True)
    created_at = pw.IntegerField()
    updated_at = pw.IntegerField()
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "public_page"


TABLES = [PublicPage]
