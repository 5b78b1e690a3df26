"""Copies the vendored browser assets into ``static/vendor`` from the npm registry. See README.md beside this file."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENDOR = ROOT / "static" / "vendor"
ASSETS = json.loads((HERE / "assets.json").read_text(encoding="utf-8"))
CLASSES = HERE / "tabler-classes.txt"
"""Every class that whole Tabler knows: a test compares it with what the templates use and the cut file holds."""


def sources() -> Iterator[str]:
    """The texts of everything that may name an icon or a class."""
    for folder, suffix in (("templates", ".html"), ("appliance", ".py"), ("static/js", ".js")):
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            yield path.read_text(encoding="utf-8")


def fetch(package: str, into: Path) -> Path:
    """Downloads and unpacks one package; returns its folder."""
    spec = f"{package}@{ASSETS[package]['version']}"
    name = subprocess.run(
        ["npm", "pack", "--silent", spec], cwd=into, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    target = into / name.removesuffix(".tgz")
    with tarfile.open(into / name) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def copy(package: str, folder: Path) -> None:
    for source, target in ASSETS[package]["files"].items():
        text = (folder / source).read_text(encoding="utf-8")
        # The maps are not shipped: a browser would ask for them in vain.
        text = re.sub(r"\n?/[/*]# sourceMappingURL=\S+( \*/)?\s*$", "\n", text)
        (VENDOR / target).write_text(text, encoding="utf-8")


def licence(package: str, folder: Path) -> None:
    found = sorted(folder.glob("LICENSE*"))
    for notice in folder.glob("NOTICE"):
        (VENDOR / ASSETS[package]["licence_text"].replace("LICENSE", "NOTICE")).write_bytes(notice.read_bytes())
    if found:
        (VENDOR / ASSETS[package]["licence_text"]).write_bytes(found[0].read_bytes())
    elif not (VENDOR / ASSETS[package]["licence_text"]).exists():
        raise SystemExit(
            f"{package} ships no licence file: put its text at static/vendor/{ASSETS[package]['licence_text']}"
        )


def icon_names(known: set[str]) -> list[str]:
    wanted = set((HERE / "icons.txt").read_text(encoding="utf-8").split())
    for text in sources():
        wanted.update(re.findall(r"[\"']([a-z][a-z0-9-]+)[\"']", text))
    return sorted(wanted & known)


def sprite(folder: Path) -> None:
    outline = folder / "icons" / "outline"
    symbols = []
    for name in icon_names({p.stem for p in outline.glob("*.svg")}):
        svg = (outline / f"{name}.svg").read_text(encoding="utf-8")
        shapes = [
            s for s in re.findall(r"<(?:path|circle|rect|line|polyline|ellipse)[^>]*>", svg) if 'stroke="none"' not in s
        ]
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{"".join(shapes)}</symbol>')
    (VENDOR / "tabler-icons-sprite.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n", encoding="utf-8"
    )


def rules(css: str) -> Iterator[tuple[str, str]]:
    """``(selector or at-rule, body)`` of each rule at the top level of ``css``; a statement has an empty body."""
    at = 0
    while at < len(css):
        brace, semicolon = css.find("{", at), css.find(";", at)
        if brace < 0:
            return
        if 0 <= semicolon < brace:
            yield css[at : semicolon + 1], ""
            at = semicolon + 1
            continue
        depth, end = 1, brace + 1
        while depth:
            depth += {"{": 1, "}": -1}.get(css[end], 0)
            end += 1
        yield css[at:brace].strip(), css[brace + 1 : end - 1]
        at = end


def selectors(text: str) -> list[str]:
    """A selector list taken apart at its outer commas."""
    return [s.strip() for s in re.split(r",(?![^(]*\))", text)]


def classes_of(selector: str) -> set[str]:
    return {c.replace("\\", "") for c in re.findall(r"\.((?:[A-Za-z_-]|\\.)(?:[\w-]|\\.)*)", selector)}


def cut(css: str, used: set[str], keep: re.Pattern[str]) -> str:
    """``css`` without the rules for classes that nobody uses."""
    out = []
    for head, body in rules(css):
        if head.startswith(("@media", "@supports")):
            inner = cut(body, used, keep)
            out.append(f"{head}{{{inner}}}" if inner else "")
        elif head.startswith("@") or not body:
            out.append(f"{head}{{{body}}}" if body else head)
        else:
            kept = [s for s in selectors(head) if all(c in used or keep.fullmatch(c) for c in classes_of(s))]
            if kept:
                out.append(f"{','.join(kept)}{{{body}}}")
    return "".join(out)


def tabler(folder: Path) -> None:
    css = (folder / "dist/css/tabler.min.css").read_text(encoding="utf-8")
    css = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)
    css = re.sub(r"/\*[^!].*?\*/", "", css, flags=re.S)
    notice, css = css[: css.find("*/") + 2], css[css.find("*/") + 2 :]
    notice = notice[notice.find("/*!") :]
    every = {c for head, _ in _flat(css) for s in selectors(head) for c in classes_of(s)}
    CLASSES.write_text("\n".join(sorted(every)) + "\n", encoding="utf-8")
    used: set[str] = set()
    for text in sources():
        used.update(re.findall(r"[A-Za-z_][\w-]*", text))
    keep = re.compile("|".join((HERE / "keep.txt").read_text(encoding="utf-8").split()))
    (VENDOR / "tabler.min.css").write_text(f"{notice}\n{cut(css, used, keep)}\n", encoding="utf-8")


def _flat(css: str) -> Iterator[tuple[str, str]]:
    for head, body in rules(css):
        if head.startswith(("@media", "@supports")):
            yield from _flat(body)
        elif not head.startswith("@"):
            yield head, body


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--icons", action="store_true", help="only the icon sprite")
    options.add_argument("--css", action="store_true", help="only Tabler")
    chosen = options.parse_args()
    special = {"@tabler/icons": sprite, "@tabler/core": tabler}
    packages = list(ASSETS)
    if chosen.icons or chosen.css:
        packages = ["@tabler/icons"] * chosen.icons + ["@tabler/core"] * chosen.css
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for package in packages:
            folder = fetch(package, Path(temporary))
            if package in special:
                special[package](folder)
            else:
                copy(package, folder)
            licence(package, folder)
    print("\n".join(f"{p.name}\t{p.stat().st_size:,}" for p in sorted(VENDOR.iterdir())))


if __name__ == "__main__":
    main()
