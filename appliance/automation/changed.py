"""``{"changed": "stage", "from": [...], "to": [...]}``: what a change was, for rules that changes set off.

Which records passed is known from the Changes in hand; the test then becomes "one of these" for the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flask_babel import gettext as _

from ..forms import conditions
from ..forms.catalog import Form
from ..forms.conditions import Condition, ConditionError, Context
from ..forms.fields.base import Field

Delta = dict[str, Any]
"""The ``fields`` of a Change."""


@conditions.test
class Changed(conditions.Test):
    """Compiled only where no change is at hand, which is a mistake."""

    name = "changed"

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        if doc.get("_checked"):
            if unknown := sorted(set(doc) - {"changed", "from", "to", "_checked", "_passed"}):
                raise ConditionError(_("「changed」没有「%(name)s」这一项，可写 from 和 to。", name=unknown[0][:40]))
            self._values(doc, form, "from")
            self._values(doc, form, "to")
            return form.col("id", source).in_(doc["_passed"])
        raise ConditionError(_("「改变」只能用在字段变化时触发的规则里。"))

    def words(self, doc: Condition, form: Form) -> str:
        field = form.field(str(doc["changed"]))
        label = field.label if field else str(doc["changed"])
        old, new = (self._named(doc, field, key) for key in ("from", "to"))
        if old and new:
            return _("「%(field)s」从%(old)s改为%(new)s", field=label, old=old, new=new)
        if new:
            return _("「%(field)s」改为%(new)s", field=label, new=new)
        return _("「%(field)s」不再是%(old)s", field=label, old=old) if old else _("「%(field)s」有变化", field=label)

    @staticmethod
    def _named(doc: Condition, field: Field | None, key: str) -> str:
        values = doc.get(key) or []
        named = values if isinstance(values, list) else [values]
        return _("、").join(field._word(value) if field else str(value) for value in named)

    def _values(self, doc: Condition, form: Form, key: str) -> list[Any] | None:
        """The stored values that ``from`` or ``to`` names. Raises FieldError."""
        field = form.fields.get(str(doc["changed"]))
        if field is None:
            raise ConditionError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=doc["changed"]))
        if key not in doc:
            return None
        wanted = doc[key] if isinstance(doc[key], list) else [doc[key]]
        return [field.parse(value) for value in wanted]

    def passed(self, doc: Condition, form: Form, delta: Delta) -> bool:
        """Whether one Change of a record is what the test asks for."""
        entry = delta.get(doc["changed"])
        if not isinstance(entry, list) or len(entry) != 2:
            return entry is not None and "from" not in doc and "to" not in doc
        old, new = self._values(doc, form, "from"), self._values(doc, form, "to")
        return (old is None or entry[0] in old) and (new is None or entry[1] in new)


def blank(where: Any) -> Any:
    """The condition with these tests as their checked, empty form: to validate it where no change is at hand."""
    return _rewrite(where, lambda _doc: [])


def resolve(where: Any, form: Form, changes: Iterable[tuple[int, Delta]]) -> Any:
    """The condition with these tests answered by ``changes``: (record id, delta)."""
    held = list(changes)
    test = conditions.TESTS["changed"]
    assert isinstance(test, Changed)
    return _rewrite(where, lambda doc: sorted({i for i, delta in held if test.passed(doc, form, delta)}))


def telling(where: Any, form: Form, deltas: Sequence[Delta]) -> int:
    """Which of several Changes of one record, in order, the condition asks about: the last that one of these tests passes;
    without such a test the first."""
    test = conditions.TESTS["changed"]
    assert isinstance(test, Changed)
    asked: list[Condition] = []
    _rewrite(where, lambda doc: asked.append(doc) or [])  # type: ignore[func-returns-value]
    passed = [n for n, delta in enumerate(deltas) if any(test.passed(doc, form, delta) for doc in asked)]
    return passed[-1] if passed else 0


def _rewrite(doc: Any, answer: Callable[[Condition], list[int]]) -> Any:
    if not isinstance(doc, dict):
        return doc
    if "changed" in doc:
        return doc | {"_checked": True, "_passed": answer(doc)}
    out = dict(doc)
    for group in ("all", "any"):
        if isinstance(doc.get(group), list):
            out[group] = [_rewrite(part, answer) for part in doc[group]]
    if isinstance(doc.get("not"), dict):
        out["not"] = _rewrite(doc["not"], answer)
    return out


def neutral(where: Any) -> Any:
    """The condition with every one of these tests taken as passed: to count where nothing is changing."""
    if not isinstance(where, dict):
        return where
    if "changed" in where:
        return {}
    out = dict(where)
    for group in ("all", "any"):
        if isinstance(where.get(group), list):
            out[group] = [neutral(part) for part in where[group]]
    if "not" in where:
        out["not"] = neutral(where["not"])
    return out
