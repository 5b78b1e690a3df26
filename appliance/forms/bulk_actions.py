"""What can be done with many records of a list at once. Deleting is built in; higher rooms add theirs (tag, set a field, …)::

    @bulk_actions.action("add_tag", _l("打标签"), "tag", forms=("customer",), order=10)
    class AddTag(bulk_actions.BulkAction):
        def dialog(self, selection: Selection) -> str:      # HTML of the inputs
            return render_template("automation/_add_tag.html", …)

        def run(self, selection: Selection, values: MultiDict) -> Outcome:
            …                                                 # a few hundred at once, more as a job

The dialog stands in a form that posts to the list with the selection; the button that sends it says ``button(selection)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field

from ..accounts import permissions
from ..accounts.actor import Actor
from . import query
from .catalog import Form

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

BATCH = 500


class Selection(Struct, frozen=True):
    """The records that were ticked (``ids``), or with ``everything`` all that the list's filter and search find."""

    form: Form
    actor: Actor
    ids: list[int] = field(default_factory=list)
    everything: bool = False
    where: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def query(self) -> query.Query:
        """The selected records, as their reader may see them."""
        found = query.Query(self.form, self.actor)
        if self.everything:
            return found.where(self.where).search(self.text)
        return found.only(self.form.col("id").in_(self.ids))

    def count(self) -> int:
        return self.query().count()

    def batches(self, size: int = BATCH) -> Iterator[list[int]]:
        """The ids, by batches, each read anew: acting on one batch may take its records out of the filter."""
        last = 0
        while True:
            rows = self.query().only(self.form.col("id") > last).sort("id").page(size, fields=[]).records
            if not rows:
                return
            yield [r.id for r in rows]
            last = rows[-1].id

    def document(self) -> dict[str, Any]:
        """For the payload of a job; :meth:`open` reads it."""
        return {
            "form": self.form.key, "ids": self.ids, "everything": self.everything, "where": self.where, "text": self.text,
            "actor": self.actor.id,
        }  # fmt: skip

    @classmethod
    def open(cls, doc: dict[str, Any]) -> Selection:
        """Acts as the person who made the selection. Raises NotFound when the form is gone."""
        from ..accounts import users
        from ..accounts.actor import SYSTEM
        from ..core.errors import NotFound
        from . import catalog

        actor = SYSTEM if doc["actor"] is None else users.actor_of(doc["actor"])
        if actor is None:
            raise NotFound()
        return cls(catalog.get(doc["form"]), actor, doc["ids"], doc["everything"], doc["where"], doc["text"])


class Outcome(Struct, frozen=True):
    """What to tell the person. ``undo``: a URL that a POST to takes it back; ``job``: the job that works on."""

    message: str
    undo: str | None = None
    job: int | None = None


class BulkAction:
    """Something to do with a selection."""

    key: str
    label: Any
    icon: str
    right: str = "bulk"
    forms: tuple[str, ...] = ("*",)
    order: int = 100
    scripts: ClassVar[tuple[str, ...]] = ()
    """Files of ``static/js`` that its dialog needs."""

    def suits(self, form: Form, actor: Actor) -> bool:
        """Whether there is anything for this person to do with it."""
        return True

    def preview(self, selection: Selection, values: MultiDict[str, str]) -> str | None:
        """What it would do with these inputs, as HTML for the dialog; ``None``: there is nothing to say beforehand."""
        return None

    def dialog(self, selection: Selection) -> str | None:
        """The inputs it needs, as HTML; ``None`` runs it at once."""
        return None

    def button(self, selection: Selection, count: int) -> str:
        """What the button that starts it says: its effect, e.g. 给 1,204 位客户打标."""
        return str(self.label)

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        """Raises UserError (shown in the dialog)."""
        raise NotImplementedError


_actions: dict[str, BulkAction] = {}
_sources: list[Callable[[Form], list[BulkAction]]] = []


def source(fn: Callable[[Form], list[BulkAction]]) -> Callable[[Form], list[BulkAction]]:
    """Registers a function that gives a form's actions, for rooms whose actions the company makes itself (rules)."""
    _sources.append(fn)
    return fn


def action(
    key: str, label: Any, icon: str, *, right: str = "bulk", forms: tuple[str, ...] = ("*",), order: int = 100
) -> Callable[[type[BulkAction]], type[BulkAction]]:
    """Registers a bulk action for forms (``"*"``: all) and for those who have ``right``. Raises on a key that is taken."""
    if key in _actions:
        raise ValueError(f"there is a bulk action {key!r} already; choose another key")

    def add(cls: type[BulkAction]) -> type[BulkAction]:
        cls.key, cls.label, cls.icon, cls.right, cls.forms, cls.order = key, label, icon, right, forms, order
        _actions[key] = cls()
        return cls

    return add


def of(form: Form, actor: Actor) -> list[BulkAction]:
    """What the actor may do with records of the form, in order."""
    own = [a for a in _actions.values() if form.key in a.forms or "*" in a.forms]
    given = [a for give in _sources for a in give(form)]
    found = [a for a in (*own, *given) if permissions.can(actor, a.right, form.key) and a.suits(form, actor)]
    return sorted(found, key=lambda a: a.order)


def scripts(offered: list[BulkAction]) -> list[str]:
    """What the list's page must load for their dialogs."""
    return list(dict.fromkeys(name for a in offered for name in a.scripts))


def find(form: Form, actor: Actor, key: str) -> BulkAction | None:
    return next((a for a in of(form, actor) if a.key == key), None)
