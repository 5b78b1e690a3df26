"""``pip install .`` gives a complete guke: what pages need is inside the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in a wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("guke-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def below(folder: str, pattern: str = "*") -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(pattern) if path.is_file()}


def test_the_wheel_holds_every_template(names: set[str]) -> None:
    assert {f"appliance/{name}" for name in below("templates")} - names == set()


def test_the_wheel_holds_every_static_file_with_its_licence(names: set[str]) -> None:
    assert {f"appliance/{name}" for name in below("static")} - names == set()
    assert any(name.startswith("appliance/static/vendor/") and name.endswith(".LICENSE") for name in names)


def test_the_wheel_holds_the_help_pages_and_the_app_packages(names: set[str]) -> None:
    wanted = below("appliance/help") | below("appliance/apps", "*.json")
    assert wanted - names == set()


def test_the_wheel_holds_the_translations_compiled(names: set[str]) -> None:
    sources = below("appliance/translations", "*.po")
    assert {name.removesuffix(".po") + ".mo" for name in sources} - names == set()


def test_the_wheel_holds_the_licence_and_nothing_of_the_tests(names: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "packaging/"))]
