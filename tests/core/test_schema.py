"""The schema: made whole, migrated with a backup before, refused when it is newer."""

from __future__ import annotations

from pathlib import Path

import pytest

import appliance.schema
from appliance.core import schema, secrets, settings, snapshot
from appliance.core.db import db
from appliance.core.errors import UserError
from appliance.core.models import SchemaVersion
from appliance.core.schema import Migration


def test_a_fresh_database_has_every_table_and_the_version(folder: Path) -> None:
    assert schema.found() == schema.current()
    assert {m._meta.table_name for m in schema.tables()} <= set(db.get_tables())
    assert (folder / "guke.key").stat().st_mode & 0o777 == 0o600


def test_an_older_database_is_backed_up_and_migrated_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.set("company.name", "前")
    applied = []

    def apply() -> None:
        applied.append(True)
        db.execute_sql("CREATE TABLE new_thing (id INTEGER PRIMARY KEY)")

    monkeypatch.setattr(appliance.schema, "MIGRATIONS", [Migration(2, "a new thing", apply)])
    schema.prepare()
    schema.prepare()
    assert applied == [True]
    assert schema.found() == 2
    assert "new_thing" in db.get_tables()
    [before] = (folder / "backups").glob("before-upgrade-1-to-2-*.db")
    assert snapshot.version(before) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply() -> None:
        db.execute_sql("CREATE TABLE half (id INTEGER PRIMARY KEY)")
        raise RuntimeError("broken")

    monkeypatch.setattr(appliance.schema, "MIGRATIONS", [Migration(2, "broken", apply)])
    with pytest.raises(RuntimeError):
        schema.prepare()
    assert schema.found() == 1
    assert "half" not in db.get_tables()


def test_a_newer_database_is_refused(folder: Path) -> None:
    SchemaVersion.insert(number=99, name="future", applied_at=0).execute()
    with pytest.raises(UserError, match="更新的版本"):
        schema.prepare()


def test_a_lost_key_is_replaced_and_old_secrets_stay_shut(folder: Path) -> None:
    sealed = secrets.seal("令牌")
    assert secrets.unseal(sealed) == "令牌"
    (folder / "guke.key").unlink()
    secrets.forget()
    schema.prepare()
    with pytest.raises(UserError):
        secrets.unseal(sealed)


def test_a_signature_is_good_for_its_purpose_only(folder: Path) -> None:
    signature = secrets.sign("42", "download")
    assert secrets.verify("42", signature, "download")
    assert not secrets.verify("43", signature, "download")
    assert not secrets.verify("42", signature, "login")
