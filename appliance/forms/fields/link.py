"""Fields whose values live in a link table (tags, identities): what the write and read paths need of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, ClassVar

import peewee
from flask_babel import gettext as _

from ...core import dialect
from .base import NEGATIVE, OPERATOR_WORDS, Field, FieldError, Spec

if TYPE_CHECKING:
    from ...accounts.actor import Actor
    from ..conditions import Context
    from ..hooks import Cause, Draft
    from ..query import Record


class LinkField(Field):
    """A multi-valued field. A *stored* value is a plain list or dictionary; blank is the empty one."""

    column: ClassVar[str | None] = None
    formula_type = None
    sortable = False
    multiple = True
    needs_database = True
    gathers: ClassVar[bool] = True
    """Whether a file's cell adds to what a record holds (several columns may name identities or tags) or replaces it."""
    can_be_public = False

    @property
    def groupable(self) -> bool:
        return False

    def spread(self, source: Any, row_id: Any, alias: str, ctx: Context) -> tuple[Any, Any]:
        """``source`` so that each row stands once for each value that the record of ``row_id`` holds (once, with none,
        when it holds none), and the column with that value. Only for ``groupable`` types."""
        raise NotImplementedError

    def check(self, draft: Draft, values: list[Any]) -> None:
        """Adds to ``draft.errors`` what cannot be stored (a value that belongs to another record). May be a no-op."""

    def import_parts(self) -> dict[str, Spec]:
        """The values of one kind that a file's column may hold, by kind: ``{"member_no": Spec(…)}``.

        A record is made with ``{kind: [value]}``. Types whose value is one list have none.
        """
        return {}

    def holders(self, kind: str, values: list[Any]) -> dict[Any, int]:
        """Which live records hold these values of one kind of :meth:`import_parts`."""
        return {}

    def fill(self, records: Sequence[Record], actor: Actor) -> None:
        """Puts the values into records that ``actor`` reads. A type whose values are records of their own leaves out those
        that the actor may not see."""
        loaded = self.load([record.id for record in records]) if records else {}
        for record in records:
            record.values[self.key] = loaded.get(record.id, self.parse(None))

    def compile_unsaved(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        """:meth:`compile` over values that are in no table yet: ``column`` holds the list as JSON text."""
        if op not in self.operators:
            raise FieldError(
                _("「%(field)s」不能用「%(op)s」来比较。", field=self.label, op=OPERATOR_WORDS.get(op, op))
            )
        if op in NEGATIVE:
            return dialect.negate(self.compile_unsaved(column, NEGATIVE[op], value, ctx))
        if op == "not_empty":
            return peewee.fn.EXISTS(dialect.json_items(column))
        wanted = self.parse(self._list(value))
        tests = [peewee.Value(one).in_(dialect.json_items(column)) for one in wanted]
        if not tests:
            return peewee.Value(1) == 0
        return reduce(and_ if op == "has_all" else or_, tests)

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        """Stored values of many records in one query; records without any are left out."""
        raise NotImplementedError

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        """Makes the records hold exactly these values. Returns the delta of each that changed, for its Change."""
        raise NotImplementedError

    def created(self, record_id: Any) -> Any:
        """An SQL expression: the values of a record just created, as JSON, for its Change."""
        raise NotImplementedError

    def released(self, ids: list[int]) -> None:
        """The records were deleted: what must be unique is free again."""

    def reclaimed(self, ids: list[int]) -> dict[int, str]:
        """The records came back. Returns, by id, the sentence for each whose values others hold now."""
        return {}

    def purged(self, ids: list[int]) -> None:
        """The records are gone for good: so are their values."""
