"""Gives somebody a task about each record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import clock, dialect, settings
from ...core.db import db
from ...core.errors import UserError
from ...forms import catalog
from ...forms.catalog import Form
from ...forms.fields.base import FieldError
from ...forms.fields.choice import Choice
from ...messaging import texts
from . import making, values, whom
from .base import Action, ActionError, Effect, Work
from .values import SpanInput

TASK = "task"
LONGEST_TITLE = 200


class CreateTask(Action):
    """``{title, assignee: "owner"|"manager_of_owner"|user|role, due?: {"hours": 2, "working"?: true}, priority?, content?}``;
    title and content are texts with variables."""

    name = "create_task"
    label = _l("建任务")
    icon = "checkbox"
    template = "automation/actions/create_task.html"
    params = frozenset({"title", "assignee", "due", "priority", "content"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return form.key != TASK and TASK in catalog.all_forms()

    @classmethod
    def of_form(cls, given: Any, slot: str, form: Form) -> dict[str, Any]:
        doc: dict[str, Any] = {
            "action": cls.name, "title": given.get(f"{slot}.title", "").strip(), "assignee": given.get(f"{slot}.assignee", ""),
        }  # fmt: skip
        if due := values.span_of_form(given, f"{slot}.due"):
            doc["due"] = due
        for key in ("priority", "content"):
            if given.get(f"{slot}.{key}", "").strip():
                doc[key] = given[f"{slot}.{key}"].strip()
        return doc

    def check(self) -> None:
        title = self.doc.get("title")
        if not isinstance(title, str) or not title.strip() or len(title) > LONGEST_TITLE:
            raise ActionError(_("请填写任务标题，最多 %(max)d 个字。", max=LONGEST_TITLE), "title")
        for key in ("title", "content"):
            if self.doc.get(key) is not None:
                self._check_text(self.doc[key], key)
        whom.check(self.doc.get("assignee"), self.form, "assignee")
        if self.doc.get("due") is not None:
            try:
                values.check_span(self.doc["due"])
            except FieldError as error:
                raise ActionError(str(error), "due") from error
        if self.doc.get("priority") is not None:
            try:
                catalog.get(TASK).fields["priority"].parse(self.doc["priority"])
            except (ValueError, KeyError) as error:
                raise ActionError(str(error), "priority") from error

    def _check_text(self, text: Any, path: str) -> None:
        if not isinstance(text, str):
            raise ActionError(_("「%(key)s」要是文字。", key=path), path)
        try:
            texts.check(text, self.form)
        except UserError as error:
            raise ActionError(error.message, path) from error

    def words(self) -> str:
        said = {"title": self.doc.get("title"), "who": whom.words(self.doc.get("assignee"))}
        text = _("给%(who)s建任务「%(title)s」", **said)
        due = self.doc.get("due")
        if isinstance(due, dict) and values.span_of(due):
            text += _("，%(span)s内完成", span=values.span_words(due))
        return text

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        chosen = whom.choose(self.doc["assignee"], ids, work)
        wanted = [i for i in ids if i in chosen]
        rows = self._rows(wanted, chosen, work)
        effect = making.make(catalog.get(TASK), rows, work)
        lacking = _("没有负责人，任务没有人接。")
        if self.doc["assignee"] == whom.MANAGER:
            lacking = _("负责人没有上级，任务没有人接。")
        effect.skipped |= {i: lacking for i in ids if i not in chosen}
        return effect

    def _rows(self, ids: list[int], chosen: dict[int, int], work: Work) -> dict[int, dict[str, Any]]:
        task, tz = catalog.get(TASK), settings.tz()
        titles = texts.render_many(self.doc["title"], work.form, ids, work.origin, work.actor)
        contents = (
            texts.render_many(self.doc["content"], work.form, ids, work.origin, work.actor)
            if self.doc.get("content")
            else {}
        )
        due = clock.iso(values.after(work.now, self.doc["due"]), tz) if self.doc.get("due") else None
        links = self._links(ids, work, task)
        rows: dict[int, dict[str, Any]] = {}
        for i in ids:
            title = " ".join(titles.get(i, "").split())[:LONGEST_TITLE] or _("跟进")
            row = {"title": title, "assignee": chosen[i], "form": work.form.key, "record": i, **links.get(i, {})}
            row |= {"due_at": due, "priority": self.doc.get("priority"), "content": contents.get(i)}
            rows[i] = {key: value for key, value in row.items() if value is not None and key in task.fields}
        return rows

    @staticmethod
    def _links(ids: list[int], work: Work, task: Form) -> dict[int, dict[str, Any]]:
        """The customer (or lead) that a record is or names, as the task's own relations."""
        form = work.form
        out: dict[int, dict[str, Any]] = {i: {} for i in ids}
        for key, f in task.columns.items():
            if f.type != "relation":
                continue
            target = f.options.get("form")
            if target == form.key:
                for i in ids:
                    out[i][key] = i
                continue
            names = [
                k
                for k, other in form.columns.items()
                if other.type == "relation" and other.options.get("form") == target
            ]
            if not names:
                continue
            name = key if key in names else names[0]
            rows = form.table.select(form.col("id"), form.col(name)).where(dialect.among(form.col("id"), ids))
            for i, value in rows.tuples().execute(db):
                if value is not None:
                    out[i][key] = value
        for key in {key for links in out.values() for key in links}:
            # A task about what was just deleted stands without the relation.
            target = catalog.get(task.columns[key].options["form"])
            named = {links[key] for links in out.values() if key in links}
            rows = target.table.select(target.col("id")).where(
                dialect.among(target.col("id"), list(named)), target.col("deleted_at").is_null()
            )
            there = {i for (i,) in rows.tuples().execute(db)}
            out = {i: {k: v for k, v in links.items() if k != key or v in there} for i, links in out.items()}
        return out

    # -- for the template ---------------------------------------------------------------------------------------

    def due(self) -> SpanInput:
        return SpanInput.of(self.doc.get("due") or {"hours": ""})

    def who(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return whom.choices()

    def priorities(self) -> list[tuple[str, str]]:
        f = catalog.get(TASK).fields.get("priority")
        return [(value, f.format(value)) for value in f.choices] if isinstance(f, Choice) else []
