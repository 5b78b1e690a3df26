"""Message templates: texts that are used again and again, each with its purpose and what the platforms want to know."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import replace

from ..accounts import audit
from ..accounts.actor import Actor
from ..core import clock
from ..core.db import read, write
from ..core.errors import Conflict, FieldErrors, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog
from ..forms.catalog import Form
from . import senders, texts
from .models import Message, MessageTemplate, MessageTemplateVersion

if TYPE_CHECKING:
    from .outbox import Draft

KEY = re.compile(r"[a-z][a-z0-9_]{0,47}")
LONGEST = {"label": 60, "subject": 200}
FIELDS = ("key", "label", "form", "via", "purpose", "subject", "text", "fallbacks", "codes", "enabled")


class Template(Struct, frozen=True):
    """``form``: whose records it is about. ``via``: the ways out it is meant for, all when empty. ``fallbacks``: variable →
    what stands in its place when it is empty. ``codes``: kind of connection → ``{"code", "params": {name: text}}``."""

    key: str
    label_doc: Any
    form_key: str = "customer"
    via: tuple[str, ...] = ()
    purpose: str = "service"
    subject: str = ""
    text: str = ""
    fallbacks: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    enabled: bool = True
    id: int | None = None
    version: int = 1
    updated_at: int = 0
    updated_by: int | None = None

    @property
    def label(self) -> str:
        return i18n_label(self.label_doc)

    @property
    def form(self) -> Form:
        return catalog.get(self.form_key)

    def document(self) -> dict[str, Any]:
        """In the shape of an app package's *message_template*; what is at its default is left out."""
        doc: dict[str, Any] = {
            "key": self.key, "label": self.label_doc, "form": self.form_key, "via": list(self.via),
            "purpose": self.purpose, "text": self.text,
        }  # fmt: skip
        optional = {"subject": self.subject, "fallbacks": self.fallbacks, "codes": self.codes}
        doc |= {name: value for name, value in optional.items() if value}
        return doc if self.enabled else doc | {"enabled": False}

    def parts(self) -> list[str]:
        """Everything that is filled in: subject, text, and the platforms' parameters in order."""
        params = [text for kind in sorted(self.codes) for text in self.codes[kind].get("params", {}).values()]
        return [self.subject, self.text, *params]

    def params(self, filled: Sequence[str]) -> dict[str, Any] | None:
        """What the platforms' own templates are called and get; ``filled``: the last parts, filled in."""
        rest = iter(filled)
        found = {
            kind: {
                "code": self.codes[kind]["code"],
                "params": {name: next(rest) for name in self.codes[kind].get("params", {})},
            }
            for kind in sorted(self.codes)
        }
        return found or None


def _of_row(row: MessageTemplate) -> Template:
    return replace(
        _read(row.definition, row.key, row.label), id=row.id, version=row.version, enabled=bool(row.enabled),
        updated_at=row.updated_at, updated_by=row.updated_by,
    )  # fmt: skip


def _read(doc: dict[str, Any], key: str, label: Any) -> Template:
    return Template(
        key, label, doc.get("form", "customer"), tuple(doc.get("via", ())), doc.get("purpose", "service"),
        doc.get("subject", ""), doc.get("text", ""), dict(doc.get("fallbacks", {})), dict(doc.get("codes", {})),
    )  # fmt: skip


def all(form: str | None = None, via: str | None = None) -> list[Template]:
    """By label; ``form``: only those about its records; ``via``: only those meant for this way out."""
    with read():
        rows = [_of_row(row) for row in MessageTemplate.select().where(MessageTemplate.deleted_at.is_null())]
    found = [t for t in rows if (form is None or t.form_key == form) and (via is None or not t.via or via in t.via)]
    return sorted(found, key=lambda t: t.label)


def get(key: str) -> Template:
    """Raises :class:`NotFound`."""
    with read():
        row = MessageTemplate.get_or_none(MessageTemplate.key == key, MessageTemplate.deleted_at.is_null())
    if row is None:
        raise NotFound(_("没有消息模板「%(key)s」，它可能已被删除。", key=str(key)[:48]))
    return _of_row(row)


def open_document(doc: Any, key: str | None = None) -> Template:
    """The template of a document, checked. Raises :class:`FieldErrors`."""
    from .outbox import PURPOSES

    if not isinstance(doc, dict):
        raise FieldErrors({"": _("模板要写成一个 JSON 对象。")})
    errors: dict[str, str] = {name: _("没有这一项。") for name in doc if name not in FIELDS}
    key = key or doc.get("key")
    label = doc.get("label")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        errors["key"] = _("标识要以小写字母开头，只用小写字母、数字和下划线，最多 48 个。")
    names = list(label.values()) if isinstance(label, dict) else [label]
    if not names or not _are_texts(names, LONGEST["label"], empty=False):
        errors["label"] = _("请填写名称，最多 %(max)d 个字。", max=LONGEST["label"])
    form_key = doc.get("form", "customer")
    form = catalog.all_forms().get(form_key) if isinstance(form_key, str) else None
    if form is None:
        errors["form"] = _("没有这个表单，请从列表中选择。")
    via = doc.get("via") or []
    if not isinstance(via, list) or not all_known(via):
        errors["via"] = _("没有这种发送方式，可用：%(known)s。", known=_("、").join(senders.SENDERS))
    if doc.get("purpose", "service") not in list(PURPOSES):
        errors["purpose"] = _("请选择用途。")
    if not isinstance(doc.get("enabled", True), bool):
        errors["enabled"] = _("「%(name)s」只能是 true 或 false。", name="enabled")
    for name in ("subject", "text"):
        errors |= _text_error(name, doc.get(name, ""), form, needed=name == "text")
    if isinstance(doc.get("subject"), str) and len(doc["subject"]) > LONGEST["subject"]:
        errors["subject"] = _("最多 %(max)d 个字。", max=LONGEST["subject"])
    errors |= _fallback_errors(doc.get("fallbacks") or {}, form)
    errors |= _code_errors(doc.get("codes") or {}, form)
    if errors:
        raise FieldErrors(errors)
    found = _read({name: value for name, value in doc.items() if value not in (None, 0)}, str(key), label)
    return replace(found, enabled=doc.get("enabled", True))


def all_known(via: list[Any]) -> bool:
    return not [one for one in via if not isinstance(one, str) or one not in senders.SENDERS]


def _are_texts(values: list[Any], most: int, *, empty: bool = True) -> bool:
    return not [v for v in values if not isinstance(v, str) or len(v) > most or not (empty or v.strip())]


def _text_error(name: str, text: Any, form: Form | None, *, needed: bool = False) -> dict[str, str]:
    if not isinstance(text, str):
        return {name: _("这里要写文字。")}
    if needed and not text.strip():
        return {name: _("请填写文字。")}
    try:
        texts.check(text, form, extra=() if form else (texts.RECORD, texts.CUSTOMER, texts.OLD))
    except UserError as error:
        return {name: error.message}
    return {}


def _fallback_errors(fallbacks: Any, form: Form | None) -> dict[str, str]:
    if not isinstance(fallbacks, dict) or not _are_texts([*fallbacks, *fallbacks.values()], 200):
        return {"fallbacks": _("代替的文字要写成“变量 → 文字”，每项最多 200 个字。")}
    errors: dict[str, str] = {}
    for name in fallbacks:
        errors |= _text_error(f"fallbacks.{name}", "{{ " + name + " }}", form)
    return errors


def _code_errors(codes: Any, form: Form | None) -> dict[str, str]:
    if not isinstance(codes, dict):
        return {"codes": _("平台模板要写成“连接类型 → 模板编号和变量”。")}
    known = {kind for sender in senders.SENDERS.values() for kind in sender.connection_kinds}
    errors: dict[str, str] = {}
    for kind, own in codes.items():
        place = f"codes.{kind}"
        params = own.get("params", {}) if isinstance(own, dict) else None
        if kind not in known:
            errors[place] = _("没有这种连接，可用：%(known)s。", known=_("、").join(sorted(known)))
        elif not isinstance(own, dict) or not _are_texts([own.get("code")], 60, empty=False):
            errors[f"{place}.code"] = _("请填写平台的模板编号。")
        elif not isinstance(params, dict) or not _are_texts([*params, *params.values()], 500):
            errors[f"{place}.params"] = _("平台模板的变量要写成“变量 → 文字”。")
        else:
            for name, text in params.items():
                errors |= _text_error(f"{place}.params.{name}", text, form, needed=True)
    return errors


# -- changing ---------------------------------------------------------------------------------------------------------


def save(doc: dict[str, Any], actor: Actor, key: str | None = None, version: int | None = None) -> Template:
    """Makes a template, or with ``key`` a new version of one. Raises FieldErrors, NotFound, Conflict on a stale version."""
    template = open_document(doc, key)
    definition = template.document()
    del definition["key"], definition["label"]
    definition.pop("enabled", None)
    now = clock.now()
    values = {
        "label": template.label_doc, "definition": definition, "enabled": template.enabled, "updated_at": now,
        "updated_by": actor.id, "deleted_at": None,
    }  # fmt: skip
    with write():
        row = MessageTemplate.get_or_none(MessageTemplate.key == template.key)
        if key is not None and (row is None or row.deleted_at is not None):
            raise NotFound()
        if key is None and row is not None and row.deleted_at is None:
            raise FieldErrors({"key": _("已经有一个模板用了这个标识，请换一个。")})
        if row is None:
            row_id = MessageTemplate.insert(key=template.key, version=1, **values).execute()
            number = 1
        else:
            if version is not None and version != row.version:
                raise Conflict(_("这个模板刚被别人改过，请刷新后再改。"))
            same = (row.label, row.definition, bool(row.enabled)) == (template.label_doc, definition, template.enabled)
            if same and row.deleted_at is None:
                return _of_row(row)
            row_id, number = row.id, row.version + 1
            MessageTemplate.update(version=number, **values).where(MessageTemplate.id == row_id).execute()
        MessageTemplateVersion.insert(
            template=row_id, version=number, label=template.label_doc, definition=definition, at=now, actor_id=actor.id
        ).execute()
        audit.note("message_template.saved", {"template": i18n_label(template.label_doc), "version": number}, actor)
    return get(template.key)


def delete(key: str, actor: Actor) -> None:
    """Puts it out of use; :func:`restore` brings it back. Raises NotFound, Conflict while something sends it."""
    template = get(key)
    found = [words for fn in _uses for words in fn(key)]
    if found:
        raise Conflict(
            _(
                "「%(template)s」还在使用：%(where)s。请先在那里换一个模板。",
                template=template.label,
                where=_("、").join(found[:5]),
            )
        )
    with write():
        MessageTemplate.update(deleted_at=clock.now()).where(MessageTemplate.key == key).execute()
        audit.note("message_template.deleted", {"template": template.label}, actor)


def restore(key: str, actor: Actor) -> None:
    with write():
        MessageTemplate.update(deleted_at=None).where(MessageTemplate.key == key).execute()
        audit.note("message_template.restored", {"template": get(key).label}, actor)


_uses: list[Any] = []


def used_by(fn: Any) -> Any:
    """Registers what names those who send a template: ``fn(key) -> list of words``."""
    _uses.append(fn)
    return fn


def versions(template: Template) -> list[MessageTemplateVersion]:
    """All versions, newest first."""
    with read():
        mine = MessageTemplateVersion.template == template.id
        return list(
            MessageTemplateVersion.select().where(mine).order_by(MessageTemplateVersion.version.desc()).limit(50)
        )


def revert(key: str, number: int, actor: Actor) -> Template:
    """Makes an old version the newest. Raises NotFound."""
    template = get(key)
    with read():
        old = MessageTemplateVersion.get_or_none(
            MessageTemplateVersion.template == template.id, MessageTemplateVersion.version == number
        )
    if old is None:
        raise NotFound()
    return save({"label": old.label, **old.definition}, actor, key)


def new_key(label: str) -> str:
    """A key for a template made on screen."""
    from ..forms.designing import keys

    with read():
        taken = {key for (key,) in MessageTemplate.select(MessageTemplate.key).tuples()}
    return keys.suggest(label, taken, "template")


def use_counts() -> dict[str, int]:
    """Key → how many messages were made from it."""
    from peewee import fn

    with read():
        rows = Message.select(Message.template, fn.COUNT(Message.id)).where(Message.template.is_null(False))
        return dict(rows.group_by(Message.template).tuples())


# -- filling in -------------------------------------------------------------------------------------------------------


def fill(drafts: list[Draft], actor: Actor) -> list[Draft]:
    """Drafts that name a template get its words, for all records of one template together: what the actor may see of them.

    Raises UserError.
    """
    groups: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for n, draft in enumerate(drafts):
        if draft.template is not None and draft.text is None:
            groups[draft.template, draft.form_key].append(n)
    out = list(drafts)
    for (key, form_key), places in groups.items():
        template = get(key)
        if not template.enabled:
            raise UserError(_("消息模板「%(template)s」已停用。", template=template.label), "template")
        for round_ in _rounds(drafts, places):
            for n, filled in _filled(template, form_key, [(n, drafts[n]) for n in round_], actor).items():
                out[n] = filled
    return out


def _rounds(drafts: list[Draft], places: list[int]) -> list[list[int]]:
    """The drafts in groups in which each record stands once: its variables may differ from one occurrence to the next."""
    rounds: list[list[int]] = []
    seen: dict[Any, int] = defaultdict(int)
    for n in places:
        turn = seen[drafts[n].record_id]
        seen[drafts[n].record_id] += 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(n)
    return rounds


def _filled(
    template: Template, form_key: str | None, drafts: list[tuple[int, Draft]], actor: Actor
) -> dict[int, Draft]:
    parts = template.parts()
    if form_key is None:
        done = {n: [texts.render(part, draft.context) for part in parts] for n, draft in drafts}
        reads: list[str] = []
    else:
        form = catalog.get(form_key)
        reads = texts.reads(parts, form)
        by_record = {draft.record_id: (n, draft) for n, draft in drafts if draft.record_id is not None}
        extra = {i: draft.context for i, (_n, draft) in by_record.items() if draft.context}
        found = texts.render_all(parts, form, list(by_record), extra, actor, template.fallbacks)
        done = {n: found.get(i, [""] * len(parts)) for i, (n, _draft) in by_record.items()}
    return {
        n: replace(
            draft, subject=draft.subject or done[n][0], text=done[n][1], params=template.params(done[n][2:]),
            purpose=draft.purpose or template.purpose, reads=reads,
        )
        for n, draft in drafts
        if n in done
    }  # fmt: skip
