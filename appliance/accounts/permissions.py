"""What roles allow. A person with several roles may do what any of them allows.

Everything that shows or changes records asks here: :func:`can`, :func:`scope`, :func:`field_access`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from functools import partial
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..core.errors import Forbidden
from . import sharing
from .actor import Actor
from .cache import Cache
from .models import Role

VERBS = ("see", "create", "edit", "delete", "export", "import", "bulk", "design", "purge")
"""What can be done with a form's records; ``design`` changes the form itself, ``purge`` deletes for good."""

ACCESS = ("hidden", "masked", "read", "edit")
"""What a person gets of one field, from nothing to everything."""

ROOMS = {
    "rules": _l("规则与决策表"),
    "segments": _l("客群、动态标签与公司指标"),
    "reports": _l("制作报表"),
    "settings": _l("公司设置"),
    "messages": _l("给客户发消息"),
    "tokens": _l("API 令牌"),
    "users": _l("用户与部门"),
    "loyalty": _l("会员权益"),
}
"""Rights that are about no form. Administrators have them all."""

COMMON_ROOMS = frozenset({"reports", "tokens"})
"""What a role has that does not say otherwise."""

WHOSE = {"own": "me", "department": "department", "below": "below"}
"""Scopes that people choose by a word, and the test ``whose`` that each stands for."""

ANY = "*"
"""The form key that stands for every form without an entry of its own."""


def _known(words: Set[str], there_are: tuple[str, ...]) -> None:
    if unknown := words - set(there_are):
        raise ValueError(f"no such right: {', '.join(sorted(unknown))}; there are {', '.join(there_are)}")


class FormRights(Struct, frozen=True):
    """A role's rights on one form: verbs, the condition that visible records meet, exceptions for single fields.

    ``deny``: a condition; who has the role never sees a record that meets it, whatever other roles allow.
    """

    verbs: frozenset[str] = frozenset()
    scope: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    deny: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, document: Mapping[str, Any]) -> FormRights:
        verbs, fields = frozenset(document.get("verbs", ())), dict(document.get("fields", {}))
        _known(verbs, VERBS)
        _known(set(fields.values()), ACCESS)
        return cls(verbs, dict(document.get("scope", {})), fields, dict(document.get("deny", {})))

    def document(self) -> dict[str, Any]:
        found = {"verbs": sorted(self.verbs), "scope": dict(self.scope), "fields": dict(self.fields)}
        return found | ({"deny": dict(self.deny)} if self.deny else {})


class Rights(Struct, frozen=True):
    """A role's rights. ``admin`` allows everything; ``forms``: form key, or ``*``, to :class:`FormRights`; ``rooms``: some of
    :data:`ROOMS`."""

    admin: bool = False
    forms: Mapping[str, FormRights] = field(default_factory=dict)
    rooms: frozenset[str] = COMMON_ROOMS

    @classmethod
    def open(cls, document: Mapping[str, Any]) -> Rights:
        """Reads the stored JSON; raises ``ValueError`` on a word it does not know."""
        rooms = frozenset(document.get("rooms", COMMON_ROOMS))
        _known(rooms, tuple(ROOMS))
        forms = {key: FormRights.open(rights) for key, rights in document.get("forms", {}).items()}
        return cls(bool(document.get("admin")), forms, rooms)

    def document(self) -> dict[str, Any]:
        found = {"admin": self.admin, "forms": {key: rights.document() for key, rights in self.forms.items()}}
        return found if self.rooms == COMMON_ROOMS else found | {"rooms": sorted(self.rooms)}

    def on(self, form_key: str) -> FormRights:
        """The rights on a form: its own, else those on the form whose line items it holds, else those on any."""
        found = self.forms.get(form_key)
        if found is not None:
            return found
        rest = self.forms.get(ANY) or NOTHING
        whole = _whole_of(form_key)
        if whole is None:
            return rest
        # Which line items are seen follows from their record alone.
        return FormRights(self.on(whole).verbs, {}, rest.fields)


NOTHING = FormRights()

Parts = Callable[[str], "str | None"]
_parts: list[Parts] = []


def parts(fn: Parts) -> Parts:
    """Registers what knows the form whose line items a form holds."""
    _parts.append(fn)
    return fn


def _whole_of(form_key: str) -> str | None:
    return next((found for fn in _parts if (found := fn(form_key))), None)


ADMIN = Rights(admin=True)
STAFF = Rights(forms={ANY: FormRights(frozenset(VERBS) - {"design", "purge"})})

_rights: Cache[Rights] = Cache()


def rights_of(actor: Actor) -> list[Rights]:
    """The rights of each of the actor's roles, as far as the API token that asks leaves them."""
    if actor.rights is not None:
        return list(actor.rights)
    return [_rights.get(role_id, partial(_load, role_id)) for role_id in actor.role_ids]


def _load(role_id: int) -> Rights:
    role = Role.get_or_none(Role.id == role_id)
    return Rights.open(role.rights) if role else Rights()


def can(actor: Actor, verb: str, form_key: str | None = None) -> bool:
    """Whether ``actor`` may do ``verb`` with records of the form; without a form: with those of any form."""
    if verb not in VERBS:
        raise ValueError(f"no such right: {verb!r}; there are {', '.join(VERBS)}")
    if actor.is_admin:
        return True
    if form_key is None:
        return any(verb in rights.verbs for role in rights_of(actor) for rights in role.forms.values())
    return any(verb in role.on(form_key).verbs for role in rights_of(actor))


def demand(actor: Actor, verb: str, form_key: str | None = None) -> None:
    """Raises :class:`Forbidden` unless ``can()``."""
    if not can(actor, verb, form_key):
        raise Forbidden(_("您没有这项权限。需要时请联系管理员。"))


def has_room(actor: Actor, room: str) -> bool:
    """Whether ``actor`` may work in one of :data:`ROOMS`."""
    if room not in ROOMS:
        raise ValueError(f"no such right: {room!r}; there are {', '.join(ROOMS)}")
    return actor.is_admin or any(room in rights.rooms for rights in rights_of(actor))


def demand_room(actor: Actor, room: str) -> None:
    """Raises :class:`Forbidden` unless ``has_room()``."""
    if not has_room(actor, room):
        raise Forbidden(_("您没有「%(room)s」的权限。需要时请联系管理员。", room=str(ROOMS[room])))


def scope(actor: Actor, form_key: str, verb: str = "see") -> dict[str, Any]:
    """The condition that a record must meet to exist for ``actor``: ``{}`` all, ``{"any": []}`` none.

    ``verb``: the scopes are those of the roles that allow it; with ``edit`` what was shared only to be looked at is left out,
    with any other verb but ``see`` all that was shared.
    """
    if actor.is_admin:
        return {}
    needed = {"see", verb} & set(VERBS)
    held = [rights for role in rights_of(actor) if needed <= (rights := role.on(form_key)).verbs]
    allowed = _allowed([dict(rights.scope) for rights in held], actor, form_key, verb)
    denied = [{"not": dict(role.on(form_key).deny)} for role in rights_of(actor) if role.on(form_key).deny]
    if not denied:
        return allowed
    return {"all": [*([allowed] if allowed else []), *denied]}


def _allowed(scopes: list[dict[str, Any]], actor: Actor, form_key: str, verb: str) -> dict[str, Any]:
    if {} in scopes:
        return {}
    if scopes and verb in _SHARED and sharing.any_for(actor.id, form_key):
        scopes = [*scopes, {"whose": _SHARED[verb]}]
    return scopes[0] if len(scopes) == 1 else {"any": scopes}


_SHARED = {"see": "shared", "edit": "shared_edit"}


def field_access(actor: Actor, form_key: str, field_key: str) -> str:
    """``hidden``, ``masked``, ``read`` or ``edit``: the most that any of the actor's roles gives."""
    if actor.is_admin:
        return "edit"
    found = [
        role.on(form_key).fields.get(field_key, "edit") for role in rights_of(actor) if "see" in role.on(form_key).verbs
    ]
    own = max(found, key=ACCESS.index, default="hidden")
    if own == "hidden":
        return own
    others = [_of_origin(actor, *place) for origins in _origins for place in origins(form_key, field_key)]
    return min([own, *others], key=ACCESS.index)


Origins = Callable[[str, str], Iterable[tuple[str, str]]]
_origins: list[Origins] = []


def origins(fn: Origins) -> Origins:
    """Registers what knows which fields a field repeats (form and field): nobody sees more of it than of those."""
    _origins.append(fn)
    return fn


def _of_origin(actor: Actor, form_key: str, field_key: str) -> str:
    """What of a field's values may be repeated elsewhere; that they cannot be edited there is another matter."""
    if not can(actor, "see", form_key):
        return "hidden"
    access = field_access(actor, form_key, field_key) if field_key else "edit"
    return access if access in ("hidden", "masked") else "edit"
