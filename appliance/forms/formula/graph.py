"""What follows from what, over all forms: built once for each state of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct, field

from .. import catalog
from ..catalog import Form
from ..fields.computed import Computed

Place = tuple[str, str]
"""A form and a field of it."""


class Graph(Struct):
    """``order``: a form's computed fields, each after those of the same record that it needs."""

    forms: dict[str, Form]
    order: dict[str, list[Computed]] = field(default_factory=dict)
    outward: dict[str, list[tuple[Form, Computed]]] = field(default_factory=lambda: defaultdict(list))
    """Form key → lookups and rollups of any form that read its records."""
    _closures: dict[tuple[str, frozenset[str]], list[Computed]] = field(default_factory=dict)

    def dependents(self, form: Form, keys: Iterable[str]) -> list[Computed]:
        """The computed fields of the same record that follow from ``keys``, in the order in which to compute them."""
        known = self.order.get(form.key)
        if not known:
            return []
        place = form.key, frozenset(keys)
        found = self._closures.get(place)
        if found is None:
            touched, found = set(place[1]), []
            for f in known:
                if f.needs.own & touched:
                    found.append(f)
                    touched.add(f.key)
            self._closures[place] = found
        return found

    def readers(self, form: Form, keys: set[str] | None) -> list[tuple[Form, Computed]]:
        """Lookups and rollups that read one of ``keys`` (``None``: anything) of the form's records."""
        return [(other, f) for other, f in self.outward.get(form.key, ()) if keys is None or f.needs.theirs & keys]

    def watched(self, form: Form, keys: set[str]) -> bool:
        """Whether anything follows from these fields."""
        return bool(self.dependents(form, keys) or self.readers(form, keys))

    def everything(self) -> list[tuple[Form, Computed]]:
        """All computed fields that work, each after all that it follows from."""
        nodes = {(key, f.key): (self.forms[key], f) for key, fields in self.order.items() for f in fields}
        out: list[tuple[Form, Computed]] = []
        seen: set[Place] = set()

        def visit(place: Place) -> None:
            if place in seen or place not in nodes:
                return
            seen.add(place)
            form, f = nodes[place]
            for key in sorted(f.needs.own):
                visit((form.key, key))
            for key in sorted(f.needs.theirs):
                visit((f.needs.form or "", key))
            out.append((form, f))

        for place in nodes:
            visit(place)
        return out

    def following(self, places: set[Place]) -> set[Place]:
        """``places`` and all that follows from them, however far."""
        found = set(places)
        for form, f in self.everything():
            own = {(form.key, key) for key in f.needs.own}
            theirs = {(f.needs.form or "", key) for key in f.needs.theirs}
            if (own | theirs) & found:
                found.add((form.key, f.key))
        return found


def build(forms: dict[str, Form]) -> Graph:
    """Of bound forms. Fields with a problem are left out: they are empty."""
    graph = Graph(forms)
    for form in forms.values():
        computed = {
            key: f for key, f in form.fields.items() if isinstance(f, Computed) and not f.problem
        }  # fmt: skip
        ordered: dict[str, Computed] = {}

        def visit(key: str, computed: dict[str, Computed] = computed, ordered: dict[str, Computed] = ordered) -> None:
            if key in computed and key not in ordered:
                for other in sorted(computed[key].needs.own):
                    visit(other)
                ordered[key] = computed[key]

        for key in computed:
            visit(key)
        if ordered:
            graph.order[form.key] = list(ordered.values())
        for f in ordered.values():
            if f.needs.form:
                graph.outward[f.needs.form].append((form, f))
    return graph


_graph: Graph | None = None


def current() -> Graph:
    """The graph of the forms as they are now."""
    global _graph
    forms = catalog.all_forms()
    if _graph is None or _graph.forms is not forms:
        _graph = build(forms)
    return _graph
