"""What fields fill in by themselves when a record is written."""

from __future__ import annotations

from .fields.base import Field
from .hooks import ANY, Draft, before_write


@before_write(ANY)
def fill(draft: Draft) -> None:
    for f in draft.form.fields.values():
        if type(f).complete is not Field.complete:
            f.complete(draft)
