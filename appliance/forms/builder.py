"""What the condition builder in the browser needs to know about a form: fields, operators, and the tests of all rooms.

A test (``conditions.Test``) offers itself through ``builder(form, actor)``: a list of entries for the field picker ::

    {"id": "tag", "group": _("标签"), "label": _("标签"), "fixed": {}, "start": {"tag": ""},
     "parts": [{"at": "tag", "input": "select", "options": [[name, label], …]}]}

``id``: unique among the entries. ``fixed``: keys besides the test's own that tell which entry a condition belongs to (one it leaves out
counts as equal when the entry says ``"assume": true``). ``start``: the condition a new one begins as. ``parts``: its inputs,
in reading order; each writes the key ``at``. Keys of a condition that no part writes are kept only by showing the whole as words.

| input | writes |
|---|---|
| ``select`` | one of ``options`` (``[[value, label], …]``) |
| ``choices`` | a list of ``options`` |
| ``text``, ``number`` | text, a number |
| ``span`` | ``{"days": 30}`` |
| ``where`` | a condition on records of the form ``form`` |
| ``field`` | the key of a field of ``form`` that offers the aggregate chosen in ``agg``, or whose input is in ``inputs`` |
| ``compare`` | an operator at ``op`` and its value at ``value``: of the field chosen in ``of`` when there is one and the aggregate is not a count, of ``as`` (a field's ``input``) when the part has it, else a number |

Any part may have ``before`` and ``after`` (words around it), ``optional`` (can be left out: the button says ``add``), ``when``
(``{"agg": ["sum"]}``: only then).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _

from ..accounts import departments, people, permissions
from ..accounts.actor import Actor
from . import catalog, conditions, query
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import OPERATOR_WORDS, Field
from .fields.moment import PERIOD_WORDS, SPAN_WORDS

DEPTH = 3
"""How far the forms go that nested conditions may ask about."""


def meta(form: Form, actor: Actor) -> dict[str, Any]:
    """Everything the builder shows for conditions on ``form``, as far as ``actor`` may use it."""
    forms = reachable(form, actor)
    virtual = {
        k: doc
        for test in conditions.TESTS.values()
        for one in forms.values()
        for k, doc in test.virtual(one, actor).items()
    }
    known = {*forms, *virtual}
    return {
        "form": form.key,
        "forms": {key: _form(other, actor, known) for key, other in forms.items()} | virtual,
        "people": [[people.login(user_id), name, user_id] for user_id, name in people.active()],
        "departments": [[one, name, one] for one, name in departments.choices()],
        "me": actor.login,
        "periods": [[key, str(word)] for key, word in PERIOD_WORDS.items()],
        "spans": [[key, str(word)] for key, word in SPAN_WORDS.items()],
        "words": words(),
    }


def problem(errors: Mapping[str, str]) -> tuple[str, str]:
    """What the builder of ``where`` shows of what is wrong in a document (path → sentence): the first sentence about the
    condition and its path inside the condition; two empty texts when it is right."""
    for path, sentence in errors.items():
        if path == "where" or path.startswith("where."):
            return sentence, path.removeprefix("where").removeprefix(".")
    return "", ""


def reachable(form: Form, actor: Actor) -> dict[str, Form]:
    """The form, those it relates to and those that relate to it, ``DEPTH`` steps far; only what the actor sees."""
    found, edge = {form.key: form}, [form]
    for _step in range(DEPTH):
        following: list[Form] = []
        for one in edge:
            targets = [catalog.all_forms().get(f.points_at) for f in one.fields.values() if f.points_at]
            for other in (*targets, *(o for o, _f in catalog.pointing(one))):
                if other is not None and other.key not in found and permissions.can(actor, "see", other.key):
                    found[other.key] = other
                    following.append(other)
        edge = following
    return found


def _form(form: Form, actor: Actor, known: set[str]) -> dict[str, Any]:
    fields = query.clear(form, actor)
    entries = [
        {"test": name, **entry}
        for name, test in conditions.TESTS.items()
        for entry in test.builder(form, actor)
        if not (set(_forms_of(entry)) - known)
    ]
    offered = [f for f in fields.values() if f.operators] + list(SYSTEM_FIELDS.values())
    return {"label": form.label, "fields": [field_entry(f, known) for f in offered], "tests": entries}


def _forms_of(entry: dict[str, Any]) -> list[str]:
    return [part["form"] for part in entry["parts"] if "form" in part]


def field_entry(f: Field, known: set[str]) -> dict[str, Any]:
    """A field as the builder knows it. ``known``: the forms that nested conditions may ask about."""
    doc: dict[str, Any] = {
        "key": f.key,
        "label": f.label,
        "input": f.value_input,
        "ops": [[op, f.operator_word(op)] for op in f.operators],
        "aggs": list(f.aggregates),
    }
    choices = f.value_choices()
    if choices is not None:
        doc["choices"] = choices
        doc["open"] = bool(getattr(f, "open", False))
    unit = getattr(f, "unit", "")
    if unit:
        doc["unit"] = unit
    if f.value_pick:
        doc["pick"] = f"/pick/{f.value_pick}"
    if f.points_at:
        doc["form"] = f.points_at
        doc["through"] = f.points_at in known
    return doc


def words() -> dict[str, str]:
    """The builder's own words in the reader's language."""
    return {
        "all": _("全部满足"),
        "any": _("满足任一"),
        "group": _("以下条件"),
        "not": _("取反"),
        "not_on": _("不满足"),
        "add": _("添加条件"),
        "add_group": _("添加一组"),
        "remove": _("删除这个条件"),
        "remove_group": _("删除这一组"),
        "choose": _("选择字段"),
        "search": _("搜索字段"),
        "nothing": _("没有找到"),
        "me": _("我"),
        "my_people": _("我部门的人"),
        "my_department": _("我的部门（含下级）"),
        "point": _("纬度,经度"),
        "km": _("公里"),
        "yes": _("是"),
        "no": _("否"),
        "and": _("至"),
        "empty": _("还没有条件，符合全部记录。"),
        "kept": _("这部分在这里不能修改，会原样保留"),
        "count": _("符合 %(count)s 条"),
        "more": _("符合 %(count)s 条以上"),
        "counting": _("正在数…"),
        "value": _("值"),
        "operator": _("比较方式"),
        "pick": _("搜索并选择"),
        "add_value": _("输入后按回车添加"),
        "remove_value": _("移除"),
        "system": _("系统"),
        "the": _("%(relation)s的"),
        "leave_out": _("去掉"),
        "choose_many": _("请选择"),
        "comma": _("、"),
        "unfinished": _("还有条件没有填完整。"),
    }


def number_operators() -> list[list[str]]:
    """The comparisons of a count or a sum."""
    shown = ("gte", "lte", "gt", "lt", "eq", "ne", "between")
    return [[op, str(OPERATOR_WORDS[op])] for op in shown]


def related_entries(form: Form, actor: Actor) -> list[dict[str, Any]]:
    """The entries of the test ``related``: one for each relation field that points at ``form``."""
    out = []
    for other, via in catalog.pointing(form):
        fields = query.clear(other, actor)
        if not permissions.can(actor, "see", other.key) or via.key not in fields:
            continue
        several = len([1 for o, _f in catalog.pointing(form) if o.key == other.key]) > 1
        name = _("%(form)s（%(field)s）", form=other.label, field=via.label) if several else other.label
        name = via.inverse_label or name
        before, _gap, after = _("最近…内").partition("…")
        moment = next((k for k in ("paid_at", "ordered_at") if k in fields), "created_at")
        out.append({
            "id": f"related:{other.key}:{via.key}",
            "group": _("关联记录"),
            "label": name,
            "fixed": {"related": other.key, "via": via.key},
            "assume": not several,
            "start": {"related": other.key, "agg": "count", "op": "gte", "value": 1} | ({"via": via.key} if several else {}),
            "parts": [
                {"at": "within", "input": "span", "before": before.strip(), "after": after.strip(), "optional": True, "add": _("限时间")},
                {"at": "on", "input": "field", "form": other.key, "inputs": ["date", "datetime"], "before": _("按"),
                 "start": moment, "with": "within"},
                {"at": "agg", "input": "select", "options": [[a, conditions.agg_words(a)] for a in conditions.AGGREGATES]},
                {"at": "of", "input": "field", "form": other.key, "when": {"agg": ["sum", "avg", "min", "max", "distinct"]}},
                {"at": "op", "input": "compare", "form": other.key, "ops": number_operators()},
                {"at": "where", "input": "where", "form": other.key, "optional": True, "add": _("限定其中的记录"),
                 "before": _("只算满足以下条件的：")},
            ],
        })  # fmt: skip
    return out
