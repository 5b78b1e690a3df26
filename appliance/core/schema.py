"""Brings the database to the schema of this release: create, migrate with a backup before, or refuse.

What the rooms bring (tables, seeds) is named in one visible list, ``appliance/schema.py``, which stands above all
rooms; this module only obeys it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from flask_babel import gettext as _
from msgspec import Struct
from peewee import fn

from .. import __version__
from . import clock, folder, secrets, snapshot
from .db import Model, db, read, write
from .errors import UserError
from .models import SchemaVersion, Setting

log = logging.getLogger(__name__)

BASE = 1
"""The version of a database made by the first release; migrations count on from here."""

_RELEASE = "_release"

Seed = TypeVar("Seed", bound=Callable[[], None])
_seeds: list[Callable[[], None]] = []


class Migration(Struct, frozen=True):
    """One numbered step. ``apply`` works inside one write transaction and has its own frozen models."""

    number: int
    name: str
    apply: Callable[[], None]


def seed(plant: Seed) -> Seed:
    """Registers what every database must hold (built-in roles, forms, timers).

    Called inside ``write()`` on a fresh database and after each change of release, in the order of the rooms: it must
    bring in what is missing and leave alone what is there.
    """
    _seeds.append(plant)
    return plant


def tables() -> list[type[Model]]:
    """The models of all rooms."""
    return _rooms().tables()


def load() -> None:
    """Imports the rooms' parts, so that every registry is full."""
    _rooms().load()


def migrations() -> Sequence[Migration]:
    return _rooms().MIGRATIONS


def current() -> int:
    """The version this release needs."""
    steps = migrations()
    return steps[-1].number if steps else BASE


def found() -> int:
    """The version of the open database; 0 when it is empty."""
    with read():
        if not db.table_exists(SchemaVersion._meta.table_name):
            return 0
        return int(SchemaVersion.select(fn.MAX(SchemaVersion.number)).scalar() or 0)


def prepare(*, reseed: bool = False) -> None:
    """Makes the open database fit for this release. ``reseed``: run the seeds even if the release is the same.

    Raises :class:`UserError` when the database belongs to a newer release.
    """
    load()
    version = found()
    if version > current():
        raise UserError(
            _(
                "数据库来自更新的版本（结构 %(found)s，本程序到 %(current)s）。请安装更新的固客，或恢复较早的备份。",
                found=version,
                current=current(),
            )
        )
    if version and not (folder.path() / folder.KEY_NAME).exists():
        # A restore without its key: secrets must be typed in again, but the company can go on working.
        log.warning("the key file was missing; made a new one")
        secrets.make_key(folder.path())
    if version == 0:
        _create()
    elif version < current():
        _migrate(version)
    if reseed or _release() != __version__:
        _run_seeds()


def _create() -> None:
    secrets.make_key(folder.path())
    with write():
        db.create_tables(tables())
        SchemaVersion.insert(number=current(), name="new", applied_at=clock.now()).on_conflict_ignore().execute()


def _migrate(version: int) -> None:
    target = folder.path() / "backups" / f"before-upgrade-{version}-to-{current()}-{clock.now()}.db"
    snapshot.take(target)
    log.info("backup before the upgrade: %s", target)
    for step in migrations():
        with write():
            # Asked again inside the transaction: another process may be upgrading too.
            if found() >= step.number:
                continue
            step.apply()
            SchemaVersion.insert(number=step.number, name=step.name, applied_at=clock.now()).execute()
        log.info("migration %s %s applied", step.number, step.name)


def planting() -> bool:
    """Whether the database is being made: its seeds have never been through."""
    return _release() is None


def _release() -> str | None:
    with read():
        row = Setting.get_or_none(Setting.key == _RELEASE)
        return str(row.value) if row else None


def _run_seeds() -> None:
    for plant in _seeds:
        with write():
            plant()
    with write():
        Setting.insert(key=_RELEASE, value=__version__, updated_at=clock.now()).on_conflict(
            conflict_target=[Setting.key], preserve=[Setting.value, Setting.updated_at]
        ).execute()


class _Rooms:
    """What ``appliance/schema.py`` offers."""

    MIGRATIONS: Sequence[Migration]
    tables: Callable[[], list[type[Model]]]
    load: Callable[[], None]


def _rooms() -> type[_Rooms]:
    # By name: the list stands above every room, and core may import none of them.
    return importlib.import_module("appliance.schema")  # type: ignore[return-value]
