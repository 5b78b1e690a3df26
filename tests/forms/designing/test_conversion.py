"""Large forms change a type behind: usable meanwhile, whole after a kill, as before after a cancel."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http import Api
from tests.support.server import ROOT, environment

from .conftest import REPAIR

ROWS = 30_000


def text_of(n: int) -> str | None:
    """Every tenth price is no number, every seventh is empty."""
    return None if n % 7 == 3 else f"议价{n}" if n % 10 == 1 else f"{n}.5"


def money_of(text: str | None) -> str | None:
    return f"{text}0" if text and text[0].isdigit() else None


@pytest.fixture
def big(api: Api) -> dict[int, str | None]:
    """``fix_job`` with :data:`ROWS` records: id → price."""
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    api.post("/forms", REPAIR)
    form = catalog.get("fix_job")
    made: dict[int, str | None] = {}
    for start in range(0, ROWS, 1000):
        rows = [{"number": f"N{n}", "price": text_of(n)} for n in range(start, start + 1000)]
        ids = records.create_many(form, rows, SYSTEM).ids
        made |= {record_id: text_of(start + n) for n, record_id in enumerate(ids) if record_id}
    return made


def start(api: Api) -> int:
    body = {"type": "money", "convert": True}
    answer = api.patch("/forms/fix_job/fields/price", body, expect=202)
    assert answer["type"] == "text"
    return int(answer["job"])


def work_until(data: Path, job_id: int, after: int) -> None:
    """A worker process converts up to the record ``after`` and is killed."""
    from appliance.core.db import read
    from appliance.core.models import JobRow

    command = [sys.executable, "-m", "appliance", "work"]
    worker = subprocess.Popen(
        command, cwd=ROOT, env=environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with read():
            row = JobRow.get_by_id(job_id)
        if row.state and row.state["after"] >= after:
            break
        assert row.status != "done", "it was done before it could be killed"
        time.sleep(0.01)
    else:
        raise AssertionError("the conversion never began")
    worker.kill()
    worker.wait()


def values() -> dict[int, Any]:
    from appliance.core.db import db, read
    from appliance.forms import catalog

    form = catalog.get("fix_job")
    with read():
        return dict(form.table.select(form.col("id"), form.col("price")).tuples().execute(db))


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_takes_in_what_was_written_meanwhile(
    api: Api, data: Path, big: dict[int, str | None], work: Callable[[], Any]
) -> None:
    job_id = start(api)
    work_until(data, job_id, 8_000)
    first, last = min(big), max(big)
    # The field is still text, below and above the point where the work stopped, and for new records.
    for record_id, price in ((first, "77"), (first + 5, "再议"), (last, "88.25"), (first + 9, None)):
        api.patch(f"/forms/fix_job/records/{record_id}", {"values": {"price": price}})
        big[record_id] = price
    made = api.post("/forms/fix_job/records", {"values": {"number": "new", "price": "5.5"}})
    big[made["id"]] = "5.5"
    api.delete(f"/forms/fix_job/records/{first + 20}")
    assert api.get(f"/forms/fix_job/records/{first + 5}")["values"]["price"] == "再议"

    work()
    assert api.get(f"/jobs/{job_id}")["status"] == "done"
    (field,) = [f for f in api.get("/forms/fix_job")["fields"] if f["key"] == "price"]
    assert field["type"] == "money"
    from appliance.forms.parsing import parse_number

    def fen(price: str | None) -> int | None:
        return parse_number(price, 2) if price and price[0].isdigit() else None

    assert values() == {record_id: fen(price) for record_id, price in big.items()}
    lost = api.get(f"/forms/fix_job/records/{first + 5}/changes")["changes"][0]
    assert lost["fields"] == {"price": ["再议", None]}

    # And back: not one text is lost on the way.
    api.patch("/forms/fix_job/fields/price", {"type": "text", "convert": True}, expect=202)
    work()
    back = values()
    assert all(back[i] == price for i, price in big.items() if price and not price[0].isdigit())


@pytest.mark.slow
def test_cancelled_it_leaves_everything_as_it_was(
    api: Api, data: Path, big: dict[int, str | None], work: Callable[[], Any], amy: Any
) -> None:
    from appliance.core.db import db, read
    from appliance.forms import catalog
    from appliance.forms.designing import conversion

    before = api.get("/forms/fix_job")
    job_id = start(api)
    api.patch("/forms/fix_job/fields/price", {"type": "integer", "convert": True}, expect=409)
    work_until(data, job_id, 4_000)
    conversion.cancel(catalog.get("fix_job"), "price", amy)
    work()
    assert api.get("/forms/fix_job") == before and values() == big
    with read():
        columns = {column.name for column in db.get_columns("f_fix_job")}
    assert not [name for name in columns if name.startswith("_new_")]
    assert not catalog.get("fix_job").converting
    # It can be asked for again, and cancelled before it has begun.
    start(api)
    conversion.cancel(catalog.get("fix_job"), "price", amy)
    work()
    start(api)
    work()
    assert {f["type"] for f in api.get("/forms/fix_job")["fields"] if f["key"] == "price"} == {"money"}


def test_values_read_under_the_old_type_are_not_stored_under_the_new(api: Api, repair: str) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    stale = catalog.get("fix_job")
    api.patch("/forms/fix_job/fields/price", {"type": "money", "convert": True})
    written = records.update_many(stale, {1: {"price": "12"}}, SYSTEM)
    assert "改了类型" in written.errors[0]["price"]
    assert api.get("/forms/fix_job/records/1")["values"]["price"] == "12.00"


def test_unique_after_the_conversion_is_refused_when_values_become_the_same(api: Api, repair: str) -> None:
    api.patch("/forms/fix_job/records/2", {"values": {"price": "12.00"}})
    body = {"type": "money", "unique": True, "convert": True}
    assert "¥12.00" in api.patch("/forms/fix_job/fields/price", body, expect=422)["detail"]
    assert api.get("/forms/fix_job/records/1")["values"]["price"] == "12"


def test_what_conversions_leave_is_cleared_away(api: Api, repair: str, work: Any) -> None:
    from appliance.core.db import db, read

    api.patch("/forms/fix_job/fields/price", {"type": "money", "convert": True})
    work()
    with read():
        assert not [c.name for c in db.get_columns("f_fix_job") if c.name.startswith("_")]
    assert api.get("/forms/fix_job/records/1")["values"]["price"] == "12.00"


TYPES = (
    {"type": "integer"}, {"type": "money"}, {"type": "percent"}, {"type": "date"}, {"type": "datetime"}, {"type": "yes_no"},
    {"type": "email"}, {"type": "phone"}, {"type": "url"}, {"type": "long_text"},
    {"type": "choice", "choices": ["是", "12", "a"]}, {"type": "multi_choice", "choices": ["是", "12", "a"]},
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12),
    st.sampled_from(
        ["12", "是", "a", "1,200.50", "15%", "2026-01-31", "13800138000", "x@y.cn", "https://a.cn", "12、a"]
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXTS, min_size=1, max_size=8), to=st.sampled_from(TYPES))
def test_whatever_the_values_are_none_is_lost(api: Api, texts: list[str], to: dict[str, Any]) -> None:
    """The preview counts what then happens; what cannot be converted is in the history and returns with the type."""
    from appliance.forms import catalog

    catalog_doc = {
        "key": f"h{time.monotonic_ns()}",
        "label": "h",
        "fields": [{"key": "v", "label": "v", "type": "text"}],
    }
    path = f"/forms/{api.post('/forms', catalog_doc)['key']}"
    ids = [api.post(f"{path}/records", {"values": {"v": text}})["id"] for text in texts]
    stored = {i: api.get(f"{path}/records/{i}")["values"]["v"] for i in ids}
    held = {i: text for i, text in stored.items() if text is not None}
    seen = api.post(f"{path}/fields/v:preview", to)
    assert seen["converted"] + seen["lost"] == len(held)
    api.patch(f"{path}/fields/v", to | {"convert": True})
    now = {i: api.get(f"{path}/records/{i}")["values"]["v"] for i in ids}
    gone = {i for i in held if now[i] in (None, [])}
    assert len(gone) == seen["lost"]
    assert all(now[i] in (None, []) for i in ids if i not in held)
    for i in gone:
        change = api.get(f"{path}/records/{i}/changes")["changes"][0]
        assert change["fields"] == {"v": [held[i], None]} and change["cause"]["kind"] == "convert"
    api.patch(f"{path}/fields/v", {"type": "text", "convert": True})
    assert all(api.get(f"{path}/records/{i}")["values"]["v"] == held[i] for i in gone)
    catalog.delete_form(catalog.get(path.rpartition("/")[2]))
