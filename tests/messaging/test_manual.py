"""The manual of messages cannot lie: it names every filter."""

from __future__ import annotations

from pathlib import Path

import pytest

import appliance
from appliance.messaging.texts import FILTERS

FOLDER = Path(appliance.__file__).parent / "help"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_filter_of_texts_is_in_the_manual(language: str) -> None:
    told = (FOLDER / language / "messages.md").read_text(encoding="utf-8")
    assert [name for name in FILTERS if f"`{name}`" not in told] == []
