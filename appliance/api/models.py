"""What the API remembers."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model


class IdempotentAnswer(Model):
    """The answer to a POST that carried an ``Idempotency-Key``; kept for a day."""

    key = pw.TextField(primary_key=True)
    """SHA-256 of actor, key and path."""
    request = pw.TextField()
    """SHA-256 of the body: the same key with another body is refused."""
    status = pw.IntegerField()
    body = pw.TextField()
    created_at = pw.IntegerField(index=True)

    class Meta:
        table_name = "idempotent_answer"


TABLES = [IdempotentAnswer]
