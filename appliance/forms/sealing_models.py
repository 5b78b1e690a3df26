"""Tables that show whether the history of the records is whole."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model


class ChangeBlock(Model):
    """Some hundred Changes in a row, sealed; the first is the one after the last of the block before."""

    number = pw.IntegerField(primary_key=True)
    last_id = pw.IntegerField()
    count = pw.IntegerField()
    digest = pw.TextField()
    """Of everything that its Changes say."""
    mac = pw.TextField()
    """Its seal, in which that of the block before is."""

    class Meta:
        table_name = "change_block"


class ChangeAnchor(Model):
    """The one row that says where the sealed blocks end."""

    last_number = pw.IntegerField()
    last_mac = pw.TextField()
    key_mark = pw.TextField()
    """Tells keys apart, and says nothing about them."""
    seal = pw.TextField()

    class Meta:
        table_name = "change_anchor"


TABLES = [ChangeBlock, ChangeAnchor]
