"""Says of a formula what it results in, or what is wrong with it and where; used by the designer and by every definition."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ...accounts.actor import Actor
from ...core.errors import UserError
from ..catalog import Form
from ..fields.base import Field, FieldError, Spec
from ..fields.computed import Computed
from ..fields.formula import Formula, scope
from ..fields.rollup import Rollup
from . import compiling, filling, graph
from .models import ComputedState
from .parser import FormulaProblem


class Result(Struct):
    """``type``: what the formula results in, ``None`` when it has problems: sentences with the character they are about."""

    type: str | None
    problems: list[tuple[str, int]] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    text: str = ""
    """The formula as it is stored."""
    shown: str = ""
    """The formula as people read it."""


def check(
    form_doc: dict[str, Any], text: str, forms: dict[str, Form], *, key: str = "", default: bool = False
) -> Result:
    """Checks a formula against a form's document, saved or not. ``key``: the field it is for, to find circles; ``default``: it
    computes a new record's value."""
    try:
        form = trial(form_doc, forms, key, text if not default else None)
    except UserError as error:
        return Result(None, [(str(error.message), 0)])
    known, found = scope(form), form.fields.get(key)
    circle = "" if default or not isinstance(found, Formula) else found.problem
    try:
        program = compiling.compile(text, known, form.label, default=default)
    except FormulaProblem as problem:
        # A field that leads back to this one "has a problem": it is the circle.
        return Result(None, [(circle or problem.message, problem.start)])
    if circle:
        return Result(None, [(circle, 0)])
    return Result(
        program.type, [], list(program.fields), compiling.canonical(text, known), compiling.shown(text, known)
    )  # fmt: skip


def trial(form_doc: dict[str, Any], forms: dict[str, Form], key: str = "", text: str | None = None) -> Form:
    """A form of a document that need not be saved, bound beside ``forms``. Fields that are wrong in themselves are left out.

    Raises UserError for a document that is none.
    """
    from .. import catalog, fields

    form_key = str(form_doc.get("key") or "_")
    saved = forms.get(form_key)
    form = Form(
        saved.id if saved else 0, form_key, form_doc.get("label") or form_key, "table", None, None, {}, False, 0
    )  # fmt: skip
    docs = form_doc.get("fields")
    if not isinstance(docs, list):
        raise UserError(_("表单要有一列字段。"), "fields")
    for doc in docs:
        if isinstance(doc, dict) and text is not None and key and doc.get("key") == key:
            doc = {**doc, "type": "formula", "formula": text, "result": None}
        try:
            f = fields.build(Spec.read(doc))
        except (FieldError, ValueError, TypeError, AttributeError):
            continue
        form.fields[f.key] = f
    bind({**catalog.unbound(), form_key: form})
    return form


def bind(forms: dict[str, Form]) -> None:
    """Lets all computed fields find what they are computed from."""
    for form in forms.values():
        for f in form.fields.values():
            f.bind(form, forms)


def settle(form_key: str, old: dict[str, Any] | None, known: dict[str, Form]) -> None:
    """At the end of every change of a form's definition, in its transaction: formulas are stored by key, existing records
    computed by a job. Raises UserError when a field that it defines, or one that worked before, cannot be computed.

    ``old``: the form's document before, ``known``: all forms before.
    """
    from .. import catalog

    forms = catalog.all_forms()
    form = forms.get(form_key)
    if form is not None:
        before = {doc["key"]: doc for doc in (old or {}).get("fields", [])}
        changed = [f for f in form.fields.values() if f.spec.document() != before.get(f.key)]
        _refuse(form, changed)
        # While a field was in the recycle bin, or was another field of that key, nobody kept its values.
        for f in changed:
            if f.key not in before:
                ComputedState.delete().where(
                    (ComputedState.form_id == form.id) & (ComputedState.field_key == f.key)
                ).execute()
        _refuse_broken(forms, known)
        if _store_canonical(form, changed):
            catalog.touch()
            forms = catalog.all_forms()
    if any(f.computed or f.type == "auto_number" for one in forms.values() for f in one.fields.values()):
        from . import settling

        settling.ask()


def _refuse(form: Form, changed: list[Field]) -> None:
    for f in changed:
        if isinstance(f, Computed) and f.problem and not (isinstance(f, Rollup) and f.waits):
            raise UserError(_("「%(field)s」：%(why)s", field=f.label, why=f.problem), f.key)


def _refuse_broken(forms: dict[str, Form], known: dict[str, Form]) -> None:
    """Fields that worked before."""
    for key, form in forms.items():
        for f in form.fields.values():
            was = known[key].fields.get(f.key) if key in known else None
            if f.problem and isinstance(was, Computed) and not was.problem and was.type == f.type:
                raise UserError(
                    _("「%(form)s」的「%(field)s」要用到它：%(why)s", form=form.label, field=f.label, why=f.problem),
                    f.key,
                )


def _store_canonical(form: Form, changed: list[Field]) -> bool:
    from ..models import FieldRow

    stored = False
    for f in changed:
        options = dict(f.options)
        if isinstance(f, Formula):
            options["formula"] = compiling.canonical(f.source, scope(form))
        if options.get("default_formula"):
            options["default_formula"] = _default(form, f)
        if options != f.options:
            FieldRow.update(options=options).where(FieldRow.id == f.spec.id).execute()
            stored = True
    return stored


def _default(form: Form, f: Field) -> str:
    text = f.options["default_formula"]
    if not isinstance(text, str) or f.computed or not f.column:
        raise UserError(_("「%(field)s」不能用公式作默认值。", field=f.label), f.key)
    known = scope(form)
    try:
        program = compiling.compile(text, known, form.label, default=True)
        if f.key in program.fields:
            raise FormulaProblem(_("不能用到它自己。"))
        if f.formula_type in compiling.RESULTS and program.type != "person":
            compiling.check_result(program, f.formula_type)
    except FormulaProblem as problem:
        raise UserError(_("「%(field)s」的默认值公式：%(why)s", field=f.label, why=problem.message), f.key) from problem
    return compiling.canonical(text, known)


def answer(
    form_doc: dict[str, Any], text: str, actor: Actor, *, key: str = "", default: bool = False
) -> dict[str, Any]:
    """What the designer shows beside a formula while it is written: ``{"type", "words", "problems": [{"message", "position"}],
    "fields", "text", "shown", "sample"}``. ``sample``: the result on the latest record that the actor sees, with its title."""
    from .. import catalog

    found = check(form_doc, text, catalog.all_forms(), key=key, default=default)
    out: dict[str, Any] = {
        "type": found.type,
        "problems": [{"message": message, "position": position} for message, position in found.problems],
        "fields": found.fields, "text": found.text, "shown": found.shown, "words": "", "sample": None,
    }  # fmt: skip
    if found.type is not None:
        out["words"] = _("结果是%(type)s", type=compiling.WORDS[found.type])
        out["sample"] = _sample(form_doc, text, actor, key, default)
        if out["sample"]:
            out["words"] += _("；%(record)s：%(value)s", record=out["sample"]["title"], value=out["sample"]["value"])
    return out


def _sample(form_doc: dict[str, Any], text: str, actor: Actor, key: str, default: bool) -> dict[str, str] | None:
    """The formula on the latest record: fields that are new are empty there."""
    from .. import catalog, query

    saved = catalog.all_forms().get(str(form_doc.get("key") or ""))
    if saved is None:
        return None
    latest = query.Query(saved, actor).page(1).records
    if not latest:
        return None
    record = latest[0]
    form = trial(form_doc, catalog.all_forms(), key, None if default else text)
    # Nobody learns by a formula what they do not see.
    if any(f.key not in query.clear(saved, actor) for f in _read_by(form, text, default) if f.key in saved.fields):
        return None
    row = {**record.values, "id": record.id, "created_at": record.created_at, "created_by": record.created_by}
    ordered = [
        f for f in graph.build({form.key: form}).order.get(form.key, []) if f.needs.form is None and f.key != key
    ]
    filling.complete([row], ordered)
    program = compiling.compile(text, scope(form), form.label, default=default)
    env = compiling.environment(actor.id)
    with compiling.running():
        why = compiling.reason(program, row, env)
        typed = compiling.Typed(program.type, program.run, program.tree)
        value = why or compiling.text_of(typed)(row, env)
    return {"title": record.title, "value": value or _("（空）")}


def _read_by(form: Form, text: str, default: bool) -> list[Field]:
    known = scope(form)
    return [known[key] for key in compiling.compile(text, known, form.label, default=default).fields]
