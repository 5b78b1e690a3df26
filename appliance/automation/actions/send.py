"""Sends a message: to the record's owner or who is above them, to the customer, to people, or into a group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct, field

from ...accounts import departments, people, users
from ...accounts.actor import SYSTEM, Actor, maybe_actor
from ...accounts.models import Role, UserRole
from ...connections import store as connections
from ...core import clock, dialect
from ...core.db import db
from ...core.errors import NotFound, UserError
from ...forms import catalog
from ...forms.catalog import Form
from ...forms.fields.moment import span_seconds, span_words
from ...forms.hooks import Cause
from ...messaging import composing, ledger, outbox, senders, templates, texts
from ...messaging.outbox import Draft
from ...messaging.senders import Target
from ...messaging.templates import Template
from .assign import Assign
from .base import Action, ActionError, Effect, Work

OWNER, MANAGER, CUSTOMER, GROUP = "owner", "manager_of_owner", "customer", "group"
TO = {OWNER: _l("负责人"), MANAGER: _l("负责人的上级"), CUSTOMER: _l("客户"), GROUP: _l("群")}
LONGEST = 2000
MOST = 10_000
"""Records that are looked at before anything is sent."""


class Receivers(Struct):
    """Record id → whom to tell; ``nobody``: record id → why there is no one."""

    of: dict[int, list[Target]] = field(default_factory=lambda: defaultdict(list))
    nobody: dict[int, str] = field(default_factory=dict)


class Send(Action):
    """``{"via", "to": "owner" | "manager_of_owner" | "customer" | "group" | user | role | [users], "text" | "template",
    "subject"?, "purpose"?: "service" | "marketing", "connection"?, "expires"?: {"hours": 4}}``.

    Each record, receiver and occurrence gets it once; what still waits is cancelled when the run is taken back.
    """

    name = "send"
    label = _l("发送消息")
    icon = "send"
    undoable = False
    outward = True
    room = ledger.ROOM
    template = "automation/actions/send.html"
    params = frozenset({"via", "to", "text", "template", "subject", "purpose", "connection", "expires"})
    choices = TO

    # -- parameters -------------------------------------------------------------------------------------------------

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        to: Any = values.get(f"{slot}.to", OWNER)
        if to == "people":
            to = [one for one in values.getlist(f"{slot}.people") if one]
        doc: dict[str, Any] = {"action": cls.name, "via": values.get(f"{slot}.via", ""), "to": to}
        if values.get(f"{slot}.what") == "template":
            doc["template"] = values.get(f"{slot}.template", "")
        else:
            doc["text"] = values.get(f"{slot}.text", "").replace("\r\n", "\n")
            if subject := values.get(f"{slot}.subject", "").strip():
                doc["subject"] = subject
            if to == CUSTOMER:
                doc["purpose"] = values.get(f"{slot}.purpose", outbox.SERVICE)
        if connection := values.get(f"{slot}.connection", ""):
            doc["connection"] = connection
        count = values.get(f"{slot}.expires", "").strip()
        if count.isdecimal() and int(count):
            doc["expires"] = {"hours": int(count)}
        elif count:
            doc["expires"] = {"hours": count}
        return doc

    @classmethod
    def for_many(cls, form: Form) -> dict[str, Any]:
        """Who picks customers in a list mostly writes to them, by the first way that is set up for it."""
        if form.key != CUSTOMER and texts.customer_field(form) is None:
            return super().for_many(form)
        ways = [s for s in cls.ways() if "customer" in s.reaches]
        ready = next((s.name for s in ways if any(c.enabled for c in connections.of_kind(*s.connection_kinds))), "")
        return {"action": cls.name, "to": CUSTOMER, "via": ready}

    @classmethod
    def over_many(cls, count: int) -> str:
        return ngettext("发送 %(count)s 条", "发送 %(count)s 条", count, count=f"{count:,}")

    @property
    def to(self) -> Any:
        return self.doc.get("to", OWNER)

    @property
    def one_of_the_record(self) -> bool:
        """Whether the record itself says who it is, not this action."""
        return isinstance(self.to, str) and self.to in TO

    @property
    def to_choice(self) -> str:
        """What of the editor's list is chosen: one of :data:`TO`, ``people``, or ``role:…``."""
        if self.one_of_the_record:
            return str(self.to)
        role = None if isinstance(self.to, list) or self._user(self.to) else self._role(self.to)
        return f"role:{role}" if role else "people"

    @property
    def chosen_people(self) -> list[str]:
        """Logins of those who are named one by one."""
        named = self.to if isinstance(self.to, list) else [self.to]
        return [login for one in named if (found := self._user(one)) and (login := people.login(found))]

    @staticmethod
    def ways() -> list[senders.Sender]:
        return list(senders.SENDERS.values())

    @staticmethod
    def roles() -> list[tuple[str, str]]:
        return users.roles()

    @property
    def offered_templates(self) -> list[Template]:
        return [t for t in templates.all() if t.form_key in self._forms()]

    @property
    def variables(self) -> list[texts.Variable]:
        return texts.variables(self.form, maybe_actor() or SYSTEM)

    @property
    def purposes(self) -> dict[str, Any]:
        return {key: outbox.PURPOSES[key] for key in (outbox.SERVICE, outbox.MARKETING)}

    def _forms(self) -> set[str]:
        """The forms whose templates it can send: its own, and the customer's when its records have one."""
        return {self.form.key} | ({CUSTOMER} if self.form.key == CUSTOMER or texts.customer_field(self.form) else set())

    # -- checking ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        via = self.doc.get("via")
        if not via:
            raise ActionError(_("请选择发送方式。"), "via")
        if not isinstance(via, str) or via not in senders.SENDERS:
            known = _("、").join(f"{s.label}（{s.name}）" for s in self.ways())
            raise ActionError(_("请选择发送方式，可用：%(known)s。", known=known), "via")
        self._check_to(senders.get(via))
        self._check_words()
        purpose = self.doc.get("purpose")
        if purpose is not None and purpose not in outbox.PURPOSES:
            raise ActionError(_("请选择用途。"), "purpose")
        if not isinstance(self.doc.get("connection") or "", str):
            raise ActionError(_("连接要写它的标识。"), "connection")
        if self.doc.get("expires") is not None and not self._life():
            raise ActionError(_("时效要大于零，比如 4 小时。"), "expires")

    def _check_to(self, sender: senders.Sender) -> None:
        to, kind = self.to, self._kind()
        if to == CUSTOMER and self.form.key != CUSTOMER and texts.customer_field(self.form) is None:
            raise ActionError(_("「%(form)s」没有关联客户，不能发给客户。", form=self.form.label), "to")
        if to in (OWNER, MANAGER) and self._owner_path() is None:
            raise ActionError(_("「%(form)s」没有负责人，请选择别的接收人。", form=self.form.label), "to")
        if not self.one_of_the_record:
            named = to if isinstance(to, list) else [to]
            if not [one for one in named if one]:
                raise ActionError(_("请选择接收人。"), "to")
            for one in named:
                if self._user(one) is None and (isinstance(to, list) or self._role(one) is None):
                    raise ActionError(_("没有叫「%(name)s」的人员或角色。", name=str(one)[:40]), "to")
        if kind not in sender.reaches:
            raise ActionError(_("「%(via)s」不能发给%(to)s。", via=str(sender.label), to=self._to_words()), "to")

    def _check_words(self) -> None:
        text, key = self.doc.get("text"), self.doc.get("template")
        if (text is None) == (key is None):
            raise ActionError(_("请填写要发送的文字，或选择一个模板。"), "text")
        if key is not None:
            self._check_template(key)
            return
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise ActionError(_("请填写要发送的文字，最多 %(max)d 个字。", max=LONGEST), "text")
        subject = self.doc.get("subject", "")
        if not isinstance(subject, str) or len(subject) > outbox.LONGEST_SUBJECT:
            raise ActionError(_("标题最多 %(max)d 个字。", max=outbox.LONGEST_SUBJECT), "subject")
        for name, one in (("text", text), ("subject", subject)):
            try:
                texts.check(one, self.form)
            except UserError as error:
                raise ActionError(error.message, name) from error

    def _check_template(self, key: Any) -> None:
        try:
            template = templates.get(key) if isinstance(key, str) else None
        except NotFound:
            template = None
        if template is None:
            raise ActionError(_("请选择一个消息模板。"), "template")
        if template.form_key not in self._forms():
            raise ActionError(
                _(
                    "模板「%(template)s」是写给%(form)s的，这里不能用。",
                    template=template.label,
                    form=template.form.label,
                ),
                "template",
            )
        if template.via and self.doc.get("via") not in template.via:
            raise ActionError(_("模板「%(template)s」不能用这种方式发送。", template=template.label), "template")

    def _life(self) -> int:
        """Seconds until it is too old to be sent; 0: as usual."""
        if self.doc.get("expires") is None:
            return 0
        try:
            return span_seconds(self.doc["expires"])
        except ValueError as error:
            raise ActionError(str(error), "expires") from error

    def _kind(self) -> str:
        return {CUSTOMER: "customer", GROUP: "group"}.get(self.to, "user") if isinstance(self.to, str) else "user"

    # -- words ------------------------------------------------------------------------------------------------------

    def words(self) -> str:
        sender = senders.SENDERS.get(str(self.doc.get("via")))
        said = self._template_label() if self.doc.get("template") else self._first_words()
        words = _(
            "用%(via)s给%(to)s发送%(what)s", via=str(sender.label) if sender else self.doc.get("via", ""),
            to=self._to_words(), what=said,
        )  # fmt: skip
        if self.doc.get("expires"):
            words = _("%(words)s（%(span)s内有效）", words=words, span=span_words(self.doc["expires"]))
        return words

    def _template_label(self) -> str:
        try:
            return _("模板「%(template)s」", template=templates.get(str(self.doc["template"])).label)
        except UserError:
            return _("模板「%(template)s」", template=self.doc["template"])

    def _first_words(self) -> str:
        text = " ".join(str(self.doc.get("text") or "").split())
        return _("「%(text)s」", text=text if len(text) <= 30 else text[:29] + "…")

    def _to_words(self) -> str:
        if self.one_of_the_record:
            return str(TO[self.to])
        if not isinstance(self.to, list) and self._user(self.to) is None and (role := self._role(self.to)):
            labels = dict(self.roles())
            return _("角色「%(role)s」的人", role=labels.get(role, role))
        named = self.to if isinstance(self.to, list) else [self.to]
        found = [people.name(user) if (user := self._user(one)) else str(one) for one in named]
        if len(found) > 3:
            rest = len(found) - 2
            return _("、").join(found[:2]) + ngettext("等另外 %(num)d 人", "等另外 %(num)d 人", rest)
        return _("、").join(found)

    # -- receivers --------------------------------------------------------------------------------------------------

    @staticmethod
    def _user(who: Any) -> int | None:
        if isinstance(who, bool) or not isinstance(who, (int, str)) or who == "":
            return None
        return people.find(who)

    @staticmethod
    def _role(who: Any) -> str | None:
        if not isinstance(who, str):
            return None
        name = who.removeprefix("role:")
        return next((key for key, label in users.roles() if name in (key, label)), None)

    def _owner_path(self) -> tuple[str, str | None] | None:
        """The field with the owner; else the one with the customer, whose owner it is."""
        own = Assign.owner_of(self.form)
        if own is not None:
            return own, None
        lead = texts.customer_field(self.form)
        return (lead.key, "owner") if lead else None

    def receivers(self, ids: Sequence[int]) -> Receivers:
        """Whom the message goes to, for records of the form: a query or two for all of them."""
        found = Receivers()
        if self.to == GROUP:
            found.of.update({i: [Target.group()] for i in ids})
        elif self.to == CUSTOMER:
            self._customers(ids, found)
        elif self.to in (OWNER, MANAGER):
            self._owners(ids, found)
        else:
            targets = [Target.user(user_id) for user_id in self._named()]
            for i in ids:
                if targets:
                    found.of[i] = targets
                else:
                    found.nobody[i] = _("没有可以接收的人。")
        return found

    def _named(self) -> list[int]:
        if isinstance(self.to, list):
            return [user for one in self.to if (user := self._user(one)) and people.is_active(user)]
        user = self._user(self.to)
        if user is not None:
            return [user] if people.is_active(user) else []
        role = self._role(self.to)
        return _with_role(role) if role else []

    def _column(self, form: Form, key: str, ids: Iterable[int]) -> dict[int, Any]:
        rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), list(ids)))
        return {record_id: value for record_id, value in rows.tuples().execute(db) if value is not None}

    def _customer_ids(self, ids: Sequence[int]) -> dict[int, int]:
        if self.form.key == CUSTOMER:
            return {i: i for i in ids}
        lead = texts.customer_field(self.form)
        return self._column(self.form, lead.key, ids) if lead else {}

    def _customers(self, ids: Sequence[int], found: Receivers) -> None:
        held = self._customer_ids(ids)
        for i in ids:
            if i in held:
                found.of[i] = [Target.customer(held[i])]
            else:
                found.nobody[i] = _("没有关联客户。")

    def _owners(self, ids: Sequence[int], found: Receivers) -> None:
        path = self._owner_path()
        assert path is not None
        held = self._column(self.form, path[0], ids)
        if path[1]:
            owners = self._column(catalog.get(CUSTOMER), path[1], set(held.values()))
            held = {i: owners[c] for i, c in held.items() if c in owners}
        for i in ids:
            user = held.get(i)
            if user is None:
                found.nobody[i] = _("没有负责人。")
                continue
            if self.to == MANAGER:
                user = departments.manager_of(user)
            if user is None:
                found.nobody[i] = _("负责人没有上级：请在「部门」里设置主管。")
            else:
                found.of[i] = [Target.user(user)]

    # -- doing ------------------------------------------------------------------------------------------------------

    def foresee(self, batches: Iterable[list[int]], actor: Actor) -> str:
        """How many get it now, later or not, why, and what it costs; of a long list the first ten thousand are looked at."""
        looked = composing.Estimate()
        nobody: Counter[str] = Counter()
        for ids in batches:
            if looked.total >= MOST:
                looked.whole = False
                break
            found = self.receivers(ids)
            nobody.update(found.nobody.values())
            work = Work(self.form, Cause("user"), clock.now(), actor=actor, subject="preview")
            composing.estimate(
                [draft for _i, draft in self._drafts([i for i in ids if i in found.of], found, work)], actor, looked
            )
        return render_template("messages/_estimate.html", looked=looked, nobody=nobody.most_common(), yuan=ledger.yuan)

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        found = self.receivers(ids)
        effect = Effect(skipped=dict(found.nobody))
        wanted = [i for i in ids if i in found.of]
        drafts = self._drafts(wanted, found, work)
        for (record_id, _draft), reserved in zip(
            drafts, outbox.send([draft for _i, draft in drafts], work.cause, work.actor), strict=True
        ):
            if reserved.fresh:
                effect.changed.add(record_id)
            elif record_id not in effect.changed:
                effect.skipped[record_id] = _("这条消息已经发过了。")
        return effect

    def _drafts(self, ids: list[int], found: Receivers, work: Work) -> list[tuple[int, Draft]]:
        key = self.doc.get("template")
        template = templates.get(key) if key is not None else None
        form_key, customers = self.form.key, {}
        words: dict[int, list[str]] = {}
        reads: list[str] = []
        if template is None:
            parts = [str(self.doc.get("subject") or ""), str(self.doc["text"])]
            reads = texts.reads(parts, self.form)
            words = texts.render_all(parts, self.form, ids, work.origin, work.actor)
        elif template.form_key != self.form.key:
            form_key, customers = template.form_key, self._customer_ids(ids)
        life, now = self._life(), clock.now()
        subject = work.subject or f"{work.cause.kind}:{work.cause.id}"
        several = not self.one_of_the_record
        drafts = []
        for i in ids:
            for target in found.of[i]:
                name = f"{subject}:{work.slot}:{self.form.key}:{i}:{work.cycle_of(i)}"
                said = words.get(i, ["", ""])
                drafts.append((i, Draft(
                    self.doc["via"], target, None if template else said[1], template.key if template else None,
                    subject=said[0] if template is None else "",
                    link=f"/forms/{self.form.key}/records/{i}" if target.kind != "customer" else "",
                    purpose=self.doc.get("purpose"), connection=self.doc.get("connection") or None,
                    expires_at=now + life if life else None, form_key=form_key, record_id=customers.get(i, i),
                    key=f"{name}:{target.id}" if several else name, reads=reads,
                    context=work.origin.get(i, {}) if form_key == self.form.key else {},
                )))  # fmt: skip
        return drafts


def _with_role(key: str) -> list[int]:
    """The active people who have a role."""
    held = UserRole.select(UserRole.user).join(Role, on=(Role.id == UserRole.role)).where(Role.key == key)
    return [user_id for (user_id,) in held.order_by(UserRole.user).tuples() if people.is_active(user_id)]


@templates.used_by
def rules_that_send(key: str) -> list[str]:
    """The rules that send a template, in words."""
    from .. import rules

    found = [
        rule for rule in rules.book.all() for doc in rule.do
        if isinstance(doc, dict) and doc.get("action") == Send.name and doc.get("template") == key
    ]  # fmt: skip
    return [_("规则「%(rule)s」", rule=rule.label) for rule in found]
