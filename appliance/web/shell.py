"""What every page shows around its content: rail, top bar, tabs of the phone; and the globals of all templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, current_app, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext, pgettext
from msgspec import Struct, field

from .. import __version__
from ..accounts import notices
from ..accounts.actor import Actor, current_actor, maybe_actor
from ..accounts.permissions import ROOMS, can, has_room
from ..core import clock, i18n, incidents, nav, settings
from ..core.nav import Entry
from ..forms import catalog
from . import help

LIST = "forms.list_records"
"""The list page of any form, ``form_key`` in the URL."""


class Link(Struct, frozen=True):
    """One entry as a page shows it."""

    label: str
    url: str
    icon: str
    active: bool = False
    words: str = ""


class Group(Struct, frozen=True):
    """A block of the rail."""

    key: str
    label: str
    links: list[Link] = field(default_factory=list)

    @property
    def folds(self) -> bool:
        """The settings are many and seldom asked for: one row, until somebody opens them."""
        return self.key == "settings"

    @property
    def open(self) -> bool:
        return any(link.active for link in self.links) or request.cookies.get(f"guke_rail_{self.key}") == "open"


class _Macros:
    """``ui.icon("users")`` in every template and block, without an import."""

    def __init__(self, app: Flask) -> None:
        self._env = app.jinja_env

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env.get_template("_macros.html").module, name)


class Shell:
    """Everything base.html asks for; each part is computed only when it is shown."""

    version = __version__

    @property
    def company(self) -> str:
        return settings.get("company.name") or _("固客")

    @property
    def groups(self) -> list[Group]:
        return rail(current_actor())

    @property
    def tabs(self) -> list[Link]:
        return phone_tabs(current_actor())

    @property
    def help_url(self) -> str:
        topic = help.topic_for(request.endpoint or "", i18n.current())
        return url_for("help.topic", key=topic.key) if topic else url_for("help.index")

    @property
    def notices(self) -> int:
        """How many things the person has not read, and (administrators) how many need one."""
        return waiting(current_actor())


def waiting(actor: Actor) -> int:
    """What the bell counts for ``actor``."""
    return notices.unread(actor) + (incidents.count() if actor.is_admin else 0)


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        ui=_Macros(app),
        shell=Shell(),  # nosec B604: no process is started
        sprite=_sprite(app),
        label=i18n.label,
        settings=settings.get,
        can=lambda verb, form_key=None: _can(verb, form_key),
        current_actor=maybe_actor,
        locale=i18n.current,
        lang=lambda: "zh-CN" if i18n.current() == "zh" else i18n.current(),
        locales=i18n.LOCALES,
    )
    app.jinja_env.filters.update(moment=moment, day=day, hour=hour, ago=ago, number=number, yuan=yuan)


def _sprite(app: Flask) -> str:
    """The icons' URL, made once: a page names dozens of them, and ``url_for`` takes longer than the rest of an icon."""
    name = "vendor/tabler-icons-sprite.svg"
    version = (Path(app.static_folder or "") / name).stat().st_mtime_ns // 1_000_000
    return f"{app.static_url_path}/{name}?v={version:x}"


def _can(verb: str, form_key: str | None) -> bool:
    actor = maybe_actor()
    return actor is not None and can(actor, verb, form_key)


def allowed(actor: Actor, entry: Entry) -> bool:
    return may(actor, entry.right)


def may(actor: Actor, right: nav.Right) -> bool:
    """Whether the person has a right as ``nav`` writes it."""
    if right is None:
        return True
    if right == "admin":
        return actor.is_admin
    if isinstance(right, str) and right in ROOMS:
        return has_room(actor, right)
    if isinstance(right, tuple):
        return can(actor, *right)
    return can(actor, right)


def _link(entry: Entry) -> Link:
    return Link(
        i18n.label(entry.label), url_for(entry.endpoint, **entry.values), entry.icon, _is_here(entry), entry.words
    )


def _is_here(entry: Entry) -> bool:
    """A page belongs to the entry whose endpoint it is, or whose endpoint's name it begins with."""
    here = request.endpoint or ""
    same = here == entry.endpoint or here.startswith(f"{entry.endpoint}_")
    return same and all((request.view_args or {}).get(k) == v for k, v in entry.values.items())


def entries(actor: Actor) -> Iterator[Entry]:
    """The rooms' pages that ``actor`` may open."""
    return (e for e in nav.entries() if allowed(actor, e) and e.endpoint in current_app.view_functions)


def forms(actor: Actor) -> list[catalog.Form]:
    """The forms in the rail: those that ``actor`` may see and that do not live inside another form's page."""
    if LIST not in current_app.view_functions:
        return []
    return [f for f in catalog.all() if f.options.get("in_rail") is not False and can(actor, "see", f.key)]


def form_link(form: catalog.Form) -> Link:
    # A page about the form that has a place of its own in the rail is shown there.
    here = (request.view_args or {}).get("form_key") == form.key and not any(_is_here(e) for e in nav.entries())
    return Link(form.label, url_for(LIST, form_key=form.key), form.icon, here, form.key)


def rail(actor: Actor) -> list[Group]:
    """The groups of the left rail, empty ones left out."""
    groups: dict[str, Group] = {key: Group(key, i18n.label(text)) for key, text in nav.GROUPS.items()}
    for form in forms(actor):
        name = i18n.label(form.group) if form.group else ""
        key = f"records:{name}" if name else "records"
        if key not in groups:
            groups = _insert_after(groups, "records", Group(key, name))
        groups[key].links.append(form_link(form))
    for entry in entries(actor):
        groups[entry.group].links.append(_link(entry))
    return [group for group in groups.values() if group.links]


def _insert_after(groups: dict[str, Group], key: str, new: Group) -> dict[str, Group]:
    """Groups that the company named stand together after ``key``, in the order of their first form."""
    keys = list(groups)
    last = max(i for i, k in enumerate(keys) if k == key or k.startswith(f"{key}:"))
    items = list(groups.items())
    return dict([*items[: last + 1], (new.key, new), *items[last + 1 :]])


def phone_tabs(actor: Actor) -> list[Link]:
    """Four places under the thumb; the fifth opens the rest."""
    seen = {f.key: f for f in forms(actor)}
    tabs = [Link(_("工作台"), url_for("web.home"), "home", request.endpoint == "web.home")]
    tabs += [form_link(seen["customer"])] if "customer" in seen else []
    if can(actor, "see", "task") and "sales.my_day" in current_app.view_functions:
        here = (request.endpoint or "").startswith(("sales.my_day", "sales.team", "sales.day_of"))
        tabs.append(Link(pgettext("work", "任务"), url_for("sales.my_day"), "checkbox", here))
    elif "order" in seen:
        tabs.append(form_link(seen["order"]))
    tabs.append(Link(_("消息"), url_for("web.notices"), "bell", request.endpoint == "web.notices"))
    return tabs


# -- filters ----------------------------------------------------------------------------------------------------


def moment(seconds: int | None) -> str:
    """``2026-11-22 09:30`` in the company's time zone."""
    return clock.local(seconds, settings.tz()).strftime("%Y-%m-%d %H:%M") if seconds is not None else ""


def day(seconds: int | None) -> str:
    return clock.local(seconds, settings.tz()).strftime("%Y-%m-%d") if seconds is not None else ""


def hour(seconds: int | None) -> str:
    """``09:30``, where the day is said already."""
    return clock.local(seconds, settings.tz()).strftime("%H:%M") if seconds is not None else ""


def ago(seconds: int | None) -> str:
    """How long ago, in words: 刚刚, 5 分钟前, 昨天 18:20, then the date."""
    if seconds is None:
        return ""
    age = clock.now() - seconds
    tz = settings.tz()
    then, now = clock.local(seconds, tz), clock.local(clock.now(), tz)
    if 0 <= age < 60:
        return _("刚刚")
    if 0 <= age < 3600:
        return ngettext("%(num)d 分钟前", "%(num)d 分钟前", age // 60)
    days = (now.date() - then.date()).days
    if days == 0:
        return _("今天 %(time)s", time=then.strftime("%H:%M"))
    if days == 1:
        return _("昨天 %(time)s", time=then.strftime("%H:%M"))
    return then.strftime("%m-%d %H:%M" if then.year == now.year else "%Y-%m-%d")


def number(value: int | float | None, places: int = 0) -> str:
    """``12,304``."""
    return "—" if value is None else f"{value:,.{places}f}"


def yuan(fen: int | None) -> str:
    """``¥1,299.00``; from ten thousand yuan on without the fen; from a hundred million in 亿."""
    if fen is None:
        return "—"
    value = fen / 100
    if abs(value) >= 1e8 and i18n.current() == "zh":
        return f"¥{value / 1e8:,.2f} 亿"
    return f"¥{value:,.0f}" if abs(value) >= 10_000 else f"¥{value:,.2f}"
