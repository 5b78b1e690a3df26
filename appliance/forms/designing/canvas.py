"""What the designer's screen needs of a definition that is not published: built fields, inputs, types, conditions."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product
from typing import Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ...accounts import people, permissions, users
from ...accounts.actor import Actor
from ...core import i18n
from ...core.errors import UserError
from .. import builder, catalog, layout
from .. import fields as types
from ..catalog import SYSTEM_FIELDS, Form
from ..fields.base import Field, FieldError, Spec
from ..fields.sub_form import SubForm
from ..formula import functions as formulas
from ..record_pages import Input, width_of
from .conversion import Conversion
from .drafts import Draft

EXAMPLES = 5

GROUPS = {
    "basic": _l("基础"),
    "number": _l("数字"),
    "time": _l("时间"),
    "choice": _l("选择"),
    "people": _l("人员"),
    "contact": _l("联系与地址"),
    "relation": _l("关联"),
    "file": _l("文件"),
    "computed": _l("计算"),
}
"""The palette's groups, in order."""

TYPED = ("sub_form", "attachments", "images", "signature", "auto_number")
"""Types whose value nobody can give in advance, besides the computed ones."""

ICONS = tuple(
    [
        "table",
        "users",
        "user",
        "user-plus",
        "address-book",
        "building-store",
        "shopping-cart",
        "package",
        "box",
        "truck",
        "credit-card",
        "coin-yuan",
        "receipt",
        "file-text",
        "files",
        "notes",
        "clipboard-list",
        "checklist",
        "list-check",
        "calendar",
        "clock",
        "phone",
        "mail",
        "message",
        "message-circle",
        "headset",
        "tool",
        "ticket",
        "tag",
        "tags",
        "star",
        "heart",
        "gift",
        "trophy",
        "crown",
        "target",
        "bolt",
        "bulb",
        "book",
        "school",
        "home",
        "map-pin",
        "world",
        "device-mobile",
        "camera",
        "photo",
        "video",
        "microphone",
        "chart-bar",
        "chart-pie",
        "flag",
        "bell",
        "shield",
        "lock",
        "key",
        "bug",
        "briefcase",
        "building",
        "certificate",
        "cake",
        "shirt",
        "paw",
        "leaf",
        "flame",
    ]
)
"""What a form's icon is chosen from."""


class Asked(Input):
    """An input on the canvas: its name differs from the one on real pages, so that ids stay unique."""

    prefix: str = "canvas-"

    @property
    def name(self) -> str:
        return self.prefix + self.field.key


@lru_cache(maxsize=512)
def sounds(text: str) -> str:
    """Pinyin and initials for searching, with the second reading of characters that have one; nothing for Latin text."""
    if text.isascii():
        return ""
    from pypinyin import Style, pinyin

    readings = pinyin(text, style=Style.NORMAL, heteronym=True)
    ways = list(islice(product(*(r[:2] for r in readings)), 16))
    return " ".join(dict.fromkeys(["".join(way) for way in ways] + ["".join(p[:1] for p in way) for way in ways]))


# -- types ----------------------------------------------------------------------------------------------------------


def palette(form_key: str | None) -> list[dict[str, Any]]:
    """The groups of the palette: ``[{"key", "label", "types": [type key, …]}]``."""
    found: dict[str, list[str]] = {key: [] for key in GROUPS}
    for key, cls in types.TYPES.items():
        if cls.addable and (cls.only_forms is None or form_key in cls.only_forms):
            found.setdefault(cls.group, []).append(key)
    return [{"key": key, "label": str(GROUPS.get(key, key)), "types": keys} for key, keys in found.items() if keys]


def type_docs() -> dict[str, dict[str, Any]]:
    """Of every field type: name, icon, abilities and the options the designer asks for."""
    return {key: _type_doc(cls) for key, cls in types.TYPES.items()}


def _type_doc(cls: type[Field]) -> dict[str, Any]:
    name = str(cls.name)
    return {
        "name": name,
        "icon": cls.icon,
        "group": cls.group,
        "words": f"{name} {cls.type} {sounds(name)}".casefold(),
        "unique": cls.can_be_unique,
        "indexed": cls.can_be_indexed,
        "rules": list(cls.rules),
        "value": not cls.computed and cls.type not in TYPED,
        "computed": cls.computed,
        "typed": cls.value_input in ("text", "number"),
        "written": cls.written and not cls.computed,
        "settings": [
            {
                "key": s.key,
                "kind": s.kind,
                "label": str(s.label),
                "help": str(s.help) if s.help else "",
                "choices": [[value, str(text)] for value, text in s.choices],
                "start": s.start,
            }
            for s in cls.settings()
        ],
    }


def system_docs() -> list[dict[str, str]]:
    """The fields that Guke keeps for every record: a layout may name them."""
    return [{"key": key, "label": f.label, "icon": f.icon} for key, f in SYSTEM_FIELDS.items()]


def form_docs(actor: Actor, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that fields can point at, with the fields that a lookup or a rollup can take."""
    return [
        {
            "key": form.key,
            "label": form.label,
            "fields": [
                {"key": f.key, "label": f.label, "type": f.type, "form": f.options.get("form")}
                for f in form.fields.values()
            ],
        }
        for form in catalog.all_forms().values()
        if form.key != own.get("key") and permissions.can(actor, "see", form.key)
    ]


# -- definitions ----------------------------------------------------------------------------------------------------


def read(doc: dict[str, Any]) -> Field:
    """The field of a document. Raises :class:`UserError` with the sentence."""
    try:
        f = types.build(Spec.read(doc))
        f.default()
    except UserError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(str(error) or _("这个字段的设置不完整。")) from error
    return f


def build(doc: dict[str, Any]) -> tuple[Form, dict[str, str]]:
    """A form of the document that is in no database, of the fields that make sense; the sentences about the others."""
    real = catalog.all_forms().get(str(doc.get("key") or ""))
    known = ("key", "label", "icon", "title_field", "group", "fields")
    form = Form(
        real.id if real else 0, str(doc.get("key") or "draft"), doc.get("label") or "", doc.get("icon") or "table",
        doc.get("title_field"), doc.get("group"), {k: v for k, v in doc.items() if k not in known}, False, 0,
    )  # fmt: skip
    errors: dict[str, str] = {}
    for one in doc.get("fields") or []:
        try:
            form.fields[one["key"]] = read(one)
        except UserError as error:
            errors[str(one.get("key"))] = error.message
    for f in form.fields.values():
        f.bind(form, {**catalog.all_forms(), form.key: form})
        _bind_rows(f, form)
    return form, errors


def _bind_rows(f: Field, form: Form) -> None:
    """Line items whose form is made, or changed, only when the draft is published show the columns of the draft."""
    if isinstance(f, SubForm) and f.options.get("fields"):
        f.child, _errors = build({"key": f"{form.key}_{f.key}", "label": f.spec.label, "fields": f.options["fields"]})
        f.parent = form


def laid_out(doc: dict[str, Any]) -> dict[str, Any]:
    """The document with a layout that names every field once, as pages show it."""
    fields = [f for f in doc.get("fields") or [] if isinstance(f, dict) and isinstance(f.get("key"), str)]
    known = {*(f["key"] for f in fields), *SYSTEM_FIELDS}
    given = doc.get("layout") or {}
    tabs = [_tab(tab, known) for tab in given.get("tabs") or []]
    hidden = [key for key in given.get("hidden") or [] if key in known]
    placed = {*hidden, *(key for tab in tabs for section in tab["sections"] for key in section["fields"])}
    rest = [f for f in fields if f["key"] not in placed]
    tabs = tabs or [{"label": "", "sections": []}]
    sections = tabs[-1]["sections"]
    if placed and rest:
        sections.append(_section(dict(layout.REST), [f["key"] for f in rest]))
    elif rest or not sections:
        sections += _by_option(rest) or [_section("", [])]
    return doc | {"fields": fields, "layout": {"tabs": tabs} | ({"hidden": hidden} if hidden else {})}


def _tab(tab: dict[str, Any], known: set[str]) -> dict[str, Any]:
    sections = [
        {"columns": 2, **section, "fields": [k for k in section.get("fields") or [] if k in known]}
        for section in tab.get("sections") or []
    ]
    return {"label": tab.get("label", ""), "sections": sections or [_section("", [])]}


def _section(text: Any, keys: list[str]) -> dict[str, Any]:
    return {"label": text, "columns": 2, "collapsed": False, "fields": keys}


def _by_option(docs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, tuple[Any, list[str]]] = {}
    kept = [doc["key"] for doc in docs if doc.get("readonly") and not _computed(doc)]
    for doc in docs:
        if doc["key"] in kept:
            continue
        text = doc.get("section") or ""
        found.setdefault(i18n.label(text), (text, []))[1].append(doc["key"])
    sections = [_section(text, keys) for text, keys in found.values()]
    return sections + ([_section(_("固客统计"), kept)] if kept else [])


def _computed(doc: dict[str, Any]) -> bool:
    cls = types.TYPES.get(str(doc.get("type")))
    return cls is not None and cls.group == "computed"


# -- inputs ---------------------------------------------------------------------------------------------------------


def inputs(docs: list[dict[str, Any]], whole: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By key ``{"html": …}`` or ``{"error": sentence}``: each field's own input as its pages will show it."""
    form, errors = build(whole | {"fields": _merged(docs, whole)})
    out: dict[str, dict[str, str]] = {}
    for doc in docs:
        key = str(doc.get("key"))
        f = form.fields.get(key)
        try:
            out[key] = {"html": input_html(f, form), "width": width_of(f)} if f else {"error": errors.get(key, "")}
        except FieldError as error:
            # What the field needs elsewhere (the form of its rows, say) is not there yet.
            out[key] = {"error": str(error)}
    return out


def _merged(docs: list[dict[str, Any]], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of the saved draft with the newer ``docs`` in their places: formulas may name any of them."""
    newer = {str(doc.get("key")): doc for doc in docs}
    known = whole.get("fields") or []
    rest = [doc for key, doc in newer.items() if key not in {f.get("key") for f in known}]
    return [newer.get(f.get("key"), f) for f in known] + rest


def input_html(f: Field, form: Form, prefix: str = "canvas-", value: Any = None, error: str = "") -> str:
    """The input of one field, holding its default or ``value`` (what the input holds)."""
    stored = f.default()
    shown = f.form_value(stored) if value is None else value
    one = Asked(f, shown, error, stored=stored, prefix=prefix)
    return render_template("forms/designer/_input.html", one=one, form=form, record=None, people=people.active())


# -- conditions -----------------------------------------------------------------------------------------------------


def condition_meta(form: Form, actor: Actor) -> dict[str, Any]:
    """The builder's facts about the draft's own fields: what else a record has cannot be known while it is typed."""
    meta = builder.meta(form, actor)
    own = meta["forms"][form.key]
    own["tests"] = []
    for one in own["fields"]:
        one.pop("through", None)
    return meta | {"forms": {form.key: own}}


def people_list() -> list[tuple[int, str]]:
    """Whom a person's input offers."""
    return people.active()


def scripts() -> list[str]:
    """The scripts of every type's input: any of them may come onto the canvas."""
    return list(dict.fromkeys(name for cls in types.TYPES.values() for name in cls.scripts))


def choice_values(items: Any) -> list[str]:
    """Every value of a list or tree of choices: records may hold them."""
    found: list[str] = []
    for item in items if isinstance(items, list) else []:
        doc = item if isinstance(item, dict) else {"value": item}
        found += [str(doc.get("value")), *choice_values(doc.get("children"))]
    return found


def groups() -> list[str]:
    """The groups that forms are in already."""
    return list(dict.fromkeys(text for f in catalog.all() if (text := i18n.label(f.group))))


def seen_by(draft: Draft) -> str:
    """Whom a change of the form reaches, in words."""
    if draft.form is None:
        return _("发布之后，能看见全部表单的人会在左边的导航里看到它。")
    actors = (users.actor_of(user_id) for user_id, _name in people.active())
    count = len([one for one in actors if one and permissions.can(one, "see", draft.form.key)])
    return ngettext(
        "发布之后，所有看得到这个表单的人（共 %(num)s 位同事）立刻用新的样子；已经打开的页面刷新后才变。",
        "发布之后，所有看得到这个表单的人（共 %(num)s 位同事）立刻用新的样子；已经打开的页面刷新后才变。",
        count,
    )


def conversion_examples(found: Conversion | None) -> list[str]:
    """A few values that would not survive, with the reason; else a few as they would read."""
    if found is None:
        return []
    shown = found.failures or found.samples
    return [f"{old} → {new}" for old, new in shown[:EXAMPLES]]


# -- formulas -------------------------------------------------------------------------------------------------------


def functions() -> list[dict[str, str]]:
    """What a formula can call."""
    return [
        {"name": f.name, "label": f"{f.name}  {f.help}", "example": f.example} for f in formulas.FUNCTIONS.values()
    ]  # fmt: skip
