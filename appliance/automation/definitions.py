"""What rules and decision tables share: key, form, versions, switch, timers and listeners. ``Book`` keeps a kind."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

from flask_babel import gettext as _
from msgspec import Struct, field
from peewee import fn

from ..accounts import audit
from ..accounts.actor import Actor
from ..core import clock, jobs
from ..core.db import Statement, read, write
from ..core.errors import Conflict, FieldErrors, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..core.jobs import timers
from ..forms import catalog, conditions
from ..forms.catalog import Form
from . import streams
from .models import Definition, DefinitionsVersion, DefinitionVersion, Listener, StreamCursor
from .triggers import Trigger

KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
LIMIT = 200
"""Rows of a table, actions of a rule."""


class Subject(Struct):
    """A rule or decision table as its documents say. It may have problems: a form or field may be gone since."""

    kind: ClassVar[str]
    noun: ClassVar[Any]
    keys: ClassVar[frozenset[str]]
    """What its JSON may hold."""

    key: str
    label_doc: Any
    form_key: str
    id: int = 0
    enabled: bool = False
    position: int = 0
    version: int = 0
    folder: str = ""
    system: bool = False
    updated_at: int | None = None
    updated_by: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return i18n_label(self.label_doc) or self.key

    @property
    def form(self) -> Form:
        """Raises :class:`NotFound` when the form is gone."""
        return catalog.get(self.form_key)

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Any:
        """From its JSON, unchecked but for its outermost shape."""
        raise NotImplementedError

    @classmethod
    def open(cls, row: Any) -> Any:
        """From its stored row."""
        raise NotImplementedError

    def columns(self) -> dict[str, Any]:
        """What its row holds beside the columns of every definition."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """Its JSON; ``read(document())`` is the same thing."""
        raise NotImplementedError

    def triggers(self) -> list[Trigger]:
        """Raises :class:`UserError`."""
        raise NotImplementedError

    def problems(self) -> dict[str, str]:
        """Why it cannot run: path → sentence; empty when it can."""
        found: dict[str, str] = {}
        if not KEY.fullmatch(self.key):
            found["key"] = _("键名只能用小写字母、数字和下划线，以字母开头。")
        if not i18n_label(self.label_doc).strip():
            found["label"] = _("请填写名称。")
        try:
            form = self.form
        except NotFound as error:
            return found | {"form": error.message}
        return found | self.check(form)

    def check(self, form: Form) -> dict[str, str]:
        """The problems of what only this kind has."""
        raise NotImplementedError

    def must_be_sound(self) -> None:
        """Raises :class:`FieldErrors`."""
        problems = self.problems()
        if problems:
            raise FieldErrors(problems)

    def when(self) -> str:
        """Its triggers in words."""
        try:
            return _("，").join(trigger.words() for trigger in self.triggers())
        except UserError as error:
            return error.message

    @property
    def timer_key(self) -> str:
        return f"{self.kind}:{self.id}"

    @property
    def next_at(self) -> int | None:
        """When its timer is due next, UTC seconds."""
        timer = timers.get(self.timer_key) if self.enabled else None
        return timer.next_at if timer else None


def problem_of_condition(where: Any, form: Form, path: str) -> dict[str, str]:
    """``{path: sentence}`` when a condition makes no sense, with the place inside it."""
    try:
        conditions.validate(where, form)
    except conditions.ConditionError as error:
        inner = error.path.rstrip(".")
        return {f"{path}.{inner}" if inner else path: error.message}
    return {}


S = TypeVar("S", bound=Subject)


def folder_name(raw: Any) -> str:
    """The name of a folder as it is kept."""
    return " ".join(str(raw or "").split())[:40]


_TOKEN = Statement(DefinitionsVersion.select(DefinitionsVersion.token))


def token() -> str:
    """Changes with every definition, whoever changed it."""
    row = _TOKEN.execute().fetchone()
    return row[0] if row else ""


def renew() -> None:
    """Says that a definition has changed; in the transaction that changed it."""
    if not DefinitionsVersion.update(token=secrets.token_hex(8)).execute():
        DefinitionsVersion.insert(token=secrets.token_hex(8)).execute()


class Book(Generic[S]):
    """All definitions of one kind: reading, saving with versions, switching on and off, running."""

    def __init__(self, cls: type[S], row: type[Definition]) -> None:
        self.cls = cls
        self.row = row
        self.kind = cls.kind

    # -- reading ------------------------------------------------------------------------------------------------

    def all(self, form: str | None = None, enabled: bool | None = None) -> list[S]:
        """In the order in which they act."""
        query = self.row.select().where(self.row.deleted_at.is_null())
        if form is not None:
            query = query.where(self.row.form == form)
        if enabled is not None:
            query = query.where(self.row.enabled == enabled)
        with read():
            return [self._open(row) for row in query.order_by(self.row.position, self.row.id)]

    def get(self, key: str) -> S:
        """Raises :class:`NotFound`."""
        return self._one(self.row.key == key)

    def by_id(self, subject_id: int) -> S:
        """Raises :class:`NotFound`."""
        return self._one(self.row.id == subject_id)

    def _one(self, test: Any) -> S:
        with read():
            row = self.row.get_or_none(test, self.row.deleted_at.is_null())
        if row is None:
            raise NotFound(_("没有找到这条%(noun)s，它可能已被删除。", noun=self.cls.noun))
        return self._open(row)

    def _open(self, row: Any) -> S:
        subject: S = self.cls.open(row)
        subject.id, subject.enabled, subject.position = row.id, row.enabled, row.position
        subject.version, subject.folder, subject.system = row.version, row.folder, row.system
        subject.updated_at, subject.updated_by = row.updated_at, row.updated_by
        return subject

    def versions(self, subject: S) -> list[DefinitionVersion]:
        """Who changed it when, newest first."""
        query = DefinitionVersion.select().where(
            DefinitionVersion.kind == self.kind, DefinitionVersion.subject_id == subject.id
        )
        with read():
            return list(query.order_by(DefinitionVersion.id.desc()).limit(50))

    # -- writing ------------------------------------------------------------------------------------------------

    def save(
        self,
        doc: dict[str, Any],
        actor: Actor,
        key: str | None = None,
        *,
        enabled: bool | None = None,
        version: int | None = None,
        system: bool = False,
    ) -> S:
        """A new definition, or with ``key`` that one changed. A document without a key gets one.

        ``enabled``: default for a new one is what the document says (``"enabled"``), else off. Raises FieldErrors with
        paths (``do.0.values.stage``), Conflict when ``version`` is not the newest, NotFound.
        """
        if not isinstance(doc, dict):
            raise UserError(_("定义要写成一个 JSON 对象。"))
        with write():
            old = self.get(key) if key else None
            if old is not None and version is not None and version != old.version:
                raise Conflict(_("别人刚改过这条%(noun)s，请看过最新内容后再保存。", noun=self.cls.noun))
            self._check_shape(doc)
            doc = {"key": key} | doc if key else {"key": self._free_key()} | doc
            subject: S = self.cls.read(doc)
            subject.must_be_sound()
            if old is None or subject.key != old.key:
                self._must_be_free(subject.key)
            subject.enabled = self._wanted(doc, enabled, old)
            self._store(subject, old, actor, system)
            return self.by_id(subject.id)

    def _check_shape(self, doc: dict[str, Any]) -> None:
        """Raises FieldErrors for what reading would pass over in silence."""
        wrong = {name: _("不认识「%(key)s」，请检查拼写。", key=str(name)[:40]) for name in set(doc) - self.cls.keys}
        wrong |= {
            name: _("「%(name)s」只能是 true 或 false。", name=name)
            for name in ("enabled", "stop")
            if not isinstance(doc.get(name, False), bool)
        }
        if wrong:
            raise FieldErrors(dict(sorted(wrong.items())))

    @staticmethod
    def _wanted(doc: dict[str, Any], enabled: bool | None, old: Subject | None) -> bool:
        if enabled is not None:
            return enabled
        if "enabled" in doc:
            return bool(doc["enabled"])
        return old.enabled if old else False

    def _free_key(self) -> str:
        while True:
            key = f"{self.kind}_{secrets.token_hex(3)}"
            if not self.row.select().where(self.row.key == key).exists():
                return key

    def _must_be_free(self, key: str) -> None:
        known = self.row.get_or_none(self.row.key == key)
        if known is None:
            return
        if known.deleted_at is None:
            raise FieldErrors({"key": _("键名「%(key)s」已被使用，请换一个。", key=key)})
        # A deleted one steps aside; its log keeps its id.
        self.row.update(key=f"{key}~{known.id}").where(self.row.id == known.id).execute()

    def _store(self, subject: S, old: S | None, actor: Actor, system: bool) -> None:
        now = clock.now()
        values = {
            "key": subject.key, "label": subject.label_doc, "form": subject.form_key, "enabled": subject.enabled,
            "folder": subject.folder, "updated_at": now, "updated_by": actor.id, **subject.columns(),
        }  # fmt: skip
        if old is None:
            position = self.row.select().count()
            subject.version = 1
            subject.id = self.row.insert(
                **values, created_at=now, created_by=actor.id, position=position, system=system
            ).execute()
        else:
            subject.id, subject.version = old.id, old.version + 1
            self.row.update(**values, version=subject.version).where(self.row.id == old.id).execute()
        self._remember(subject, subject.document(), actor)
        self._arm(subject)

    def _remember(self, subject: S, document: dict[str, Any] | None, actor: Actor) -> None:
        DefinitionVersion.insert(
            kind=self.kind, subject_id=subject.id, version=subject.version, document=document,
            enabled=subject.enabled, at=clock.now(), actor_id=actor.id,
        ).execute()  # fmt: skip

    def _arm(self, subject: S) -> None:
        """Sets its timer and listeners, or takes them away. What it listened to already it goes on with where it was."""
        mine = (Listener.kind == self.kind) & (Listener.subject_id == subject.id)
        since = dict(
            Listener.select(Listener.stream, fn.MIN(Listener.since)).where(mine).group_by(Listener.stream).tuples()
        )
        Listener.delete().where(mine).execute()
        triggers = subject.triggers() if subject.enabled else []
        for trigger in triggers:
            for wish in trigger.listens():
                if wish.stream not in since:
                    since[wish.stream] = streams.STREAMS[wish.stream].newest()
                Listener.insert(
                    form=subject.form_key, action=wish.action, field=wish.field, scope=wish.scope, kind=self.kind,
                    subject_id=subject.id, stream=wish.stream, since=since[wish.stream],
                ).execute()  # fmt: skip
        timer = next((found for trigger in triggers if (found := trigger.timer())), None)
        if timer:
            payload = {"id": subject.id, "trigger": timer.trigger}
            jobs.schedule(subject.timer_key, timer.cron, timer.job or f"{self.kind}.run", payload, catch_up="once")
        else:
            jobs.unschedule(subject.timer_key)
        if not triggers:
            StreamCursor.delete().where(StreamCursor.stream.startswith(f"{subject.timer_key}:")).execute()
        for trigger in triggers:
            trigger.prepare(subject.timer_key)
        renew()

    def switch(self, key: str, on: bool, actor: Actor) -> S:
        """Switches it on or off. Raises FieldErrors when it has problems and cannot run."""
        with write():
            subject = self.get(key)
            if subject.enabled == on:
                return subject
            if on:
                subject.must_be_sound()
            subject.enabled = on
            values: dict[str, Any] = {"enabled": on, "updated_at": clock.now(), "updated_by": actor.id}
            self.row.update(**values).where(self.row.id == subject.id).execute()
            self._remember(subject, subject.document(), actor)
            self._arm(subject)
            return self.by_id(subject.id)

    def delete(self, key: str, actor: Actor) -> None:
        """Takes it away; its log stays. What it did to records stays too (undo its runs before, if need be)."""
        with write():
            subject = self.get(key)
            subject.enabled = False
            self._arm(subject)
            now = clock.now()
            self.row.update(deleted_at=now, enabled=False, updated_at=now, updated_by=actor.id).where(
                self.row.id == subject.id
            ).execute()
            self._remember(subject, None, actor)

    def restore(self, key: str, actor: Actor) -> S:
        """Brings back what was deleted, switched off."""
        with write():
            row = self.row.get_or_none(self.row.key == key, self.row.deleted_at.is_null(False))
            if row is None:
                raise NotFound()
            self.row.update(deleted_at=None, updated_at=clock.now(), updated_by=actor.id).where(
                self.row.id == row.id
            ).execute()
            subject = self.by_id(row.id)
            self._remember(subject, subject.document(), actor)
            return subject

    def go_back(self, key: str, version: int, actor: Actor) -> S:
        """Saves what an older version said as a new one. Raises NotFound, FieldErrors when it makes no sense any more."""
        subject = self.get(key)
        mine = (DefinitionVersion.kind == self.kind) & (DefinitionVersion.subject_id == subject.id)
        with read():
            row = (
                DefinitionVersion.select()
                .where(mine & (DefinitionVersion.version == version) & DefinitionVersion.document.is_null(False))
                .order_by(DefinitionVersion.id)
                .first()
            )
        if row is None:
            raise NotFound(_("没有第 %(n)d 版。", n=version))
        return self.save(row.document | {"key": key}, actor, key, enabled=subject.enabled)

    def arrange(self, keys: Iterable[str], folders: dict[str, str] | None = None) -> None:
        """Puts definitions into this order, those that are not named behind; ``folders``: key → folder, for those that
        move into another."""
        with write():
            named = list(dict.fromkeys(keys))
            others = [subject.key for subject in self.all() if subject.key not in set(named)]
            for position, key in enumerate([*named, *others]):
                self.row.update(position=position).where(self.row.key == key).execute()
            for key, folder in (folders or {}).items():
                self.row.update(folder=folder_name(folder)).where(self.row.key == key).execute()
            audit.note("rules.arranged", {"kind": self.kind, "order": named, "folders": folders or {}})
            renew()

    def folders(self) -> list[str]:
        """The names of the folders, in the order of what is in them."""
        return list(dict.fromkeys(subject.folder for subject in self.all() if subject.folder))

    # -- running ------------------------------------------------------------------------------------------------

    def run(self, key: str, actor: Actor, ids: list[int] | None = None) -> int:
        """Runs it now (whether switched on or not), on ``ids`` or all records. Returns the job's id.

        Raises FieldErrors when it has problems.
        """
        subject = self.get(key)
        subject.must_be_sound()
        payload: dict[str, Any] = {"id": subject.id, "trigger": "manual", "actor": actor.id}
        if ids is not None:
            payload["ids"] = ids
        unique = f"timer:{subject.timer_key}" if ids is None else None
        return jobs.enqueue(f"{self.kind}.run", payload, actor_id=actor.id, unique=unique)
