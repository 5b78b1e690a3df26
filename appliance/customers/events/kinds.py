"""The kinds of events: the built-in ones, and those that a company adds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ...accounts import audit
from ...accounts.actor import Actor
from ...accounts.cache import Cache, forget
from ...core import clock, schema
from ...core.db import read, write
from ...core.errors import FieldErrors, NotFound
from ...core.i18n import label as i18n_label
from ...forms.catalog import KEY
from ...forms.fields.base import Label, is_label
from .models import Event, EventType

INTERACTION, WATCH = "interaction", "watch"
COUNTS_AS = {INTERACTION: _l("互动"), WATCH: _l("观看时长")}
ICONS = (
    "eye", "message-circle", "heart", "share", "gift", "user-plus", "users-group", "message", "click", "shopping-cart",
    "world", "star", "bell", "ticket", "phone", "calendar", "map-pin", "point",
)  # fmt: skip
MAX_LABEL = 30
MAX_TYPES = 200

BUILT_IN: tuple[tuple[str, str, str, str, str | None], ...] = (
    ("watch", "观看", "Watch", "eye", WATCH),
    ("comment", "评论", "Comment", "message-circle", INTERACTION),
    ("like", "点赞", "Like", "heart", INTERACTION),
    ("share", "分享", "Share", "share", INTERACTION),
    ("gift", "送礼", "Gift", "gift", INTERACTION),
    ("follow", "关注", "Follow", "user-plus", None),
    ("join_fan_club", "加入粉丝团", "Join fan club", "users-group", None),
    ("message", "私信", "Message", "message", None),
    ("click", "点击", "Click", "click", None),
    ("add_to_cart", "加购", "Add to cart", "shopping-cart", None),
    ("visit", "访问", "Visit", "world", None),
)
"""Key, names, icon, what it counts as."""


class Kind(Struct, frozen=True):
    """One kind of event. ``counts_as``: see :class:`EventType`; ``deleted``: no more of it is taken."""

    key: str
    spec_label: Label
    icon: str
    counts_as: str | None
    system: bool
    deleted: bool

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label)

    def document(self) -> dict[str, Any]:
        return {
            "key": self.key, "label": self.spec_label, "icon": self.icon, "counts_as": self.counts_as,
            "system": self.system,
        }  # fmt: skip


_known: Cache[dict[str, Kind]] = Cache()


def _load() -> dict[str, Kind]:
    with read():
        rows = list(EventType.select().order_by(EventType.position, EventType.id))
    return {r.key: Kind(r.key, r.label, r.icon, r.counts_as, r.system, r.deleted_at is not None) for r in rows}


def every() -> dict[str, Kind]:
    """All kinds by key, in order; those that were deleted, too (their events have names)."""
    return _known.get("", _load)


def all_kinds() -> list[Kind]:
    """The kinds that events can be of."""
    return [kind for kind in every().values() if not kind.deleted]


def get(key: str) -> Kind:
    """Raises :class:`NotFound`."""
    found = every().get(key)
    if found is None or found.deleted:
        raise NotFound(_("没有互动类型「%(key)s」。", key=key))
    return found


def label_of(key: str) -> str:
    kind = every().get(key)
    return kind.label if kind else key


def counted_as(what: str) -> list[str]:
    """Keys of the kinds that make up a figure; those that were deleted, too."""
    return [kind.key for kind in every().values() if kind.counts_as == what]


def save(doc: dict[str, Any], actor: Actor, key: str | None = None) -> Kind:
    """Makes a kind, or changes the one of that key: ``{"key", "label", "icon", "counts_as"}``. Raises FieldErrors, NotFound.

    When what it counts as changes, the figures of its customers are counted again, as a job.
    """
    known = every()
    if key is not None and key not in known:
        raise NotFound(_("没有互动类型「%(key)s」。", key=key))
    old = known[key].document() if key is not None else {"icon": "point", "counts_as": None}
    new = old | {name: doc[name] for name in ("label", "icon", "counts_as") if name in doc}
    wanted = key or doc.get("key") or ""
    errors = _problems(wanted, new, fresh=key is None)
    if key is None and "key" not in errors and wanted in known and not known[wanted].deleted:
        errors["key"] = _("互动类型「%(key)s」已经有了。", key=wanted)
    if key is None and len(known) >= MAX_TYPES:
        errors["key"] = _("最多 %(max)d 种互动类型。", max=MAX_TYPES)
    if errors:
        raise FieldErrors(errors)
    values = {"label": new["label"], "icon": new["icon"], "counts_as": new["counts_as"] or None, "deleted_at": None}
    with write():
        if wanted in known:
            EventType.update(values).where(EventType.key == wanted).execute()
        else:
            EventType.insert(key=wanted, position=len(known), **values).execute()
        audit.note("event_type.saved", {"event_type": wanted, "label": i18n_label(new["label"])}, actor)
        if (known[wanted].counts_as if wanted in known else None) != values["counts_as"]:
            _recount()
        forget()
        _known.clear()
    _known.clear()
    return every()[wanted]


def _problems(key: Any, doc: dict[str, Any], *, fresh: bool) -> dict[str, str]:
    errors = {}
    if fresh and (not isinstance(key, str) or not KEY.fullmatch(key)):
        errors["key"] = _("键名只能用小写字母、数字和下划线，以字母开头。")
    label = doc.get("label")
    if not label or not is_label(label) or not i18n_label(label).strip():
        errors["label"] = _("请填写名称。")
    elif max(map(len, [label] if isinstance(label, str) else label.values())) > MAX_LABEL:
        errors["label"] = _("名称最多 %(max)d 个字。", max=MAX_LABEL)
    if doc["icon"] not in ICONS:
        errors["icon"] = _("没有这个图标，可用：%(icons)s。", icons=", ".join(ICONS))
    if doc["counts_as"] not in (None, "", *COUNTS_AS):
        errors["counts_as"] = _("计入只能是 interaction、watch 或空。")
    return errors


def delete(key: str, actor: Actor) -> None:
    """No more events of the kind are taken; those there are stay. Raises NotFound, FieldErrors for a built-in one."""
    kind = get(key)
    if kind.system:
        raise FieldErrors({"key": _("「%(name)s」是内置的互动类型，不能删除。", name=kind.label)})
    _set_deleted(kind, clock.now(), "event_type.deleted", actor)


def restore(key: str, actor: Actor) -> None:
    """Takes a deletion back. Raises NotFound."""
    kind = every().get(key)
    if kind is None:
        raise NotFound(_("没有互动类型「%(key)s」。", key=key))
    _set_deleted(kind, None, "event_type.restored", actor)


def _set_deleted(kind: Kind, at: int | None, action: str, actor: Actor) -> None:
    with write():
        EventType.update(deleted_at=at).where(EventType.key == kind.key).execute()
        audit.note(action, {"event_type": kind.key, "label": kind.label}, actor)
        forget()
    _known.clear()


def used() -> dict[str, int]:
    """How many events there are of each kind."""
    from peewee import fn

    with read():
        return dict(Event.select(Event.type, fn.COUNT(Event.id)).group_by(Event.type).tuples())


def _recount() -> None:
    from . import figures

    figures.ask_recount()


@schema.seed
def install() -> None:
    """The built-in kinds; what the company changed in them stays."""
    there = {key for (key,) in EventType.select(EventType.key).tuples()}
    _add((place, *kind) for place, kind in enumerate(BUILT_IN) if kind[0] not in there)
    _known.clear()


def _add(rows: Iterable[tuple[int, str, str, str, str, str | None]]) -> None:
    for position, key, zh, en, icon, counts_as in rows:
        EventType.insert(
            key=key, label={"zh": zh, "en": en}, icon=icon, counts_as=counts_as, position=position, system=True
        ).execute()
