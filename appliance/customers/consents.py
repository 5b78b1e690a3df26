"""What customers agreed to: for each purpose and channel who said what, when, and where that can be seen.

Nothing is ever changed: a withdrawal is one more line, and what stands is the latest line that counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import fn

from ..accounts import people
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, settings
from ..core.db import read, write
from ..core.errors import FieldErrors
from ..forms import merging, purging
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.public import pages
from ..forms.public.models import PublicPage
from .models import Consent

GRANTED, WITHDRAWN, NONE = "granted", "withdrawn", "none"
STATES = {GRANTED: _l("已同意"), WITHDRAWN: _l("已撤回"), NONE: _l("未表态")}
CHANNELS = {"sms": _l("短信"), "email": _l("邮件"), "wechat": _l("微信"), "phone": _l("电话")}
PURPOSES = {"marketing": _l("营销信息"), "service": _l("服务通知"), "personalised": _l("个性化推荐")}
"""What Guke knows by itself; the company's own purposes are their own keys."""
SOURCES = {
    "phone": _l("电话中"), "shop": _l("当面"), "chat": _l("聊天中"), "paper": _l("书面"), "api": _l("接口"), "import": _l("导入"),
    "other": _l("其他方式"),
}  # fmt: skip
LONGEST = {"purpose": 40, "source": 60, "evidence": 500}

settings.declare(
    "company.consent_purposes", "营销信息、服务通知、个性化推荐", _l("征求同意的用途"), "text",
    help=_l("用顿号隔开。每位客户可以按用途和渠道分别同意或撤回。"),
)  # fmt: skip

_BUILT_IN = {"营销信息": "marketing", "服务通知": "service", "个性化推荐": "personalised"}


def purposes() -> dict[str, str]:
    """Key → label of what the company asks consent for."""
    text = settings.get("company.consent_purposes")
    names = [name.strip()[: LONGEST["purpose"]] for name in re.split(r"[、,，;；/\\\n]", text)]
    keys = [_BUILT_IN.get(name, name) for name in names if name] or list(PURPOSES)
    return {key: purpose_label(key) for key in dict.fromkeys(keys)}


def purpose_label(key: str) -> str:
    return str(PURPOSES.get(key, key))


def channel_label(key: str) -> str:
    return str(CHANNELS.get(key, key))


def source_words(source: str) -> str:
    """``当面``, ``公开表单 #3``."""
    kind, _colon, number = source.partition(":")
    if number and kind == "page":
        return _("公开表单 #%(id)s", id=number)
    if number and kind == "merge":
        return _("合并 #%(id)s", id=number)
    return str(SOURCES.get(source, source))


class Said(Struct, frozen=True):
    """One line of the history. ``at``: UTC seconds."""

    purpose: str
    channel: str
    state: str
    source: str
    evidence: str
    at: int
    actor_id: int | None
    entry_id: int | None = None

    @property
    def who(self) -> str:
        return people.name(self.actor_id) if self.actor_id is not None else ""

    def document(self) -> dict[str, Any]:
        return {
            "purpose": self.purpose, "channel": self.channel, "state": self.state, "source": self.source,
            "evidence": self.evidence, "at": clock.iso(self.at, settings.tz()),
            "by": people.login(self.actor_id) if self.actor_id is not None else None,
        }  # fmt: skip


Heard = Callable[[Collection[int]], None]
_heard: list[Heard] = []


def after_said(effect: Heard) -> Heard:
    """Registers ``effect(customer ids)``: called in the transaction in which what customers agreed to changed."""
    _heard.append(effect)
    return effect


def tell(*customer_ids: int) -> None:
    """What these customers agreed to changed. Only inside ``write()``."""
    for effect in _heard:
        effect(customer_ids)


def history(customer_id: int) -> list[Said]:
    """Everything the customer said, the latest first."""
    with read():
        rows = (
            Consent.select()
            .where(Consent.customer_id == customer_id, Consent.void == False)  # noqa: E712
            .order_by(Consent.at.desc(), Consent.id.desc())
        )
        return [
            Said(row.purpose, row.channel, row.state, row.source, row.evidence, row.at, row.actor_id, row.entry_id)
            for row in rows
        ]


def current(customer_id: int) -> dict[tuple[str, str], Said]:
    """What stands, by purpose and channel."""
    found: dict[tuple[str, str], Said] = {}
    for said in history(customer_id):
        found.setdefault((said.purpose, said.channel), said)
    return found


def holders(purpose: str, channel: str | None, state: str, mine: Any = None) -> Any:
    """A query for the ids of customers whose latest word on this is ``state`` (granted or withdrawn). ``mine``: a test of the
    customer's column, for some only."""
    later = Consent.alias("later")
    newer = (later.at > Consent.at) | ((later.at == Consent.at) & (later.id > Consent.id))
    overtaken = later.select(later.id).where(
        later.customer_id == Consent.customer_id, later.purpose == Consent.purpose, later.channel == Consent.channel,
        later.void == False, newer,  # noqa: E712
    )  # fmt: skip
    query = Consent.select(Consent.customer_id).where(
        Consent.purpose == purpose,
        Consent.state == state,
        Consent.void == False,  # noqa: E712
        ~fn.EXISTS(overtaken),
    )
    if channel is not None:
        query = query.where(Consent.channel == channel)
    return query if mine is None else query.where(mine)


def check(purpose: Any, channel: Any, state: Any, source: Any, evidence: Any, at: int) -> None:
    """Raises FieldErrors for what cannot be written down."""
    errors: dict[str, str] = {}
    if not isinstance(purpose, str) or purpose not in purposes():
        errors["purpose"] = _("没有这个用途，可选：%(all)s。", all=_("、").join(purposes()))
    if not isinstance(channel, str) or channel not in CHANNELS:
        errors["channel"] = _("没有这个渠道，可选：%(all)s。", all=_("、").join(CHANNELS))
    if state not in (GRANTED, WITHDRAWN):
        errors["state"] = _("请选择同意还是撤回。")
    if not isinstance(source, str) or not 1 <= len(source.strip()) <= LONGEST["source"]:
        errors["source"] = _("请写明是怎么得知的，最多 %(max)d 个字。", max=LONGEST["source"])
    if not isinstance(evidence, str) or len(evidence) > LONGEST["evidence"]:
        errors["evidence"] = _("最多 %(max)d 个字。", max=LONGEST["evidence"])
    if at > clock.now() + clock.DAY:
        errors["at"] = _("时间不能在将来。")
    if errors:
        raise FieldErrors(errors)


def record(
    customer_id: int, purpose: Any, channels: Iterable[Any], state: Any, source: Any, actor: Actor,
    *, evidence: Any = "", at: int | None = None,
) -> None:  # fmt: skip
    """Writes down what a customer said, for one purpose and some channels. ``at``: when, else now. Raises FieldErrors."""
    moment = clock.now() if at is None else at
    wanted = list(channels)
    for channel in wanted:
        check(purpose, channel, state, source, evidence, moment)
    rows = [
        {"customer_id": customer_id, "purpose": purpose, "channel": channel, "state": state, "source": source.strip(),
         "evidence": evidence.strip(), "at": moment, "actor_id": actor.id}
        for channel in dict.fromkeys(wanted)
    ]  # fmt: skip
    with write():
        Consent.insert_many(rows).execute()
        tell(customer_id)


@merging.moves("customer")
class Consents(merging.Mover):
    """What the source said is said by the target from then on, and a withdrawal on either side outweighs a consent."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        theirs, ours = current(source), current(target)
        rows = [
            {"customer_id": target, "purpose": pair[0], "channel": pair[1], "state": said.state, "source": said.source,
             "evidence": said.evidence, "at": self._moment(said, ours.get(pair)), "actor_id": said.actor_id,
             "merge_id": cause.id, "entry_id": said.entry_id}
            for pair, said in theirs.items()
            if pair not in ours or (ours[pair].state == GRANTED and said.state == WITHDRAWN)
        ]  # fmt: skip
        if rows:
            Consent.insert_many(rows).execute()
            tell(target)
        return len(rows)

    def _moment(self, said: Said, ours: Said | None) -> int:
        """A withdrawal stands even when the other record agreed later."""
        return said.at if ours is None else max(said.at, ours.at)

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        Consent.update(void=True).where(Consent.merge_id == cause.id).execute()
        tell(target)


@purging.also("customer")
def purged(form: Form, ids: list[int]) -> None:
    Consent.delete().where(dialect.among(Consent.customer_id, ids)).execute()


# -- public pages -----------------------------------------------------------------------------------------------------


def _offered() -> tuple[dict[str, str], dict[str, str]]:
    return purposes(), {key: str(name) for key, name in CHANNELS.items()}


def _give(customer_id: int, purpose: str, channels: list[str], page: PublicPage) -> None:
    wanted = [channel for channel in channels if channel in CHANNELS]
    if purpose in purposes() and wanted:
        record(customer_id, purpose, wanted, GRANTED, f"page:{page.id}", SYSTEM, evidence=page.title[:100])


pages.keep_consents(pages.Consents("customer", _offered, _give))
