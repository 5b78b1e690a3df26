"""The related records that rows of a file speak of (the customer of an order): references, or ids of new ones."""

from __future__ import annotations

from typing import Any

from ...accounts.actor import Actor
from .. import catalog, records, relations
from ..fields.base import Field
from ..hooks import Cause
from .mapping import Target

Columns = dict[str, list[Any]]


class Related:
    """``targets``: the target paths below ``relation``; ``constants``: what such records get besides."""

    def __init__(
        self, relation: Field, targets: dict[str, Target], constants: dict[str, Any], actor: Actor, cause: Cause
    ) -> None:
        self.form = catalog.get(relation.options["form"])
        naming = [target for target in targets.values() if target.names]
        # An identity of a platform tells more than a phone, which a family may share.
        naming.sort(key=lambda target: not target.link)
        self.naming = [target.key for target in naming]
        self.constants = constants
        self.actor, self.cause = actor, cause

    def values(self, columns: Columns, size: int) -> list[Any]:
        """What the relation's column holds for each row; ``None`` where the row names nobody."""
        references = [self._reference(columns, i) for i in range(size)]
        if self.form.key in relations.resolvers:
            # The room of that form finds, completes and makes its records itself.
            return references
        return self._found_or_made(references)

    def _reference(self, columns: Columns, i: int) -> dict[str, Any] | None:
        reference = {
            key: value for key in self.naming if (column := columns.get(key)) and (value := column[i]) is not None
        }
        if not reference:
            return None
        for key, column in columns.items():
            if column[i] is not None:
                reference.setdefault(key, column[i])
        return reference | {key: value for key, value in self.constants.items() if key not in reference}

    def _found_or_made(self, references: list[dict[str, Any] | None]) -> list[int | None]:
        """By the unique field that names them; unknown ones are made with what the row says of them."""
        ids: list[int | None] = [None] * len(references)
        for name in self.naming:
            places: dict[Any, list[int]] = {}
            for i, reference in enumerate(references):
                if reference is not None and ids[i] is None and name in reference:
                    places.setdefault(reference[name], []).append(i)
            known = dict(relations.lookup(self.form, name, list(places)))
            unknown = [value for value in places if value not in known]
            if unknown:
                rows = [references[places[value][0]] or {} for value in unknown]
                written = records.create_many(self.form, rows, self.actor, self.cause, parsed=True)
                known |= {
                    value: record_id
                    for value, record_id in zip(unknown, written.ids, strict=True)
                    if record_id is not None
                }
            for value, rows_of in places.items():
                for i in rows_of:
                    ids[i] = known.get(value)
        return ids
