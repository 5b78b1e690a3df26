"""The schema: made whole, migrated with a backup before, refused when it is newer."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import appliance.schema
from appliance.accounts.actor import SYSTEM
from appliance.core import schema, secrets, settings, snapshot
from appliance.core.db import db, open_database
from appliance.core.errors import UserError
from appliance.core.models import SchemaVersion
from appliance.core.schema import Migration
from appliance.forms import catalog, query, records
from appliance.migrations import MIGRATIONS

FIRST = Path(__file__).parent.parent / "data" / "guke-0.1.0.db.gz"


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

    old, new = schema.current(), schema.current() + 1
    monkeypatch.setattr(appliance.schema, "MIGRATIONS", [*MIGRATIONS, Migration(new, "a new thing", apply)])
    schema.prepare()
    schema.prepare()
    assert applied == [True]
    assert schema.found() == new
    assert "new_thing" in db.get_tables()
    [before] = (folder / "backups").glob(f"before-upgrade-{old}-to-{new}-*.db")
    assert snapshot.version(before) == old


def test_a_migration_that_fails_leaves_the_database_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply() -> None:
        db.execute_sql("CREATE TABLE half (id INTEGER PRIMARY KEY)")
        raise RuntimeError("broken")

    old = schema.current()
    monkeypatch.setattr(appliance.schema, "MIGRATIONS", [*MIGRATIONS, Migration(old + 1, "broken", apply)])
    with pytest.raises(RuntimeError):
        schema.prepare()
    assert schema.found() == old
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


def _shape(file: Path) -> dict[str, set[tuple[str, str]]]:
    """Table → its columns (name, type), and the indexes as one more entry."""
    with closing(sqlite3.connect(file)) as plain:
        names = [
            row[0]
            for row in plain.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 's\\_%' ESCAPE '\\'"
            )
        ]
        shape = {t: {(c[1], c[2]) for c in plain.execute(f'PRAGMA table_info("{t}")')} for t in names}
        indexes = plain.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return shape | {"(indexes)": set(indexes)}


def test_a_database_of_the_first_release_becomes_one_of_this(folder: Path, tmp_path: Path) -> None:
    """It holds a customer with an order and a tag, and a form that the company made."""
    fresh = _shape(folder / "guke.db")
    old = tmp_path / "old"
    old.mkdir()
    (old / "guke.db").write_bytes(gzip.decompress(FIRST.read_bytes()))
    open_database(old)
    try:
        schema.prepare()
        assert schema.found() == schema.current()
        found = _shape(old / "guke.db")
        ours = {"f_ticket", "(indexes)"}
        assert {t: c for t, c in found.items() if t not in ours} == {t: c for t, c in fresh.items() if t not in ours}
        assert fresh["(indexes)"] <= found["(indexes)"]
        order = query.Query(catalog.get("order"), SYSTEM).page().records[0]
        assert (order.text("amount"), order.text("customer")) == ("¥99.50", "王芳")
        customer = query.Query(catalog.get("customer"), SYSTEM).where({"tag": "老客"}).page().records[0]
        assert customer.title == "王芳" and customer.get("watch_seconds") == 0
        records.update(catalog.get("ticket"), 1, {"price": "6"}, SYSTEM)
        catalog.add_field(catalog.get("ticket"), {"key": "stars", "label": "星级", "type": "rating"})
        records.update(catalog.get("ticket"), 1, {"stars": 4}, SYSTEM)
    finally:
        open_database(folder)


def test_the_forms_of_a_new_company_are_their_first_version(folder: Path) -> None:
    from appliance.forms.designing.models import FormVersion

    assert {(row.form_id, row.number) for row in FormVersion.select()} == {(f.id, 1) for f in catalog.all()}
    newest = FormVersion.get(FormVersion.form_id == catalog.get("customer").id)
    assert {"department", "next_follow_up_at"} <= {f["key"] for f in newest.doc["fields"]}


def test_a_field_of_the_companys_own_makes_room_for_one_that_a_release_brings(folder: Path) -> None:
    def fields(**types: str) -> list[dict[str, object]]:
        return [{"key": key, "label": key, "type": type} for key, type in types.items()]

    own = {"key": "asset", "label": "资产", "title_field": "due", "columns": ["name", "due"], "search": ["due"]}
    catalog.create_form(own | {"fields": fields(name="text", note="text", due="text", count="integer")})
    values = {"name": "椅子", "note": "旧", "due": "下周", "count": 3}
    one = records.create(catalog.get("asset"), values, SYSTEM)
    written = records.latest_change()
    brought = fields(name="text", note="long_text", due="datetime", count="integer", more="text")
    for doc in brought:
        doc |= {"system": True, "readonly": doc["key"] == "count"}
    for _again in range(2):
        catalog.install([{"key": "asset", "label": "Assets", "system": True, "fields": brought}])
    form = catalog.get("asset")
    types = {key: f.type for key, f in form.fields.items() if f.spec.system}
    assert types == {"name": "text", "note": "long_text", "due": "datetime", "count": "integer", "more": "text"}
    assert (form.system, form.title_field, form.options["columns"]) == (True, "due_own", ["name", "due_own"])
    record = query.get(form, one, SYSTEM)
    assert [record.get(key) for key in ("name", "note", "due", "due_own", "count", "count_own")] == [
        "椅子", "旧", None, "下周", None, 3,
    ]  # fmt: skip
    earlier = form.field_at("due", written)
    assert earlier is not None and earlier.type == "text"
    records.update(form, one, {"due_own": "下月", "due": "2026-12-05"}, SYSTEM)


def test_an_upgrade_gets_along_with_what_the_company_has_under_the_same_names(folder: Path) -> None:
    """Its own tag in its own group, its own form, and one in the recycle bin, where a release brings the like."""
    from appliance.automation.models import DecisionTableRow
    from appliance.customers import tags
    from appliance.customers.segments.models import SegmentRow
    from appliance.forms.models import FormRow

    forms = ("coupon", "event_entry")
    for key in forms:
        form = catalog.get(key)
        FormRow.update(system=False).where(FormRow.key == key).execute()
        catalog.touch()
        catalog.delete_form(catalog.get(form.key))
    DecisionTableRow.delete().where(DecisionTableRow.key == "guke_customer_life_cycle").execute()
    SegmentRow.delete().where(SegmentRow.key == "guke_new_customers").execute()
    tags.create_group("粉丝", key="fans")
    tags.update(tags.get("新粉").id, group="fans")
    schema.prepare(reseed=True)
    assert tags.get("新粉").group.key == "fans"
    assert not DecisionTableRow.select().where(DecisionTableRow.key == "guke_customer_life_cycle").exists()
    assert SegmentRow.select().where(SegmentRow.key == "guke_new_customers").exists()
    assert all(catalog.get(key).fields for key in forms)
