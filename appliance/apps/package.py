"""An app package as a file: reading it, refusing what has no sense, and the order in which its parts are installed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..automation.rules import Rule
from ..automation.tables import DecisionTable
from ..core.errors import UserError
from ..customers.segments import sets
from ..forms import catalog
from ..forms.catalog import KEY
from ..forms.fields.base import is_label

SHIPPED = Path(__file__).parent / "packages"
"""The packages that come with Guke: ``<key>.json``."""

Doc = dict[str, Any]

SECTIONS: dict[str, frozenset[str]] = {
    section: frozenset(("key", "label", *keys.split()))
    for section, keys in {
        "forms": "icon title_field group search columns fields extends",
        "tag_groups": "exclusive color tags",
        "metrics": "form event via agg of where on window indexed",
        "segments": "form description where set static enabled",
        "message_templates": "form via purpose subject text fallbacks codes enabled",
        "reports": "form where dimensions measures chart sort limit rest compare time range shared analysis with",
        "dashboards": "tiles",
        "roles": "admin forms",
        "connections": "kind enabled params",
    }.items()
} | {"decision_tables": DecisionTable.keys, "rules": Rule.keys}
"""Section → the keys of its objects."""

LATER = {
    "flows": _l("流程"),
}
"""Sections that this release cannot install: refused, never silently left out."""

KNOWN = {"app", "version", "label", *SECTIONS, *LATER, "sample_data"}
VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


def order(version: str) -> tuple[int, ...]:
    """A version for comparing: 1.10 is newer than 1.9, and 1.0.0 the same as 1.0."""
    parts = [int(part) for part in version.split(".")]
    return tuple(parts + [0] * (4 - len(parts)))


class Item(Struct, frozen=True):
    """One thing to install. ``fields``: those that a new form is made with."""

    kind: str
    key: str
    document: Doc
    fields: list[Doc] = field(default_factory=list)

    @property
    def form(self) -> str | None:
        """The form it is about, when it is about one."""
        return self.key.partition(".")[0] if self.kind == "field" else self.document.get("form")


class Package(Struct, frozen=True):
    app: str
    version: str
    label: Any
    sections: Mapping[str, list[Doc]]
    sample: Mapping[str, list[Doc]]

    @classmethod
    def read(cls, doc: Any) -> Package:
        """Raises :class:`UserError` for what is no package."""
        if not isinstance(doc, dict):
            raise UserError(_("应用包要写成一个 JSON 对象。"))
        for key in doc:
            if key not in KNOWN:
                raise UserError(_("应用包里不认识「%(key)s」，请检查拼写。", key=key))
        for section, label in LATER.items():
            if doc.get(section):
                raise UserError(
                    _(
                        "这一版还不支持应用包里的 %(section)s（%(label)s），没有安装任何内容。",
                        section=section,
                        label=label,
                    )
                )
        if not isinstance(doc.get("app"), str) or not KEY.fullmatch(doc["app"]):
            raise UserError(_("应用包要有「app」，以小写字母开头，只含小写字母、数字和下划线。"))
        if not isinstance(doc.get("version"), str) or not VERSION.fullmatch(doc["version"]):
            raise UserError(_("应用包要有「version」，写成 1.0.0 这样。"))
        if not doc.get("label") or not is_label(doc["label"]):
            raise UserError(_('应用包要有「label」，写成文字，或 {"zh": …, "en": …}。'))
        sections = {section: _objects(section, doc.get(section) or []) for section in SECTIONS}
        return cls(doc["app"], doc["version"], doc["label"], sections, _sample(doc.get("sample_data") or {}))

    def items(self) -> list[Item]:
        """Everything, in an order in which each finds what it refers to."""
        forms, rest = _forms(self.sections["forms"])
        items = [*forms, *rest]
        for group in self.sections["tag_groups"]:
            items.append(Item("tag_group", group["key"], {k: v for k, v in group.items() if k != "tags"}))
            for tag in group.get("tags") or []:
                tag = {"name": tag} if isinstance(tag, str) else tag
                items.append(Item("tag", tag["name"], tag | {"group": group["key"]}))
        items += [Item("metric", doc["key"], doc) for doc in self.sections["metrics"]]
        items += [Item("segment", doc["key"], doc) for doc in _named_first(self.sections["segments"])]
        for section in (
            "connections",
            "decision_tables",
            "message_templates",
            "rules",
            "reports",
            "dashboards",
            "roles",
        ):
            items += [Item(section.removesuffix("s"), doc["key"], doc) for doc in self.sections[section]]
        return items


def read_file(path: Path) -> Package:
    """Raises :class:`UserError` for what cannot be read."""
    try:
        return Package.read(json.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UserError(_("读不了文件 %(path)s：%(why)s", path=str(path), why=error.strerror or error)) from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            _("%(path)s 不是有效的 JSON 文件（UTF-8），请检查括号、引号和逗号。", path=str(path))
        ) from error


def shipped() -> dict[str, Path]:
    """Key → file of the packages that come with Guke."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.json"))}


def find(name: str) -> Package:
    """A shipped package by its name, else a file. Raises :class:`UserError`."""
    if name in shipped():
        return read_file(shipped()[name])
    if Path(name).is_file():
        return read_file(Path(name))
    raise UserError(_("没有应用包或文件「%(name)s」。自带的应用包：%(all)s。", name=name, all=_("、").join(shipped())))


# -- shapes -------------------------------------------------------------------------------------------------------


def _objects(section: str, docs: Any) -> list[Doc]:
    if not isinstance(docs, list):
        raise UserError(_("应用包的 %(section)s 要写成一列。", section=section))
    seen = set()
    for number, doc in enumerate(docs, 1):
        where = f"{section} {number}"
        if not isinstance(doc, dict):
            raise UserError(_("%(where)s：要写成一个 JSON 对象。", where=where))
        if section == "forms" and isinstance(doc.get("extends"), str):
            doc.setdefault("key", doc["extends"])
        _check_object(section, doc, where)
        ident = (doc["key"], "extends" in doc)
        if ident in seen:
            raise UserError(_("%(where)s：键名「%(key)s」出现了两次。", where=where, key=doc["key"]))
        seen.add(ident)
    return docs


def _check_object(section: str, doc: Doc, where: str) -> None:
    for key in doc:
        if key not in SECTIONS[section]:
            raise UserError(_("%(where)s：不认识「%(key)s」，请检查拼写。", where=where, key=key))
    dashes = str(doc.get("key")).replace("-", "_") if section == "connections" else doc.get("key")
    if not isinstance(doc.get("key"), str) or not KEY.fullmatch(str(dashes)):
        raise UserError(_("%(where)s：要有「key」，以小写字母开头，只含小写字母、数字和下划线。", where=where))
    if section == "decision_tables":
        doc.setdefault("label", doc["key"])
    if "analysis" in doc or "with" in doc:
        raise UserError(_("%(where)s：这一版还不支持分析报表（analysis）。", where=where))
    if not is_label(doc.get("label")) or not (doc.get("label") or "extends" in doc):
        raise UserError(_('%(where)s：要有「label」，写成文字，或 {"zh": …, "en": …}。', where=where))
    for key in ("enabled", "shared", "exclusive", "admin", "stop"):
        if not isinstance(doc.get(key, False), bool):
            raise UserError(_("%(where)s：「%(key)s」只能是 true 或 false。", where=where, key=key))
    if section == "forms":
        _check_fields(doc, where)
    if section == "tag_groups":
        _check_tags(doc, where)


def _check_fields(doc: Doc, where: str) -> None:
    fields = doc.setdefault("fields", [])
    if not isinstance(fields, list):
        raise UserError(_("%(where)s：要有「fields」，写成一列字段。", where=where))
    for item in fields:
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            raise UserError(_("%(where)s：每个字段要写成一个有「key」的 JSON 对象。", where=where))
        if "system" in item:
            raise UserError(_("%(where)s：不认识「%(key)s」，请检查拼写。", where=where, key="system"))
    keys = [item["key"] for item in fields]
    if len(set(keys)) != len(keys):
        raise UserError(_("%(where)s：同一个键名的字段出现了两次。", where=where))
    if "extends" in doc and not (isinstance(doc["extends"], str) and KEY.fullmatch(doc["extends"])):
        raise UserError(_("%(where)s：「extends」要写成已有表单的键名。", where=where))


def _check_tags(doc: Doc, where: str) -> None:
    tags = doc.get("tags") or []
    if not isinstance(tags, list) or not all(
        isinstance(t, str) or (isinstance(t, dict) and isinstance(t.get("name"), str)) for t in tags
    ):
        raise UserError(_("%(where)s：「tags」要写成一列名称。", where=where))


def _sample(doc: Any) -> dict[str, list[Doc]]:
    sound = isinstance(doc, dict) and all(
        isinstance(rows, list) and all(isinstance(row, dict) for row in rows) for rows in doc.values()
    )
    if not sound:
        raise UserError(_('应用包的 sample_data 要写成 {"表单": [记录…]}。'))
    return doc


# -- order --------------------------------------------------------------------------------------------------------


def _forms(docs: list[Doc]) -> tuple[list[Item], list[Item]]:
    """The forms, those before that others point at; then all fields. Forms that point at each other are made without
    the fields concerned, which come with the second list."""
    waiting = [doc for doc in docs if "extends" not in doc]
    there = set(catalog.all_forms())
    items: list[Item] = []
    fields: list[Item] = []
    while waiting:
        doc = next((d for d in waiting if not any(_pending(f, d["key"], there) for f in d["fields"])), waiting[0])
        waiting.remove(doc)
        made_with = [f for f in doc["fields"] if not _pending(f, doc["key"], there)]
        items.append(Item("form", doc["key"], {k: v for k, v in doc.items() if k != "fields"}, made_with))
        there.add(doc["key"])
    for doc in docs:
        fields += [Item("field", f"{doc.get('extends', doc['key'])}.{f['key']}", f) for f in doc["fields"]]
    return items, fields


def _named_first(docs: list[Doc]) -> list[Doc]:
    """Segments, those before that others name."""
    keys = {doc["key"] for doc in docs}
    out: list[Doc] = []
    waiting = list(docs)
    while waiting:
        there = {doc["key"] for doc in out}
        doc = next((d for d in waiting if _segments_named(d) & keys - {d["key"]} <= there), waiting[0])
        waiting.remove(doc)
        out.append(doc)
    return out


def _segments_named(doc: Doc) -> set[str]:
    found = set(sets.named(doc.get("where")))
    if isinstance(doc.get("set"), dict):
        try:
            found |= set(sets.named(sets.condition(doc["set"])))
        except UserError:
            return found
    return found


def _pending(field_doc: Doc, own: str, there: set[str]) -> bool:
    points = field_doc.get("type") in ("relation", "relations", "sub_form") and not field_doc.get("fields")
    target = field_doc.get("form") if points else None
    return isinstance(target, str) and target != own and target not in there
