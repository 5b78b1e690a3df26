"""Where a form's fields stand on its page: tabs, their sections, and in those the fields."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..core.i18n import label as i18n_label
from .fields.base import Field, is_label

REST = {"zh": "其他", "en": "Other"}
"""The section of the fields that a layout does not name."""


class Section(Struct):
    """``columns``: 1 to 3 side by side. ``fields``: keys, in order."""

    spec_label: Any = None
    columns: int = 2
    collapsed: bool = False
    fields: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label) if self.spec_label else ""

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"label": self.spec_label} if self.spec_label else {}
        doc["columns"] = self.columns
        if self.collapsed:
            doc["collapsed"] = True
        return doc | {"fields": self.fields}


class Tab(Struct):
    spec_label: Any = None
    sections: list[Section] = field(default_factory=list)

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label) if self.spec_label else ""

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"label": self.spec_label} if self.spec_label else {}
        return doc | {"sections": [section.document() for section in self.sections]}


class Layout(Struct):
    """Every field of the form stands in it once, or is ``hidden`` from the page."""

    tabs: list[Tab]
    hidden: list[str] = field(default_factory=list)

    @property
    def sections(self) -> list[Section]:
        return [section for tab in self.tabs for section in tab.sections]

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"tabs": [tab.document() for tab in self.tabs]}
        return doc | ({"hidden": self.hidden} if self.hidden else {})


def read(doc: dict[str, Any] | None, fields: Mapping[str, Field], known: Collection[str]) -> Layout:
    """The layout of a checked document: fields that are gone are left out, those it does not name come last.

    ``known``: keys that may stand in it besides ``fields`` (those every record has).
    """
    if not doc:
        return _by_section(fields)
    hidden = [key for key in doc.get("hidden", []) if key in fields]
    placed = set(hidden)
    tabs = []
    for tab_doc in doc.get("tabs", []):
        tab = Tab(tab_doc.get("label"))
        for section_doc in tab_doc.get("sections", []):
            section = Section(
                section_doc.get("label"), section_doc.get("columns", 2), bool(section_doc.get("collapsed"))
            )
            for key in section_doc.get("fields", []):
                if key not in placed and (key in fields or key in known):
                    section.fields.append(key)
                    placed.add(key)
            tab.sections.append(section)
        tabs.append(tab)
    rest = [key for key in fields if key not in placed]
    if not tabs:
        tabs.append(Tab())
    if rest and (last := next((s for s in tabs[-1].sections if s.spec_label == REST), None)):
        last.fields += rest
    elif rest:
        tabs[-1].sections.append(Section(REST if placed else None, fields=rest))
    return Layout(tabs, hidden)


def _by_section(fields: Mapping[str, Field]) -> Layout:
    """One tab, with a section for each that the fields themselves name."""
    sections: dict[str, Section] = {}
    for key, f in fields.items():
        name = f.options.get("section")
        section = sections.setdefault(json.dumps(name, sort_keys=True), Section(name))
        section.fields.append(key)
    return Layout([Tab(None, list(sections.values()))])


def problems(doc: Any, known: Collection[str]) -> dict[str, str]:
    """What is wrong with a layout's document: place → sentence. ``known``: the keys that may stand in it."""
    found: dict[str, str] = {}
    if not isinstance(doc, dict) or not isinstance(doc.get("tabs", []), list):
        return {"layout": _('布局要写成 {"tabs": [{"sections": [{"fields": […]}]}]}。')}
    _unknown(doc, ("tabs", "hidden"), "layout", found)
    seen: dict[str, str] = {}
    _keys(doc.get("hidden", []), "layout.hidden", known, seen, found)
    for n, tab in enumerate(doc.get("tabs", [])):
        place = f"layout.tabs.{n}"
        if not isinstance(tab, dict) or not isinstance(tab.get("sections", []), list):
            found[place] = _("第 %(n)s 个标签页要有一列分区（sections）。", n=n + 1)
            continue
        _unknown(tab, ("label", "sections"), place, found)
        _label(tab, place, found)
        for m, section in enumerate(tab.get("sections", [])):
            _section(section, f"{place}.sections.{m}", known, seen, found)
    return found


def _section(section: Any, place: str, known: Collection[str], seen: dict[str, str], found: dict[str, str]) -> None:
    if not isinstance(section, dict):
        found[place] = _("布局的分区要是一个 JSON 对象。")
        return
    _unknown(section, ("label", "columns", "collapsed", "fields"), place, found)
    _label(section, place, found)
    columns = section.get("columns", 2)
    if type(columns) is not int or not 1 <= columns <= 3:
        found[f"{place}.columns"] = _("分区的列数只能是 1、2 或 3。")
    if not isinstance(section.get("collapsed", False), bool):
        found[f"{place}.collapsed"] = _("「%(name)s」只能是 true 或 false。", name="collapsed")
    _keys(section.get("fields", []), f"{place}.fields", known, seen, found)


def _keys(keys: Any, place: str, known: Collection[str], seen: dict[str, str], found: dict[str, str]) -> None:
    if not isinstance(keys, list):
        found[place] = _("布局里的字段要写成一列键名。")
        return
    for key in keys:
        if not isinstance(key, str) or key not in known:
            found[place] = _("布局里的「%(key)s」不是这个表单的字段。", key=key)
        elif key in seen:
            found[place] = _("字段「%(key)s」在布局里出现了两次。", key=key)
        else:
            seen[key] = place


def _label(doc: dict[str, Any], place: str, found: dict[str, str]) -> None:
    if not is_label(doc.get("label")):
        found[f"{place}.label"] = _('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label")


def _unknown(doc: dict[str, Any], allowed: tuple[str, ...], place: str, found: dict[str, str]) -> None:
    for key in doc:
        if key not in allowed:
            found[f"{place}.{key}"] = _("不认识「%(key)s」，可用：%(known)s。", key=key, known=", ".join(allowed))
