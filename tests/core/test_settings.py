"""Settings: declared once, checked, never served from a transaction that failed, agreed on by all processes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from appliance.core import settings
from appliance.core.db import write
from appliance.core.errors import UserError


@pytest.mark.usefixtures("folder")
def test_a_setting_has_its_default_until_it_is_set() -> None:
    assert settings.get("company.timezone") == "Asia/Shanghai"
    settings.set("company.timezone", "Europe/Berlin")
    assert settings.tz().key == "Europe/Berlin"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("key", "value"),
    [("company.timezone", "Mars/Base"), ("company.locale", "xx"), ("jobs.keep_days", "0"), ("jobs.keep_days", "two")],
)
def test_a_wrong_value_is_refused_with_a_sentence(key: str, value: str) -> None:
    with pytest.raises(UserError) as refused:
        settings.set(key, value)
    assert refused.value.errors.keys() == {key}


@pytest.mark.usefixtures("folder")
def test_a_change_that_is_rolled_back_is_not_served() -> None:
    with pytest.raises(RuntimeError), write():
        settings.set("company.name", "幻影")
        assert settings.get("company.name") == "幻影"
        raise RuntimeError
    assert settings.get("company.name") == ""


def test_a_change_by_another_process_is_seen(folder: Path) -> None:
    settings.set("company.name", "甲")
    assert settings.get("company.name") == "甲"
    with sqlite3.connect(folder / "guke.db") as other:
        other.execute("UPDATE setting SET value = '\"乙\"' WHERE key = 'company.name'")
        other.execute("UPDATE setting SET value = '\"new\"' WHERE key = '_version'")
    other.close()
    assert settings.get("company.name") == "乙"


def test_a_setting_is_declared_once() -> None:
    with pytest.raises(ValueError, match=r"company\.name"):
        settings.declare("company.name", "", "x")
    with pytest.raises(KeyError, match="declare"):
        settings.get("no.such")
