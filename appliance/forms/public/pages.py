"""The company's side of public pages: which fields they show, until when, what they say."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from msgspec.structs import asdict

from ...accounts import audit
from ...accounts.actor import Actor
from ...core import clock, settings
from ...core.db import read, write
from ...core.errors import FieldErrors, NotFound
from .. import catalog
from ..catalog import Form
from ..fields.base import Field, FieldError
from .models import PublicPage

MAX_FIELDS = 100
ON_KNOWN = ("refuse", "fill")

settings.declare(
    "public.address", "", _l("对外网址"), "text",
    help=_l("公开表单的链接和二维码用它开头，例如 https://forms.example.com。留空时用打开本页的网址。"),
)  # fmt: skip
settings.declare(
    "public.per_hour", 60, _l("公开表单每小时的提交数"), "integer", least=1, most=100_000,
    help=_l("来自同一网络地址的、对同一个表单的提交。"),
)  # fmt: skip


class Chosen(Struct, frozen=True):
    """One field of a page. ``shown``: asked for; else its ``value`` is written silently. ``linked``: the link may give it
    (``?channel=douyin``). ``value``: what it starts as, as a person types it."""

    key: str
    shown: bool = True
    required: bool = False
    linked: bool = False
    value: str = ""
    consent: dict[str, Any] | None = None
    """What a "yes" to a yes/no field agrees to: ``{"purpose": key, "channels": [key, …]}`` (see :data:`consents`)."""

    @classmethod
    def open(cls, document: dict[str, Any]) -> Chosen:
        return cls(**{name: document[name] for name in cls.__struct_fields__ if name in document})


class Consents(Struct, frozen=True):
    """How a higher room keeps what strangers agree to: ``offered()`` gives the labels of purposes and of channels by key;
    ``give(record id, purpose, channels, page)`` writes a "yes" down. Only for records of ``form``."""

    form: str
    offered: Callable[[], tuple[dict[str, str], dict[str, str]]]
    give: Callable[[int, str, list[str], PublicPage], None]


_consents: dict[str, Consents] = {}


def keep_consents(found: Consents) -> None:
    _consents[found.form] = found


def consents(form: Form) -> Consents | None:
    """What a yes/no field of this form's pages can agree to, if anything."""
    return _consents.get(form.key)


def usable(form: Form) -> list[Field]:
    """The fields that a stranger can be asked for: none whose values come out of the company's own records."""
    return [f for f in form.fields.values() if f.can_be_public and not f.readonly and not f.computed]


def chosen(page: PublicPage, form: Form) -> list[Chosen]:
    """The page's fields that still exist, in order."""
    known = {f.key for f in usable(form)}
    return [one for one in map(Chosen.open, page.fields) if one.key in known]


def of(form_key: str) -> list[PublicPage]:
    with read():
        mine = (PublicPage.form == form_key) & PublicPage.deleted_at.is_null()
        return list(PublicPage.select().where(mine).order_by(PublicPage.id.desc()))


def get(form_key: str, page_id: int) -> PublicPage:
    """Raises :class:`NotFound`."""
    with read():
        found = PublicPage.get_or_none(
            PublicPage.id == page_id, PublicPage.form == form_key, PublicPage.deleted_at.is_null()
        )
    if found is None:
        raise NotFound(_("这个公开表单已被删除。"))
    return found


def by_token(token: str) -> PublicPage:
    """The page of a link. Raises :class:`NotFound` for one that never was, is deleted or whose form is gone."""
    with read():
        found = PublicPage.get_or_none(PublicPage.token == token, PublicPage.deleted_at.is_null())
    if found is None or found.form not in catalog.all_forms():
        raise NotFound(_("这个链接无效，请向发链接的人核对。"))
    return found


def start(form: Form, actor: Actor) -> PublicPage:
    """A new page with the form's own fields, closed until the person has looked at it."""
    keys = usable(form)[:12]
    now = clock.now()
    with write():
        page = PublicPage.create(
            form=form.key, token=secrets.token_urlsafe(9), title=form.label, active=False, owner_id=actor.id,
            fields=[asdict(Chosen(f.key, required=f.required)) for f in keys], created_at=now, updated_at=now,
        )  # fmt: skip
        audit.note("public_page.created", {"page": page.id, "form": form.key}, actor)
    return page


class Wanted(Struct, frozen=True):
    """What the person set."""

    title: str
    intro: str
    thanks: str
    fields: list[Chosen]
    active: bool
    opens_at: str
    closes_at: str
    most: str
    once: bool
    on_known: str


def save(page: PublicPage, form: Form, wanted: Wanted, actor: Actor) -> None:
    """Raises FieldErrors; then nothing is changed."""
    errors: dict[str, str] = {}
    if not wanted.title.strip():
        errors["title"] = _("请给页面起个标题。")
    for name, text, longest in (
        ("title", wanted.title, 100),
        ("intro", wanted.intro, 2000),
        ("thanks", wanted.thanks, 1000),
    ):
        if len(text) > longest:
            errors[name] = _("最多 %(max)d 个字。", max=longest)
    opens, closes = _moment(wanted.opens_at, "opens_at", errors), _moment(wanted.closes_at, "closes_at", errors)
    if opens and closes and closes <= opens:
        errors["closes_at"] = _("截止时间要在开始时间之后。")
    most = _count(wanted.most, errors)
    _check_fields(form, wanted, errors)
    if errors:
        raise FieldErrors(errors)
    with write():
        page.title, page.intro, page.thanks = wanted.title.strip(), wanted.intro.strip(), wanted.thanks.strip()
        page.fields = [asdict(one) for one in wanted.fields]
        page.active, page.opens_at, page.closes_at, page.most = wanted.active, opens, closes, most
        page.once = wanted.once
        page.on_known = wanted.on_known if wanted.on_known in ON_KNOWN else "refuse"
        page.updated_at = clock.now()
        # Answers may have come in meanwhile: their number is not this page's to write.
        page.save(only=[f for f in PublicPage._meta.sorted_fields if f.name not in ("id", "answers")])
        audit.note("public_page.changed", {"page": page.id, "form": form.key, "active": page.active}, actor)


def _moment(text: str, name: str, errors: dict[str, str]) -> int | None:
    try:
        value = catalog.SYSTEM_FIELDS["created_at"].parse(text)
    except ValueError as error:
        errors[name] = str(error)
        return None
    return int(value) if value is not None else None


def _count(text: str, errors: dict[str, str]) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{1,7}", text) or int(text) < 1:
        errors["most"] = _("请填 1 到 9999999 之间的整数，不限就留空。")
        return None
    return int(text)


def _check_fields(form: Form, wanted: Wanted, errors: dict[str, str]) -> None:
    known = {f.key: f for f in usable(form)}
    keys = [one.key for one in wanted.fields]
    if not any(one.shown for one in wanted.fields):
        errors["fields"] = _("请至少选一个要填写的字段。")
    if len(keys) > MAX_FIELDS or len(set(keys)) != len(keys) or not set(keys) <= set(known):
        errors["fields"] = _("有字段不能放在公开表单上，请重新选择。")
        return
    for one in wanted.fields:
        try:
            if one.value and known[one.key].parse(one.value) is None:
                raise FieldError(_("这个值读不懂。"))
        except ValueError as error:
            errors[f"value-{one.key}"] = str(error)
        if one.consent and (why := _against_consent(form, known[one.key], one)):
            errors[f"consent-{one.key}"] = why
    given = {one.key for one in wanted.fields if one.shown or one.value or one.linked}
    left = [
        f.label
        for f in form.fields.values()
        if f.required and f.spec.default is None and not f.readonly and not f.computed and f.key not in given
    ]
    if left:
        errors["fields"] = _("必填的「%(fields)s」既不在页面上，也没有默认值，提交会失败。", fields=_("、").join(left))


def _against_consent(form: Form, f: Field, one: Chosen) -> str:
    keeper, asked = consents(form), one.consent or {}
    if keeper is None or f.type != "yes_no":
        return _("这个字段不能表示同意。")
    purposes, channels = keeper.offered()
    if asked.get("purpose") not in purposes or not set(asked.get("channels") or ()) <= set(channels):
        return _("请重新选择用途和渠道。")
    if not asked["channels"]:
        return _("请至少选一个渠道。")
    return _("答「是」要由填表的人来答，请勾上「显示」。") if not one.shown else ""


def delete(page: PublicPage, actor: Actor) -> None:
    """Closes the link; :func:`restore` takes that back."""
    with write():
        PublicPage.update(deleted_at=clock.now()).where(PublicPage.id == page.id).execute()
        audit.note("public_page.deleted", {"page": page.id, "form": page.form}, actor)


def restore(form_key: str, page_id: int, actor: Actor) -> PublicPage:
    with write():
        PublicPage.update(deleted_at=None).where(PublicPage.id == page_id, PublicPage.form == form_key).execute()
        audit.note("public_page.restored", {"page": page_id, "form": form_key}, actor)
    return get(form_key, page_id)


def renew(page: PublicPage, actor: Actor) -> None:
    """Gives the page another link; the old one ends at once."""
    with write():
        page.token = secrets.token_urlsafe(9)
        PublicPage.update(token=page.token, updated_at=clock.now()).where(PublicPage.id == page.id).execute()
        audit.note("public_page.renewed", {"page": page.id, "form": page.form}, actor)


def address(page: PublicPage, here: str) -> str:
    """The page's link. ``here``: the address by which the appliance is open just now."""
    base = (settings.get("public.address") or here).rstrip("/")
    return f"{base}/p/{page.token}"
