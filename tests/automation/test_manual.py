"""The manual cannot leave an action out."""

from __future__ import annotations

import re

import pytest

from appliance.automation.actions import ACTIONS
from tests.support.server import ROOT


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_action_has_a_heading_in_the_manual(app: object, language: str) -> None:
    text = (ROOT / "appliance" / "help" / language / "actions.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^### .* (\w+)$", text, re.MULTILINE))
    assert told == set(ACTIONS), f"headings of {language}/actions.md: {told ^ set(ACTIONS)}"
