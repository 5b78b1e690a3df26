"""Tables of the files that records hold."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model


class RecordFile(Model):
    """A file in a field of a record. One that was taken out stays for a while (``removed_at``), so that it can come back."""

    field_id = pw.IntegerField()
    record_id = pw.IntegerField()
    file_id = pw.IntegerField(index=True)
    name = pw.TextField()
    size = pw.IntegerField()
    mime = pw.TextField()
    position = pw.IntegerField(default=0)
    removed_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "record_file"
        primary_key = pw.CompositeKey("field_id", "record_id", "file_id")


RecordFile.add_index(RecordFile.removed_at, where=RecordFile.removed_at.is_null(False))


class Upload(Model):
    """A file that is in no record yet; it is its owner's alone and goes after a day."""

    file_id = pw.IntegerField(primary_key=True)
    actor_id = pw.IntegerField(null=True)
    created_at = pw.IntegerField(index=True)

    class Meta:
        table_name = "upload"


TABLES = [RecordFile, Upload]
