"""What publishing a draft would do, in words and figures, and what stands in its way."""

from __future__ import annotations

from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import ngettext
from msgspec import Struct, field

from ...core.db import db, read
from ...core.errors import UserError
from ...core.i18n import label as i18n_label
from .. import catalog, options
from ..catalog import Form
from ..fields import TYPES
from ..fields.base import Field, FieldError, Spec, is_label
from . import conversion, uses
from .conversion import Conversion
from .drafts import Draft

Doc = dict[str, Any]
ASK_FOR_WORD = 1_000
"""From so many records on that lose a value, the person types the form's name."""


class PlannedChange(Struct):
    """One thing that publishing does. ``path``: what it is about (``fields.amount``, ``layout``), ``kind``: form, add,
    restore, delete, retype, rename, required, optional, unique, not_unique, choices, settings, order, title, layout, together,
    look, lists. ``loses``: how many records lose a value from sight."""

    kind: str
    path: str
    words: str
    loses: int = 0
    converts: Conversion | None = None
    needs_word: bool = False


class Plan(Struct):
    """``problems``: place → sentence; with any the draft cannot be published."""

    changes: list[PlannedChange] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def losing(self) -> list[PlannedChange]:
        """The changes that a person has to accept."""
        return [change for change in self.changes if change.loses]

    @property
    def needs_word(self) -> bool:
        return any(change.needs_word for change in self.changes)


def plan(draft: Draft) -> Plan:
    """Reads the records where a figure is needed; bounded to a few seconds."""
    with read():
        form, doc = draft.form, draft.doc
        found = Plan(problems=problems(doc, form))
        if form is None:
            words = _("新建表单「%(form)s」", form=_label(doc))
            found.changes.append(PlannedChange("form", "", words))
            return found
        found.changes = differences(form.document(), doc)
        for change in found.changes:
            _measure(change, form, doc, found.problems)
        return found


# -- what is different --------------------------------------------------------------------------------------------


def differences(old: Doc, new: Doc) -> list[PlannedChange]:
    """What changes from one definition to another, without looking at any record."""
    before, after = _fields(old), _fields(new)
    found = []
    for key, doc in after.items():
        if key not in before:
            found.append(PlannedChange("add", f"fields.{key}", _("新增字段「%(field)s」", field=_label(doc))))
        else:
            found += _field_differences(before[key], doc)
    for key, doc in before.items():
        if key not in after:
            found.append(PlannedChange("delete", f"fields.{key}", _("删除字段「%(field)s」", field=_label(doc))))
    kept = [key for key in before if key in after]
    if kept != [key for key in after if key in before]:
        found.append(PlannedChange("order", "fields", _("调整字段顺序")))
    return found + _form_differences(old, new)


def _fields(doc: Doc) -> dict[str, Doc]:
    return {f["key"]: f for f in doc.get("fields", []) if isinstance(f, dict) and isinstance(f.get("key"), str)}


def _label(doc: Doc) -> str:
    text = doc.get("label")
    return i18n_label(text) if text and is_label(text) else str(doc.get("key") or "")


def _field_differences(old: Doc, new: Doc) -> list[PlannedChange]:
    path, name = f"fields.{new['key']}", _label(old)
    found = []

    def add(kind: str, words: str) -> None:
        found.append(PlannedChange(kind, path, words))

    if new.get("type") != old.get("type"):
        types = [TYPES[t].name if (t := doc.get("type")) in TYPES else t for doc in (old, new)]
        add("retype", _("字段「%(field)s」由%(old)s改为%(new)s", field=name, old=types[0], new=types[1]))
    if _label(old) != _label(new):
        add("rename", _("字段「%(old)s」改名为「%(new)s」", old=name, new=_label(new)))
    if bool(old.get("required")) != bool(new.get("required")):
        if new.get("required"):
            add("required", _("字段「%(field)s」改为必填", field=name))
        else:
            add("optional", _("字段「%(field)s」不再必填", field=name))
    if bool(old.get("unique")) != bool(new.get("unique")):
        if new.get("unique"):
            add("unique", _("字段「%(field)s」改为唯一", field=name))
        else:
            add("not_unique", _("字段「%(field)s」不再唯一", field=name))
    if new.get("type") == old.get("type") and _values(old) != _values(new):
        add("choices", _("调整「%(field)s」的选项", field=name))
    told = {"label", "type", "required", "unique", "choices"}
    if any((old.get(key) or None) != (new.get(key) or None) for key in (old.keys() | new.keys()) - told):
        add("settings", _("调整字段「%(field)s」的设置", field=name))
    elif old.get("choices") != new.get("choices") and _values(old) == _values(new):
        add("settings", _("调整「%(field)s」选项的名称或颜色", field=name))
    return found


def _values(doc: Doc) -> list[Any]:
    listed = doc.get("choices")
    return [c.get("value") if isinstance(c, dict) else c for c in listed] if isinstance(listed, list) else []


_FORM_PARTS = {
    "look": ("label", "icon", "color", "color_field", "group"),
    "title": ("title_field",),
    "layout": ("layout",),
    "together": ("unique",),
    "lists": ("search", "columns", "views"),
}


def _form_differences(old: Doc, new: Doc) -> list[PlannedChange]:
    words = {
        "look": _("调整表单的名称、图标或颜色"),
        "title": _("更换标题字段"),
        "layout": _("调整布局"),
        "together": _("调整联合唯一"),
        "lists": _("调整搜索、列表或视图"),
    }
    return [
        PlannedChange(kind, keys[0], words[kind])
        for kind, keys in _FORM_PARTS.items()
        if any((old.get(key) or None) != (new.get(key) or None) for key in keys)
    ]


# -- figures from the records -------------------------------------------------------------------------------------


def _measure(change: PlannedChange, form: Form, doc: Doc, problems_: dict[str, str]) -> None:
    measure = _MEASURES.get(change.kind)
    if measure and change.path not in problems_:
        key = change.path.partition(".")[2]
        measure(change, form, key, _fields(doc).get(key, {}), problems_)


def _records(count: int) -> str:
    return ngettext("%(shown)s 条记录", "%(shown)s 条记录", count, shown=f"{count:,}")


def _add(change: PlannedChange, form: Form, key: str, doc: Doc, _problems: dict[str, str]) -> None:
    if catalog.deleted_field(form, key):
        change.kind, change.words = "restore", _("从回收站恢复字段「%(field)s」和它的值", field=_label(doc))


def _delete(change: PlannedChange, form: Form, key: str, _doc: Doc, problems_: dict[str, str]) -> None:
    change.loses = catalog.filled(form, key)
    if change.loses:
        change.words += _("：%(records)s里的值一起进回收站，可以恢复", records=_records(change.loses))
    for use in uses.of_field(form, key):
        if use.blocks:
            problems_[change.path] = _(
                "%(use)s还在用字段「%(field)s」，请先改它。", use=use.words, field=form.fields[key].label
            )
            return
    if told := uses.words(uses.of_field(form, key)):
        change.words += _("；用到它的：%(uses)s", uses=told)


def _retype(change: PlannedChange, form: Form, key: str, doc: Doc, problems_: dict[str, str]) -> None:
    old = form.fields[key]
    new = catalog.build_field(_spec(doc, old), form.key)
    if why := conversion.impossible(old, new):
        problems_[f"{change.path}.type"] = why
        return
    change.converts = found = conversion.examine(form, old, new)
    change.loses = found.lost
    change.needs_word = found.lost >= ASK_FOR_WORD
    change.words += _("：%(ok)s可以转换", ok=_records(found.ok))
    if found.lost:
        change.words += _("，%(lost)s转换不了，会变为空（原值留在历史里）", lost=_records(found.lost))
    if found.estimated:
        change.words += _("（记录太多，按抽样估算）")


def _spec(doc: Doc, old: Field) -> Spec:
    spec = Spec.read({k: v for k, v in doc.items() if v is not None})
    spec.id = old.spec.id
    return spec


def _required(change: PlannedChange, form: Form, key: str, _doc: Doc, _problems: dict[str, str]) -> None:
    empty = catalog.count(form, deleted=None) - catalog.filled(form, key)
    if empty:
        change.words += _("：现有 %(records)s没有填，从下次修改起要求填写", records=_records(empty))


def _unique(change: PlannedChange, form: Form, key: str, doc: Doc, problems_: dict[str, str]) -> None:
    if form.fields[key].column and doc.get("type") == form.fields[key].type:
        _refuse(form, (key,), f"{change.path}.unique", problems_)


def _refuse(form: Form, keys: tuple[str, ...], path: str, problems_: dict[str, str]) -> None:
    try:
        catalog.refuse_duplicates(form, keys)
    except UserError as error:
        problems_[path] = error.message


def _choices(change: PlannedChange, form: Form, key: str, doc: Doc, _problems: dict[str, str]) -> None:
    f = form.fields[key]
    gone = [value for value in _values(f.spec.document()) if value not in _values(doc)]
    if not gone or not f.column:
        return
    held = form.table.select(peewee.fn.COUNT(form.col("id"))).where(form.col(key).in_(gone)).scalar(db)
    if held:
        change.words += _("：%(records)s还是被去掉的选项，它们的值保留", records=_records(int(held)))


def _settings(change: PlannedChange, form: Form, key: str, doc: Doc, problems_: dict[str, str]) -> None:
    old = form.fields[key]
    if doc.get("type") != old.type:
        return
    new = catalog.build_field(_spec(doc, old), form.key)
    if conversion.needed(old, new):
        change.kind = "retype"
        _retype(change, form, key, doc, problems_)
    elif old.column and not old.readonly and conversion.rules(new) != conversion.rules(old):
        found = conversion.examine(form, old, new)
        if found.lost:
            change.words += _("：现有 %(records)s不合新的规则，从下次修改起要求符合", records=_records(found.lost))


_MEASURES = {
    "add": _add,
    "delete": _delete,
    "retype": _retype,
    "required": _required,
    "unique": _unique,
    "choices": _choices,
    "settings": _settings,
}


# -- what stands in the way ---------------------------------------------------------------------------------------


def problems(doc: Doc, form: Form | None) -> dict[str, str]:
    """What is wrong with a definition, by place; ``form``: what it would change, ``None`` for a new one."""
    found: dict[str, str] = {}
    if not is_label(doc.get("label")) or not i18n_label(doc.get("label") or "").strip():
        found["label"] = _("请给表单起个名字。")
    if form is None:
        _check(found, "key", lambda: catalog.check_new_key(doc.get("key")))
    built = _build_all(doc, form, found)
    _check_formulas(doc, built, found)
    title = doc.get("title_field")
    if title and title not in built and f"fields.{title}" not in found:
        found["title_field"] = _("标题字段「%(key)s」不在字段里。", key=title)
    if not is_label(doc.get("group")):
        found["group"] = _('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="group")
    broken = {path.split(".")[1] for path in found if path.startswith("fields.")}
    for path, sentence in options.problems(doc, built, catalog.SYSTEM_FIELDS).items():
        # A field that is wrong itself has its own sentence.
        if not any(key in sentence for key in broken):
            found[path] = sentence
    if form is not None:
        _check_against(form, built, doc, found)
    return found


def _build_all(doc: Doc, form: Form | None, found: dict[str, str]) -> dict[str, Field]:
    built: dict[str, Field] = {}
    for n, field_doc in enumerate(doc.get("fields", [])):
        if not isinstance(field_doc, dict) or not isinstance(field_doc.get("key"), str):
            found[f"fields.{n}"] = _("字段要有「%(name)s」，写成文字。", name="key")
            continue
        key = field_doc["key"]
        path = f"fields.{key or n}"
        if key in built or path in found:
            found[path] = _("同一个键名的字段出现了两次。")
            continue
        if not is_label(field_doc.get("label")) or not i18n_label(field_doc.get("label") or "").strip():
            found[path] = _("请给字段起个名字。")
            continue
        if f := _check(found, path, lambda doc=field_doc: _build(doc, form)):
            built[key] = f
    return built


def _build(doc: Doc, form: Form | None) -> Field:
    known = form.fields.get(doc["key"]) if form else None
    if (
        form
        and known is None
        and (binned := catalog.deleted_field(form, doc["key"]))
        and binned.type != doc.get("type")
    ):
        raise UserError(_("回收站里有字段「%(key)s」，请恢复它、彻底删除它，或换一个键名。", key=doc["key"]))
    spec = Spec.read({k: v for k, v in doc.items() if v is not None})
    if not (known and known.spec.system):
        spec.system = False
    spec.id = known.spec.id if known else None
    return catalog.build_field(spec, form.key if form else None)


def _check_formulas(doc: Doc, built: dict[str, Field], found: dict[str, str]) -> None:
    """What computed fields and defaults cannot be computed from, each at its field."""
    from ..formula import checking

    formulas = {key: text for key, f in built.items() if isinstance(text := f.options.get("default_formula"), str)}
    if not formulas and not any(f.computed for f in built.values()):
        return
    forms = catalog.all_forms()
    sound = doc | {"key": doc.get("key") or "_", "fields": [f for f in doc["fields"] if f.get("key") in built]}
    for key, f in checking.trial(sound, forms).fields.items():
        if f.computed and f.problem and not getattr(f, "waits", False):
            found[f"fields.{key}"] = f.problem
    for key, text in formulas.items():
        if told := checking.check(sound, text, forms, key=key, default=True).problems:
            found[f"fields.{key}.default_formula"] = told[0][0]


def _check(found: dict[str, str], path: str, ask: Any) -> Any:
    """What ``ask`` returns; when it raises, its sentence stands at ``path``."""
    try:
        return ask()
    except UserError as error:
        found[path] = error.message
    except FieldError as error:
        found[path] = str(error)
    return None


def _check_against(form: Form, built: dict[str, Field], doc: Doc, found: dict[str, str]) -> None:
    keys = _fields(doc)
    for key, old in form.fields.items():
        path = f"fields.{key}"
        if key not in keys:
            if old.spec.system:
                found[path] = _("「%(field)s」是固客自带的字段，不能删除。", field=old.label)
        elif key in built and conversion.needed(old, built[key]):
            why = conversion.impossible(old, built[key])
            if why is None and key in form.converting and conversion.running(form, key):
                why = _("「%(field)s」正在转换，请等它完成或取消它。", field=old.label)
            if why:
                found[f"{path}.type"] = why
    before = {frozenset(keys) for keys in form.unique_sets}
    for n, keys_ in enumerate(doc.get("unique") or []):
        place = f"unique.{n}"
        ready = isinstance(keys_, list) and place not in found and all(key in form.columns for key in keys_)
        if ready and frozenset(keys_) not in before:
            _refuse(form, tuple(keys_), place, found)
