"""The vendored copies hold what the pages use, and every copy has its licence."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "packaging" / "vendored"
VENDOR = ROOT / "static" / "vendor"


def refresh():
    spec = importlib.util.spec_from_file_location("refresh", HERE / "refresh.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_asset_is_there_with_its_licence():
    for package, asset in json.loads((HERE / "assets.json").read_text()).items():
        for name in (*asset["files"].values(), asset["licence_text"]):
            assert (VENDOR / name).stat().st_size > 100, f"{package}: {name}"


def test_the_sprite_holds_every_icon_that_a_page_names():
    held = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "tabler-icons-sprite.svg").read_text()))
    named = set()
    for text in refresh().sources():
        named.update(re.findall(r"\bicon\(\s*[\"']([a-z0-9-]+)[\"']", text))
        named.update(re.findall(r"\bicon\s*[=:]\s*[\"']([a-z0-9-]+)[\"']", text))
        named.update(re.findall(r"icon_button\(\s*[\"']([a-z0-9-]+)[\"']", text))
        named.update(re.findall(r"empty_state\(\s*[\"']([a-z0-9-]+)[\"']", text))
    assert named - held == set(), "run python packaging/vendored/refresh.py --icons"


def test_the_cut_of_tabler_holds_every_class_that_a_page_uses():
    tools = refresh()
    every = set((HERE / "tabler-classes.txt").read_text().split())
    css = (VENDOR / "tabler.min.css").read_text()
    held = {
        c
        for head, _body in tools._flat(css.partition("*/")[2])
        for s in tools.selectors(head)
        for c in tools.classes_of(s)
    }
    used = set()
    for text in tools.sources():
        for group in re.findall(r"class=\"([^\"]*)\"", text):
            used.update(re.findall(r"[A-Za-z_][\w-]*", group))
    assert (used & every) - held == set(), "run python packaging/vendored/refresh.py --css"


def test_pages_ask_nobody_outside():
    for path in [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "static" / "js").glob("*.js"),
        *(ROOT / "static" / "css").glob("*.css"),
    ]:
        text = path.read_text()
        assert not re.search(r"(src|href)=[\"'](https?:)?//", text), path
        assert not re.search(r"url\([\"']?(https?:)?//", text), path


def test_templates_keep_to_the_content_security_policy():
    for path in (ROOT / "templates").rglob("*.html"):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.S)
        assert not re.search(r"\sstyle=", text), f"{path}: no inline style"
        assert not re.search(
            r"\son(click|change|submit|input|load|error|key\w+|focus\w*|blur|mouse\w+|toggle)=|hx-on", text
        ), f"{path}: no inline handler"
        for tag in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in tag or "application/json" in tag, f"{path}: no inline script"
        # Filters of triggers, ``js:`` values and ``hx-vars`` are evaluated by htmx as script.
        evaluated = re.search(r"""hx-trigger=["'][^"'>]*\[|\bhx-on[:=-]|=["']js:|\bhx-vars=""", path.read_text())
        assert not evaluated, f"{path}: nothing that htmx would evaluate"
