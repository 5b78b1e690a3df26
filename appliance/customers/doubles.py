"""Two customers that may be one: what makes them alike, what speaks against it, and what the company lets Guke decide.

Data that comes in may name two customers at once (an order with the member number of one and the phone of another). The pair
is kept where people decide (``forms.duplicates``), and the company's policy says whether Guke may merge it by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM, Actor
from ..core import attention, jobs, settings
from ..core.jobs import Job
from ..forms import catalog, duplicates, pairing, query
from ..forms.catalog import Form
from ..forms.query import Record
from . import identities
from .identities import Key
from .kinds import CONTACTS

POLICY = "company.merge_policy"
ASK, PLATFORM, CONTACT = "ask", "platform", "contact"
CERTAIN, LIKELY = 99, 85
"""How alike two are whom data named together: by platform identities, by a phone or an e-mail."""
DOUBTFUL = 50
"""As alike are two who share a phone and each have an account of one platform: often it is one household."""
AT_ONCE = 100

settings.declare(
    POLICY, ASK, _l("发现两位客户其实是一位时"), "choice",
    options={
        ASK: _l("都交给人核对"),
        PLATFORM: _l("平台身份对上、没有矛盾的自动合并，其余交给人"),
        CONTACT: _l("手机或邮箱对上、没有矛盾的也自动合并，其余交给人"),
    },
    help=_l("导入、接口和互动里一条数据同时说出两位客户的身份时这样处理。合并随时可以撤销。"),
)  # fmt: skip

duplicates.compare("customer", ("wechat",), 90)
duplicates.compare("customer", ("name", "city", "region"), 70, crowd=4)
duplicates.compare("customer", ("name", "city"), 60, crowd=3)
duplicates.compare("customer", ("nickname", "channel", "city"), 55, crowd=3)


@duplicates.reason("identity")
def same_identity(form: Form, kind: str, actor: Actor) -> str:
    """``identity:phone``: data named both, the one by a phone of the other."""
    seen = query.clear(form, actor)
    if not {"identities", *({kind} & set(CONTACTS))} <= seen.keys():
        return ""
    known = identities.kinds()
    return _("同一条数据用「%(kind)s」指向两位", kind=known[kind].label if kind in known else kind)


@duplicates.against("customer")
def contradictions(pairs: list[tuple[Record, Record]]) -> list[list[str]]:
    """What two customers cannot both be, when they are one person."""
    held = identities.of({record.id for pair in pairs for record in pair})
    known = identities.kinds()
    out = []
    for one, other in pairs:
        said = []
        form = one.form
        for key in ("birthday", "gender", "wechat"):
            values = {record.values.get(key) for record in (one, other)} - {None, "", "unknown"}
            if len(values) > 1:
                said.append(_("「%(field)s」不同", field=form.fields[key].label))
        names = [str(record.values.get("name") or "") for record in (one, other)]
        if all(map(_real_name, names)) and duplicates.likeness(*names) < duplicates.ALIKE:
            said.append(_("「%(field)s」不同", field=form.fields["name"].label))
        accounts = [_accounts(held.get(record.id, {})) for record in (one, other)]
        for place in sorted(accounts[0].keys() & accounts[1].keys()):
            kind = place[0]
            said.append(_("各有一个「%(kind)s」", kind=known[kind].label if kind in known else kind))
        out.append(said)
    return out


def _real_name(name: str) -> bool:
    """Whether it reads as the name of a person (two to four Chinese characters), not as a nick."""
    return 2 <= len(name) <= 4 and all("㐀" <= ch <= "鿿" for ch in name)


def _accounts(keys: Iterable[Key]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key in keys:
        # One person may well have two member cards of a shop, but an account is theirs alone.
        if key.kind not in CONTACTS and key.kind != "member_no":
            found[key.kind, key.scope].add(key.value)
    return found


# -- data that names two -----------------------------------------------------------------------------------------------


def met(pairs: Iterable[tuple[int, int, Key]]) -> None:
    """Notes that data named two customers at once, the second by ``key``. Only inside ``write()``."""
    named = list(pairs)
    if not named:
        return
    known = identities.kinds()
    held = identities.of({i for one, other, _key in named for i in (one, other)})
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for one, other, key in named:
        kind = known.get(key.kind)
        likeness = CERTAIN if kind is not None and kind.strong else LIKELY
        if likeness == LIKELY and _accounts(held.get(one, {})).keys() & _accounts(held.get(other, {})).keys():
            likeness = DOUBTFUL
        ids = (min(one, other), max(one, other))
        if ids not in found or found[ids][1] < likeness:
            found[ids] = (f"identity:{key.kind}", likeness)
    duplicates.met(catalog.get("customer").id, found)
    if settings.get(POLICY) != ASK:
        jobs.enqueue("customers.merge_met", {}, unique="customers.merge_met")


def _policy_changed(value: Any) -> None:
    if value != ASK:
        jobs.enqueue("customers.merge_met", {}, unique="customers.merge_met")


settings.on_change(POLICY, _policy_changed)


@jobs.handler("customers.merge_met", label=_l("按规定合并客户"))
def merge_met(job: Job) -> dict[str, int]:
    """Merges the pairs that the policy allows, each in a transaction of its own; the others wait for a person."""
    form = catalog.get("customer")
    least = {PLATFORM: CERTAIN, CONTACT: LIKELY}.get(settings.get(POLICY))
    if least is None:
        return {"merged": 0}
    merged, after = 0, ""
    while True:
        found, following = duplicates.open_pairs(form, SYSTEM, after, AT_ONCE, least)
        for pair in found:
            job.check()
            if pair.met and not pair.against:
                merged += pairing.merged_now(form, pair, SYSTEM)
        if following is None:
            return {"merged": merged}
        after = following


# -- what waits for a person ------------------------------------------------------------------------------------------


def waiting(actor: Actor) -> int:
    return duplicates.count(catalog.get("customer"), actor)


attention.register(
    "duplicates", _l("可能重复的客户"), "users", "forms.list_duplicates", waiting, ("edit", "customer"), order=60,
    form_key="customer",
)  # fmt: skip
