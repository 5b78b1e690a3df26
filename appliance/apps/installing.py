"""Installing, upgrading and removing app packages. Each is one transaction: it happens whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts.actor import SYSTEM
from ..core import clock
from ..core.db import read, write
from ..core.errors import Conflict, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog, records
from ..forms.hooks import Cause
from . import kinds
from .kinds import KINDS, REMOVING
from .models import App, AppObject
from .package import Item, Package, order

log = logging.getLogger(__name__)


class Installed(Struct):
    """What installing did. Objects are ``kind:key``; ``kept``: the company changed or deleted them."""

    app: str
    version: str
    installed: bool = False
    upgraded_from: str | None = None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    sample_records: int = 0


class Removed(Struct):
    """``stays``: sentence by object that could not go."""

    app: str
    removed: list[str] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)


def installed() -> list[App]:
    with read():
        return list(App.select().order_by(App.key))


def install(package: Package) -> Installed:
    """Installs or upgrades; the same version changes nothing. Raises UserError, and then nothing has changed."""
    with write():
        row = App.get_or_none(App.key == package.app)
        if row is not None and order(row.version) == order(package.version):
            return Installed(package.app, row.version)
        if row is not None and order(row.version) > order(package.version):
            raise UserError(
                _(
                    "已安装「%(app)s」%(newer)s，不能换成更旧的 %(older)s。",
                    app=i18n_label(package.label), newer=row.version, older=package.version,
                )
            )  # fmt: skip
        done = _Installer(package, fresh=row is None).run()
        if row is None:
            done.sample_records = _add_sample(package)
        else:
            done.upgraded_from = row.version
        App.insert(
            key=package.app, version=package.version, label=package.label, installed_at=clock.now()
        ).on_conflict(
            conflict_target=[App.key], preserve=[App.version, App.label, App.installed_at]
        ).execute()  # fmt: skip
        return done


class _Installer:
    """Puts the objects of one package in their places, inside the transaction of :func:`install`."""

    def __init__(self, package: Package, *, fresh: bool) -> None:
        self.package = package
        self.fresh = fresh
        self.done = Installed(package.app, package.version, installed=True)
        self.held = {(o.kind, o.key): o for o in AppObject.select().where(AppObject.app == package.app)}
        self.new_forms: set[str] = set()
        self.gone_forms: set[str] = set()
        """Forms of the app that the company has deleted: nothing is built on them any more."""
        self.late: list[Item] = []
        """Changed forms, which may name a new field as their title."""

    def run(self) -> Installed:
        for item in self.package.items():
            with _about(item):
                self._place(item)
        for item in self.late:
            with _about(item):
                self._change(item)
        self._drop()
        return self.done

    def _place(self, item: Item) -> None:
        row, now = self.held.pop((item.kind, item.key), None), kinds.current(item.kind, item.key)
        if item.form in self.gone_forms:
            self._keep(item)
        elif row is None or (now is None and self.fresh):
            self._add(item, now)
        elif now != row.stored:
            self._keep(item)
            if now is None and item.kind == "form":
                self.gone_forms.add(item.key)
        elif row.document != item.document:
            if item.kind == "form":
                self.late.append(item)
            else:
                self._change(item)

    def _add(self, item: Item, now: Any) -> None:
        kind = KINDS[item.kind]
        if now is None:
            kind.add(item)
            if item.kind == "form":
                self.new_forms.add(item.key)
        elif kind.joins:
            kind.join(item)
            return
        elif not (item.kind == "field" and item.form in self.new_forms):
            raise Conflict(_("已经有这个键名，但不是这个应用装的，请先改名或删除。"))
        self.done.added.append(f"{item.kind}:{item.key}")
        self._remember(item)

    def _change(self, item: Item) -> None:
        KINDS[item.kind].change(item)
        self.done.changed.append(f"{item.kind}:{item.key}")
        self._remember(item)

    def _keep(self, item: Item) -> None:
        self.done.kept.append(f"{item.kind}:{item.key}")

    def _remember(self, item: Item) -> None:
        AppObject.insert(
            app=self.package.app, kind=item.kind, key=item.key, document=item.document,
            stored=kinds.current(item.kind, item.key),
        ).on_conflict(
            conflict_target=[AppObject.app, AppObject.kind, AppObject.key],
            preserve=[AppObject.document, AppObject.stored],
        ).execute()  # fmt: skip

    def _drop(self) -> None:
        """What this version no longer has and the company has not made its own goes; records and tags stay."""
        for kind_key in REMOVING:
            for (kind, key), row in self.held.items():
                if kind != kind_key or not KINDS[kind].replaced or kinds.current(kind, key) != row.stored:
                    continue
                if KINDS[kind].remove(key) is None:
                    self.done.removed.append(f"{kind}:{key}")
                    row.delete_instance()


@contextmanager
def _about(item: Item) -> Iterator[None]:
    """Says which object a sentence is about, and which place in it."""
    noun = KINDS[item.kind].noun
    try:
        yield
    except UserError as error:
        places = [_("%(place)s：%(why)s", place=place, why=why) for place, why in error.errors.items()]
        why = _("；").join(places) or error.message
        raise UserError(_("%(what)s「%(key)s」：%(why)s", what=noun, key=item.key, why=why)) from error
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        log.debug("a package's object of a wrong shape", exc_info=True)
        raise UserError(
            _("%(what)s「%(key)s」写得不对（%(why)s），请对照手册检查。", what=noun, key=item.key, why=error)
        ) from error


def _add_sample(package: Package) -> int:
    count = 0
    for form_key, rows in package.sample.items():
        written = records.create_many(catalog.get(form_key), rows, SYSTEM, Cause("import"))
        for index, errors in sorted(written.errors.items()):
            raise UserError(
                _(
                    "sample_data 里 %(form)s 第 %(number)s 条：%(why)s",
                    form=form_key, number=index + 1, why=_("；").join(errors.values()),
                )
            )  # fmt: skip
        count += len(rows)
    return count


def remove(app: str) -> Removed:
    """Takes an app away. What holds the company's data stays and is told; installing again finds it. Raises NotFound."""
    with write():
        row = App.get_or_none(App.key == app)
        if row is None:
            raise NotFound(_("没有安装「%(app)s」这个应用，可用 guke app list 查看。", app=app))
        done = Removed(app)
        mine = list(AppObject.select().where(AppObject.app == app).order_by(AppObject.id.desc()))
        for kind in REMOVING:
            for thing in mine:
                if thing.kind == kind:
                    _take_away(thing, done)
        row.delete_instance()
        return done


def _take_away(thing: AppObject, done: Removed) -> None:
    ident = f"{thing.kind}:{thing.key}"
    if thing.kind == "field" and f"form:{thing.key.partition('.')[0]}" in done.stays:
        return
    if kinds.current(thing.kind, thing.key) is not None:
        why = KINDS[thing.kind].remove(thing.key)
        if why is not None:
            done.stays[ident] = why
            return
        done.removed.append(ident)
    thing.delete_instance()
