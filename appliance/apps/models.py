"""Tables of installed app packages."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class App(Model):
    key = pw.TextField(unique=True)
    version = pw.TextField()
    label = JSONField()
    installed_at = pw.IntegerField()

    class Meta:
        table_name = "app"


class AppObject(Model):
    """One thing that an app brought. It outlives its app while the company still has records in it."""

    app = pw.TextField()
    kind = pw.TextField()
    key = pw.TextField()
    document = JSONField()
    """As the package said it: what a newer version is compared with."""
    stored = JSONField()
    """As it read right after it was installed: where it reads otherwise today, the company has changed it."""

    class Meta:
        table_name = "app_object"
        indexes = ((("app", "kind", "key"), True),)


TABLES = [App, AppObject]
