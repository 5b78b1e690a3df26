"""install.sh, run for real: into a folder of its own, twice, and where it cannot do what it is asked.

The packages come from the same registry that the test environment came from.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.server import free_port

ROOT = Path(__file__).resolve().parents[2]
SHELLCHECK = shutil.which("shellcheck")

Start = Callable[..., "Installation"]


class Installation:
    """One run of install.sh, whose output is read line by line."""

    def __init__(self, *options: str | Path, script: Path = ROOT / "install.sh", **env: str) -> None:
        self.process = subprocess.Popen(
            [str(script), "--no-service", *map(str, options)],
            # Compiling every package three times over would be half of the test's time.
            env={**os.environ, "LANG": "C", "LC_ALL": "C", "PIP_NO_COMPILE": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def until(self, text: str) -> str:
        """Reads up to the line that holds ``text``; what came so far."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return "".join(self.lines)
        raise AssertionError(f"install.sh ended without saying {text!r}:\n{''.join(self.lines)}")

    def rest(self) -> str:
        assert self.process.stdout
        self.lines += self.process.stdout.readlines()
        return "".join(self.lines)

    def stop(self) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.rest()
        return self.process.wait(30)


@pytest.fixture
def install() -> Iterator[Start]:
    """``install("--prefix", …)`` starts install.sh; what still runs at the end is stopped."""
    started: list[Installation] = []

    def run(*options: str | Path, **more: str) -> Installation:
        script = Path(more.pop("script", str(ROOT / "install.sh")))
        started.append(Installation(*options, script=script, **more))
        return started[-1]

    yield run
    for each in started:
        each.stop()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the project, as somebody would unpack it, to spoil at will."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("appliance", "templates", "static", "packaging"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "wheels"))
    for name in ("install.sh", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder)
    return folder


@pytest.mark.slow
def test_it_installs_serves_upgrades_in_place_and_goes_back(install: Start, source: Path, tmp_path: Path) -> None:
    prefix, port = tmp_path / "guke", str(free_port())
    script, home = str(source / "install.sh"), f"http://127.0.0.1:{port}"
    first = install("--prefix", prefix, "--port", port, "--host", "127.0.0.1", script=script)
    said = first.until("Press Ctrl+C to stop")
    assert '"ok"' in fetch(f"{home}/healthz")
    link = re.search(rf"{re.escape(home)}/setup/\S+", said)
    assert link, said
    assert "<form" in fetch(link[0])
    assert (prefix / "data").stat().st_mode & 0o077 == 0
    before = os.readlink(prefix / "current")

    # Again, with no options but the folder: port and address are remembered, the first one is stopped.
    second = install("--prefix", prefix, script=script)
    second.until("Press Ctrl+C to stop")
    assert first.process.wait(30) == 0
    good = os.readlink(prefix / "current")
    assert good != before
    assert '"ok"' in fetch(f"{home}/healthz")
    assert [b.name for b in (prefix / "data" / "backups").iterdir() if b.name.startswith("before-")]

    # The command beside it works on the same data while the server runs.
    password = tmp_path / "password"
    password.write_text("a-long-enough-password-7")
    add = [prefix / "guke", "user", "add", "dora", "--role", "admin", "--password-file", password]
    assert subprocess.run(add, capture_output=True).returncode == 0

    # A release that does not start gives way to the one before, with the data as they were.
    with (source / "appliance" / "web" / "app.py").open("a") as code:
        code.write('\n\nraise RuntimeError("a release that does not start")\n')
    third = install("--prefix", prefix, script=script)
    third.until("The version before is running again")
    assert second.process.wait(30) == 0
    assert os.readlink(prefix / "current") == good
    assert '"ok"' in fetch(f"{home}/healthz")
    people = subprocess.run([prefix / "guke", "user", "list"], capture_output=True, text=True)
    assert "dora" in people.stdout
    assert third.stop() == 1


def test_a_port_that_is_taken_is_said_before_anything_is_installed(install: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = install("--prefix", tmp_path / "guke", "--port", str(port), "--host", "127.0.0.1")
        assert f"port {port} is used by another program" in run.rest()
    assert run.process.wait() == 1
    assert not (tmp_path / "guke" / "current").exists()


def test_without_a_network_it_says_what_to_do_and_leaves_no_half_version(install: Start, tmp_path: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}
    nowhere |= {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    run = install("--prefix", tmp_path / "guke", "--port", str(free_port()), **nowhere)
    said = run.rest()
    assert run.process.wait() == 1
    assert "Check the network" in said and "PIP_INDEX_URL" in said
    assert list((tmp_path / "guke" / "versions").iterdir()) == []


def test_wrong_options_show_the_usage(install: Start) -> None:
    run = install("--prot", "80")
    assert "--port PORT" in run.rest()
    assert run.process.wait() == 2


def test_help_speaks_chinese_in_a_chinese_locale() -> None:
    done = subprocess.run(
        [ROOT / "install.sh", "--help"], env={**os.environ, "LC_ALL": "zh_CN.UTF-8"}, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "用法" in done.stdout and "--no-service" in done.stdout


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", ["install.sh", "packaging/make-bundle.sh", "packaging/make-deb.sh", ".ci/run"])
def test_the_shell_scripts_are_clean(script: str) -> None:
    done = subprocess.run([str(SHELLCHECK), ROOT / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_unit_has_no_placeholder_that_install_sh_does_not_fill() -> None:
    unit = (ROOT / "packaging" / "guke.service").read_text()
    script = (ROOT / "install.sh").read_text()
    assert {name for name in re.findall(r"@[A-Z_]+@", unit) if f"s|{name}|" not in script} == set()
