"""What the code imports and what pyproject.toml asks for are the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    "argon2-cffi": "argon2",
    "chinesecalendar": "chinese_calendar",
    "flask-babel": "flask_babel",
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "python-barcode": "barcode",
    "python-calamine": "python_calamine",
}
"""Where a distribution's module has another name."""

COMES_ALONG = {"jinja2": "flask", "markupsafe": "flask", "werkzeug": "flask", "playhouse": "peewee"}
"""Modules that are part of a declared distribution's own public face."""

NOT_IMPORTED = {"tzdata"}
"""Read by zoneinfo where the system has no time zones."""


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in project["dependencies"]}
    return {MODULES.get(name, name.replace("-", "_")) for name in names - NOT_IMPORTED}


def imported() -> set[str]:
    found = set()
    for path in (ROOT / "appliance").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
    third_party = found - set(sys.stdlib_module_names) - {"appliance"}
    return {COMES_ALONG.get(name, name) for name in third_party}


def test_every_import_is_declared_in_pyproject() -> None:
    assert imported() - declared() == set()


def test_nothing_is_declared_that_no_code_imports() -> None:
    assert declared() - imported() == set()
