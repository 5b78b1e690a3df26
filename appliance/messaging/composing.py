"""Writing to customers by hand: one from their page, or many from a list; what would happen is shown before anything does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts.actor import Actor
from ..core import clock
from ..core.errors import UserError
from ..forms import catalog, query
from ..forms.hooks import Cause
from . import deciding, outbox, senders, templates, texts
from .models import Message
from .outbox import Draft, Reserved
from .senders import Target

LONGEST = 2000
SAMPLES = 3
HELD_WORDS = {
    "quiet": _l("免打扰时段之后再发"), "budget": _l("预算已用完，暂缓"), "connection_off": _l("连接停用，暂缓"),
    "turn": _l("排在前一条后面"), "rate": _l("按平台的频率慢慢发"), "no_consent": _l("没有同意接收营销信息"),
    "withdrawn": _l("撤回了同意"), "capped": _l("最近收到的已经够多"), "blocked": _l("在不发送名单里"), "unsubscribed": _l("已退订"),
    "no_address": _l("没有号码或地址"), "gone": _l("客户已删除"), "empty": _l("填好变量后文字是空的"), "refused": _l("平台不会接收"),
    "unconfigured": _l("还没有连接：只记录，不发出"), "test_mode": _l("测试模式：只记录，不发出"), "later": _l("定时发送"),
}  # fmt: skip


class Estimate(Struct):
    """What would happen to messages. ``cost``: of those that go out, in hundredths of a fen; ``whole`` false: there are more
    than were looked at."""

    total: int = 0
    going: int = 0
    later: Counter[str] = field(default_factory=Counter)
    never: Counter[str] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    cost: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    whole: bool = True

    def add(self, rows: list[Message]) -> None:
        waiting = [row for row in rows if row.state != outbox.SUPPRESSED]
        self.total += len(rows)
        for row in rows:
            if row.state == outbox.SUPPRESSED:
                self.never[row.why] += 1
        for case in deciding.preview(waiting, clock.now()):
            if case.state is None or case.state == outbox.RESERVED:
                self.going += 1
                self.cost += case.cost
            elif case.state == outbox.HELD:
                self.later[case.why] += 1
            elif case.state == outbox.TEST:
                self.tests[case.why] += 1
            else:
                self.never[case.why] += 1
                if case.error and case.error not in self.refusals and len(self.refusals) < SAMPLES:
                    self.refusals.append(case.error)

    def lines(self) -> list[tuple[str, int, str]]:
        """``(words, how many, colour)`` of everything that does not go out at once."""
        found = []
        for counter, colour in ((self.later, "amber"), (self.tests, "purple"), (self.never, "neutral")):
            found += [(str(HELD_WORDS.get(why, why)), n, colour) for why, n in counter.most_common()]
        return found


class Letter(Struct, frozen=True):
    """What a person wrote. ``template`` or ``text``."""

    via: str
    text: str = ""
    template: str = ""
    subject: str = ""
    purpose: str = outbox.SERVICE

    @classmethod
    def of_form(cls, values: Any) -> Letter:
        template = values.get("template", "") if values.get("what") == "template" else ""
        return cls(
            values.get("via", ""), values.get("text", "").replace("\r\n", "\n").strip(), template,
            values.get("subject", "").strip(), values.get("purpose", outbox.SERVICE),
        )  # fmt: skip

    def check(self) -> None:
        """Raises :class:`UserError` that names the input."""
        if self.via not in ways():
            raise UserError(_("请选择怎么发。"), "via")
        if self.purpose not in (outbox.SERVICE, outbox.MARKETING):
            raise UserError(_("请选择用途。"), "purpose")
        if self.template:
            template = templates.get(self.template)
            if template.form_key != "customer":
                raise UserError(_("这个模板不是写给客户的。"), "template")
            if template.via and self.via not in template.via:
                raise UserError(_("模板「%(template)s」不能用这种方式发送。", template=template.label), "template")
            return
        if not self.text or len(self.text) > LONGEST:
            raise UserError(_("请填写要发送的文字，最多 %(max)d 个字。", max=LONGEST), "text")
        if len(self.subject) > outbox.LONGEST_SUBJECT:
            raise UserError(_("标题最多 %(max)d 个字。", max=outbox.LONGEST_SUBJECT), "subject")
        for name, one in (("text", self.text), ("subject", self.subject)):
            try:
                texts.check(one, catalog.get("customer"))
            except UserError as error:
                raise UserError(error.message, name) from error


def ways() -> dict[str, str]:
    """The ways out that reach customers: name → label."""
    return {name: str(s.label) for name, s in senders.SENDERS.items() if "customer" in s.reaches}


def drafts(letter: Letter, ids: Iterable[int], actor: Actor, key: str = "") -> list[Draft]:
    """A draft for each customer whom the actor may see, with what the actor may see of them. Raises UserError."""
    letter.check()
    form = catalog.get("customer")
    wanted = list(ids)
    if letter.template:
        template = templates.get(letter.template)
        parts, fallbacks = template.parts(), template.fallbacks
        subject, text, purpose = template.subject, template.text, template.purpose
    else:
        template, fallbacks = None, {}
        subject, text, purpose = letter.subject, letter.text, letter.purpose
        parts = [subject, text]
    filled = texts.render_all(parts, form, wanted, None, actor, fallbacks)
    reads = texts.reads(parts, form)
    return [
        Draft(
            letter.via, Target.customer(i), filled[i][1], subject=filled[i][0], purpose=purpose, form_key="customer",
            record_id=i, key=f"{key}:{i}" if key else "", reads=reads, template=template.key if template else None,
            params=template.params(filled[i][2:]) if template else None,
        )
        for i in wanted
        if i in filled
    ]  # fmt: skip


def estimate(found: list[Draft], actor: Actor, into: Estimate | None = None) -> Estimate:
    """What would happen to the drafts now."""
    result = into or Estimate()
    rows = outbox.unsaved(found, Cause("user"), actor)
    result.add(rows)
    if len(result.samples) < SAMPLES:
        named = query.titles(
            catalog.get("customer"), [row.customer_id for row in rows[:SAMPLES] if row.customer_id], actor
        )
        result.samples += [(named.get(row.customer_id, ""), row.text) for row in rows[: SAMPLES - len(result.samples)]]
    return result


def write(letter: Letter, customer_id: int, actor: Actor) -> Reserved:
    """Sends a letter to one customer. Raises UserError, NotFound for one whom the actor does not see."""
    query.get(catalog.get("customer"), customer_id, actor)
    return outbox.send(drafts(letter, [customer_id], actor), Cause("user"), actor)[0]
