"""The kinds of identities that the company knows its customers by, and what is done when two customers turn out to be one."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct
from peewee import SQL, fn

from ..accounts.actor import Actor
from ..core.db import read
from ..core.errors import FieldErrors
from ..forms import catalog
from . import identities, kinds
from .models import Identity

KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")
RESERVED = frozenset({"add", "remove", "scope", "id", "name"})
MOST = 40


class Row(Struct, frozen=True):
    """``own``: the company made it; ``count``: how many are known."""

    key: str
    label: str
    own: bool
    count: int


def rows() -> list[Row]:
    with read():
        held = dict(
            Identity.select(Identity.kind, fn.COUNT(SQL("*")))
            .where(Identity.active == True)  # noqa: E712
            .group_by(Identity.kind)
            .tuples()
        )
    return [Row(k.key, k.label, k.key not in kinds.BUILT_IN, held.get(k.key, 0)) for k in identities.kinds().values()]


def _own() -> list[dict[str, Any]]:
    return list(catalog.get("customer").fields["identities"].options.get("kinds", []))


def add(label: str, key: str, actor: Actor) -> str:
    """Makes a kind known; returns its label. ``key``: what programs call it (none: made of the label). Raises FieldErrors."""
    name, wanted = " ".join(label.split()), key.strip().lower()
    known, own = identities.kinds(), _own()
    errors: dict[str, str] = {}
    if not 1 <= len(name) <= 20:
        errors["label"] = _("请填写名称，最多 %(max)d 个字。", max=20)
    elif name in {k.label for k in known.values()}:
        errors["label"] = _("已经有「%(name)s」了。", name=name)
    elif len(own) >= MOST:
        errors["label"] = _("最多自己加 %(max)d 种。", max=MOST)
    if wanted and (not KEY.fullmatch(wanted) or wanted in RESERVED):
        errors["key"] = _("只能用小写字母、数字和下划线，以字母开头。")
    elif wanted in known or wanted in catalog.get("customer").fields:
        errors["key"] = _("这个名字已经被占用。")
    if errors:
        raise FieldErrors(errors)
    new = wanted or next(k for n in range(1, MOST * 2) if (k := f"identity_{n}") not in known)
    _save([*own, {"key": new, "label": name}], actor)
    return name


def remove(key: str, actor: Actor) -> None:
    """Takes away a kind that the company made and nobody is known by. Raises FieldErrors."""
    own = _own()
    if all(doc["key"] != key for doc in own):
        raise FieldErrors({"kind": _("这种身份不能去掉。")})
    if Identity.select().where(Identity.kind == key).exists():
        raise FieldErrors({"kind": _("还有客户用着「%(name)s」，不能去掉。", name=identities.kinds()[key].label)})
    _save([doc for doc in own if doc["key"] != key], actor)


def _save(own: list[dict[str, Any]], actor: Actor) -> None:
    catalog.update_field(catalog.get("customer"), "identities", {"kinds": own}, actor)
