"""Ready-made forms to start from: each a definition in ``templates/*.json``."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts.actor import Actor
from ...core.errors import NotFound
from ...core.i18n import label as i18n_label
from . import drafts, keys
from .drafts import Draft

FOLDER = Path(__file__).parent / "templates"


class Template(Struct, frozen=True):
    """``about``: one sentence on what it is for."""

    name: str
    doc: dict[str, Any]
    spec_about: Any

    @property
    def label(self) -> str:
        return i18n_label(self.doc["label"])

    @property
    def about(self) -> str:
        return i18n_label(self.spec_about)

    @property
    def icon(self) -> str:
        return str(self.doc["icon"])

    @property
    def fields(self) -> list[str]:
        """The labels of its fields."""
        return [i18n_label(f["label"]) for f in self.doc["fields"]]


@cache
def _all() -> dict[str, Template]:
    found = {}
    for file in sorted(FOLDER.glob("*.json")):
        doc = json.loads(file.read_text(encoding="utf-8"))
        found[file.stem] = Template(file.stem, doc, doc.pop("about"))
    return found


def all() -> list[Template]:
    return list(_all().values())


def get(name: str) -> Template:
    """Raises NotFound."""
    template = _all().get(name)
    if template is None:
        raise NotFound(_("没有「%(name)s」这个模板。", name=name))
    return template


def start(name: str, actor: Actor) -> Draft:
    """A draft of a new form made from a template; its key is free. Raises NotFound, Forbidden."""
    template = get(name)
    doc = copy.deepcopy(template.doc)
    doc["key"] = keys.free(doc["key"])
    return drafts.start(_readdressed(doc, template.doc["key"]), actor)


def _readdressed(doc: dict[str, Any], old: str) -> dict[str, Any]:
    """Fields that point at the template's own form point at the new one."""
    for f in doc["fields"]:
        if f.get("form") == old:
            f["form"] = doc["key"]
    return doc
