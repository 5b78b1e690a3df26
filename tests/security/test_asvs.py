"""The manual's list of ASVS items tells the truth: each names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import Client
from tests.support.server import ROOT

PAGES = [ROOT / "appliance" / "help" / language / "security.md" for language in ("zh", "en")]
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (.+) \| `(tests/[\w/]+\.py)::(test_\w+)` \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=["zh", "en"])
def test_every_item_of_the_manual_names_a_test_that_exists(page: Path) -> None:
    rows = ROW.findall(page.read_text(encoding="utf-8"))
    assert len(rows) >= 60
    missing = [f"{file}::{name}" for _item, _how, file, name in rows if name not in functions(ROOT / file)]
    assert missing == []


def test_both_languages_list_the_same_items() -> None:
    zh, en = (
        [(item, file, name) for item, _how, file, name in ROW.findall(p.read_text(encoding="utf-8"))] for p in PAGES
    )
    assert zh == en


def functions(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {
        node.name for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("common", ["password1234", "1234567890", "qwertyuiop", "aaaaaaaaaaaa"])
def test_common_passwords_are_refused(app: Any, common: str) -> None:
    from appliance.accounts import passwords
    from appliance.core.errors import UserError

    with app.test_request_context(), pytest.raises(UserError):
        passwords.check(common, "somebody")


def test_a_passphrase_needs_no_digits_or_signs(app: Any) -> None:
    from appliance.accounts import passwords

    with app.test_request_context():
        passwords.check("correct horse battery staple", "somebody")
        passwords.check("湖边的白鹭飞过三座小桥", "somebody")


def test_password_inputs_work_with_password_managers(anon: Client) -> None:
    page = anon.get("/login").text
    [box] = re.findall(r'<input[^>]*type="password"[^>]*>', page)
    assert 'autocomplete="current-password"' in box and "onpaste" not in page
