"""A choice from a tree: category, subcategory, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core.i18n import label as i18n_label
from .base import Field, FieldError, Setting, raw_text

SEPARATORS = re.compile(r"\s*[/／>＞\\|｜→]\s*")
DEPTH = 6
NODES = 5_000


class Cascade(Field):
    """``tree``: ``[{"value": "phone", "label": …, "children": […]}, …]`` or plain strings, at most six levels.

    Stored as the values from the top, joined by ``/``: ``digital/phone``. Without ``any_level`` only the last level can
    be chosen. The operator ``under`` takes in everything below a choice.
    """

    type = "cascade"
    name = _l("级联选择")
    icon = "sitemap"
    group = "choice"
    operators = ("eq", "ne", "under", "not_under", "in", "not_in", "empty", "not_empty")
    value_input = "choice"
    input_template = "forms/fields/cascade.html"
    scripts = ("cascade.js",)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("tree", "tree", _l("选项")),
            Setting("any_level", "yes_no", _l("可以只选到上级"), start=False),
        )

    def check_options(self) -> None:
        self.any_level = bool(self.options.get("any_level"))
        self.labels: dict[str, Any] = {}
        """The label of each node, by its path, from the top."""
        self.leaves: set[str] = set()
        self._known: dict[tuple[str, str], str] = {}
        tree = self.options.get("tree")
        if not isinstance(tree, list) or not tree:
            raise FieldError(_("「%(field)s」至少要有一个选项。", field=self.label))
        self._grow(tree, "", 1)

    def _grow(self, nodes: Any, above: str, level: int) -> None:
        if level > DEPTH:
            raise FieldError(_("级联选项最多 %(max)d 级。", max=DEPTH))
        if not isinstance(nodes, list):
            raise FieldError(_("「%(field)s」的下级选项要写成一列。", field=self.label))
        for item in nodes:
            doc = {"value": item} if isinstance(item, str) else item
            value = doc.get("value") if isinstance(doc, dict) else None
            if not isinstance(value, str) or not value.strip() or SEPARATORS.search(value):
                raise FieldError(_("「%(field)s」的选项要写成文字，里面不能有 / > | 这些分隔符号。", field=self.label))
            path = f"{above}/{value}" if above else value
            if path in self.labels:
                raise FieldError(_("选项「%(value)s」出现了两次。", value=path))
            text = self.labels[path] = doc.get("label", value)
            if len(self.labels) > NODES:
                raise FieldError(_("级联选项最多 %(max)d 个。", max=NODES))
            for known in (value, *(text.values() if isinstance(text, dict) else [text]), *doc.get("aliases", [])):
                self._known.setdefault((above, str(known).casefold()), path)
            children = doc.get("children")
            if children:
                self._grow(children, path, level + 1)
            else:
                self.leaves.add(path)

    @cached_property
    def _alone(self) -> dict[str, str | None]:
        """Names that stand for one node of the whole tree; ``None``: for several."""
        found: dict[str, str | None] = {}
        for (_above, name), path in self._known.items():
            found[name] = path if found.get(name, path) == path else None
        return found

    def parse(self, raw: Any) -> str | None:
        path = self._find(raw)
        if path is not None and not self.any_level and path not in self.leaves:
            raise FieldError(_("请在「%(name)s」下面再选一级。", name=self.format(path)))
        return path

    def _find(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, dict)) or (isinstance(raw, list) and not all(isinstance(p, str) for p in raw)):
            raise FieldError(_("请选择一个选项。"))
        given = raw if isinstance(raw, list) else SEPARATORS.split(raw_text(raw))
        parts = [name for part in given if (name := part.strip())]
        path = ""
        for n, name in enumerate(parts):
            found = self._known.get((path, name.casefold()))
            if found is None and len(parts) == 1:
                # A spreadsheet often names the last level only.
                found = self._alone.get(name.casefold())
            if found is None:
                raise FieldError(_("没有「%(value)s」这个选项。", value="/".join(parts[: n + 1])[:60]))
            path = found
        return path or None

    def read(self, raw: Any) -> str | None:
        return self._find(raw)

    def operand(self, value: Any, ctx: Any) -> str | None:
        # A value that nobody may choose any more can still be looked for.
        try:
            return self._find(value)
        except FieldError:
            if isinstance(value, str):
                return value
            raise

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        if op != "under":
            return super().compile_positive(column, op, value, ctx)
        path = self._needed(value, ctx)
        # "0" is the character after "/": a range, which an index answers.
        return (column == path) | ((column >= f"{path}/") & (column < f"{path}0"))

    def value_choices(self) -> list[tuple[str, str]]:
        return [(path, self.format(path)) for path in self.labels]

    def _ways(self, path: str) -> Iterator[str]:
        parts = path.split("/")
        return ("/".join(parts[:n]) for n in range(1, len(parts) + 1))

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        return " / ".join(
            i18n_label(self.labels[way]) if way in self.labels else way.rpartition("/")[2] for way in self._ways(value)
        )

    def branches(self) -> dict[str, list[list[Any]]]:
        """What stands below each path (``""``: at the top), for the input: ``[value, label]`` each."""
        found: dict[str, list[list[Any]]] = {}
        for path, text in self.labels.items():
            above, _slash, value = path.rpartition("/")
            found.setdefault(above, []).append([value, i18n_label(text)])
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "array", "null"], "items": {"type": "string"}, "description": "a/b/c"}
