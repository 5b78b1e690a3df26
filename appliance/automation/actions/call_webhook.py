"""Calls an address of the company's own program, or of another system, with JSON about the record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts.actor import SYSTEM, maybe_actor
from ...connections import store, uses
from ...connections.uses import Use
from ...core import clock
from ...core.errors import UserError
from ...forms import query
from ...forms.catalog import Form
from ...messaging import outbox, texts
from ...messaging.outbox import Draft
from ...messaging.senders import Target
from ...messaging.senders.webhook import WebhookOut
from .base import Action, ActionError, Effect, Work

LIFE = 3 * clock.DAY
"""Seconds after which a call that did not get through is given up."""
LONGEST = 20_000
MOST_TEXTS = 100
DEPTH = 10


class CallWebhook(Action):
    """``{"connection": key, "body": JSON?}``: every text of the body may hold ``{{ record.name }}``; without a body the
    whole record is sent.

    The call is reserved like a message, one for each record and occurrence; its ``Idempotency-Key`` stays the same however
    often it is tried.
    """

    name = "call_webhook"
    label = _l("调用网址")
    icon = "webhook"
    undoable = False
    outward = True
    template = "automation/actions/call_webhook.html"
    params = frozenset({"connection", "body"})

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        doc: dict[str, Any] = {"action": cls.name, "connection": values.get(f"{slot}.connection", "")}
        text = values.get(f"{slot}.body", "").strip()
        if values.get(f"{slot}.what") == "own" and text:
            try:
                doc["body"] = json.loads(text)
            except (ValueError, RecursionError):
                # What was typed stays; ``check`` says what is wrong with it.
                doc["body"] = text
        return doc

    @property
    def connections(self) -> dict[str, str]:
        """The addresses that can be called: key → name."""
        return store.labels(WebhookOut.key)

    @property
    def body_text(self) -> str:
        body = self.doc.get("body")
        if body is None or isinstance(body, str):
            return body or ""
        return json.dumps(body, ensure_ascii=False, indent=2)

    @property
    def variables(self) -> list[texts.Variable]:
        return texts.variables(self.form, maybe_actor() or SYSTEM)

    # -- checking ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        known = self.connections
        if self.doc.get("connection") not in list(known):
            said = _("、").join(known.values())
            if not said:
                raise ActionError(
                    _("还没有可以调用的网址，请管理员先在「设置 → 连接」里添加「调用网址」。"), "connection"
                )
            raise ActionError(_("请选择要调用的网址，可用：%(known)s。", known=said), "connection")
        body = self.doc.get("body")
        if body is None:
            return
        if not isinstance(body, (dict, list)):
            raise ActionError(_('内容要是 JSON，例如 {"name": "{{ record.name }}"}。'), "body")
        if len(json.dumps(body, ensure_ascii=False)) > LONGEST or _depth(body) > DEPTH:
            raise ActionError(_("内容太长或层次太深，最多 %(most)d 个字。", most=LONGEST), "body")
        try:
            written = list(_texts(body))
            for text in written:
                texts.check(text, self.form)
        except UserError as error:
            raise ActionError(error.message, "body") from error
        if len(written) > MOST_TEXTS:
            raise ActionError(_("内容里最多 %(most)d 处变量。", most=MOST_TEXTS), "body")

    def words(self) -> str:
        key = str(self.doc.get("connection") or "")
        return _("调用「%(connection)s」", connection=self.connections.get(key, key))

    # -- doing ------------------------------------------------------------------------------------------------------

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        bodies = self._bodies(ids, work)
        reads = texts.reads(list(_texts(self.doc.get("body"))), self.form)
        subject = work.subject or f"{work.cause.kind}:{work.cause.id}"
        now = clock.now()
        drafts = [
            Draft(
                "webhook", Target.group(), bodies[i], purpose=outbox.INTERNAL, connection=self.doc["connection"],
                expires_at=now + LIFE, form_key=self.form.key, record_id=i, reads=reads,
                key=f"{subject}:{work.slot}:{self.form.key}:{i}:{work.cycle_of(i)}",
            )
            for i in ids
            if i in bodies
        ]  # fmt: skip
        effect = Effect(skipped={i: _("没有找到这条记录，或不能查看。") for i in ids if i not in bodies})
        for draft, reserved in zip(drafts, outbox.send(drafts, work.cause, work.actor), strict=True):
            assert draft.record_id is not None
            if reserved.fresh:
                effect.changed.add(draft.record_id)
            else:
                effect.skipped[draft.record_id] = _("这一次已经调用过了。")
        return effect

    def _bodies(self, ids: Sequence[int], work: Work) -> dict[int, str]:
        """The JSON for each record that may be seen; some queries for all of them together."""
        body = self.doc.get("body")
        if body is None:
            found = query.told_of(self.form, ids, work.actor)
            return {r.id: _dumped({"form": self.form.key, **r.document()}) for r in found}
        written = list(_texts(body))
        # A body of fixed words goes out for those records that are there all the same.
        filled = texts.render_all(written or [""], self.form, ids, work.origin, work.actor)
        return {i: _dumped(_filled(body, iter(values))) for i, values in filled.items()}


def _dumped(doc: Any) -> str:
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":"))


def _texts(body: Any) -> Iterator[str]:
    """The texts of a body that hold variables, in their order: each is filled in by itself, so that no value of a record
    can become anything but a value."""
    if isinstance(body, str):
        if not texts.is_plain(body):
            yield body
    elif isinstance(body, (dict, list)):
        for one in body.values() if isinstance(body, dict) else body:
            yield from _texts(one)


def _filled(body: Any, values: Iterator[str]) -> Any:
    """The body with its texts filled in, taken from ``values`` in the order of :func:`_texts`."""
    if isinstance(body, str):
        return body if texts.is_plain(body) else next(values)
    if isinstance(body, dict):
        return {key: _filled(one, values) for key, one in body.items()}
    if isinstance(body, list):
        return [_filled(one, values) for one in body]
    return body


def _depth(body: Any) -> int:
    if not isinstance(body, (dict, list)):
        return 0
    return 1 + max((_depth(one) for one in (body.values() if isinstance(body, dict) else body)), default=0)


@uses.finder
def rules_that_use(key: str) -> Iterable[Use]:
    """The rules that send or call through a connection, or wait for its calls."""
    from .. import rules

    for rule in rules.book.all():
        named = any(isinstance(doc, Mapping) and doc.get("connection") == key for doc in rule.do)
        if named or _waits_for(rule.document().get("on"), key):
            yield Use(_("规则「%(rule)s」", rule=rule.label), "automation.rules_edit", {"key": rule.key})


def _waits_for(trigger: Any, key: str) -> bool:
    return isinstance(trigger, Mapping) and trigger.get("webhook") == key
