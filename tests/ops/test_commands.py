"""The command line: where options may stand, what is printed where, exit statuses, sentences."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import ROOT, environment, guke

Cli = Callable[..., Any]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("correct-horse-battery\n")
    return file


def test_init_makes_a_private_folder_with_database_key_and_administrator(tmp_path: Path, password: Path) -> None:
    folder = tmp_path / "new" / "data"
    done = guke("init", "--admin", "Amy", "--password-file", password, "--data", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"] == str(folder)
    for name, mode in (("", 0o700), ("guke.db", 0o600), ("guke.key", 0o600)):
        assert stat.S_IMODE((folder / name).stat().st_mode) == mode
    people = json.loads(guke("user", "list", "--json", data=folder).stdout)["users"]
    assert [(p["login"], p["roles"]) for p in people] == [("amy", ["admin"])]


def test_init_refuses_a_folder_that_holds_a_database(data: Path, password: Path, cli: Cli) -> None:
    before = (data / "guke.db").read_bytes()
    done = cli("init", "--admin", "eve", "--password-file", password)
    assert done.status == 1
    assert "已有数据库" in done.err
    assert (data / "guke.db").read_bytes() == before


def test_an_init_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text("123")
    folder = tmp_path / "data"
    assert guke("init", "--admin", "amy", "--password-file", weak, data=folder).returncode == 1
    assert not list(folder.glob("guke*"))


def test_init_can_leave_the_administrator_to_a_one_time_link(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    link = json.loads(guke("init", "--setup-link", "--json", data=folder).stdout)["setup_link"]
    assert link.startswith("/setup/")
    again = guke("setup-link", "--url", "http://10.0.0.5:8080/", data=folder).stdout.strip()
    assert again.startswith("http://10.0.0.5:8080/setup/")


@pytest.mark.parametrize("arguments", [("--data", "DATA", "check", "--json"), ("--json", "check", "--data", "DATA")])
def test_data_and_json_may_stand_before_or_after_the_command(data: Path, arguments: tuple[str, ...]) -> None:
    done = guke(*[str(data) if a == "DATA" else a for a in arguments])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


@pytest.mark.parametrize(
    "arguments", [("no-such",), ("init",), ("backup", "--no-such"), ("restore",), ("serve", "--port", "many")]
)
def test_wrong_usage_is_exit_status_2(data: Path, arguments: tuple[str, ...], cli: Cli) -> None:
    done = cli(*arguments, "--json")
    assert done.status == 2
    assert json.loads(done.out)["error"]


@pytest.mark.parametrize("command", ["work", "check", "backup", "serve", "upgrade"])
def test_a_folder_without_database_is_a_plain_sentence(tmp_path: Path, command: str) -> None:
    done = guke(command, data=tmp_path / "nothing")
    assert done.returncode == 1
    assert "guke init" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_data_folder_says_how_to_name_one(tmp_path: Path) -> None:
    env = {k: v for k, v in environment(None).items() if k != "GUKE_DATA"}
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "work"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "--data" in done.stderr


def test_version_says_what_the_package_is(cli: Cli) -> None:
    from appliance import __version__

    assert cli("version").ok().out.strip() == __version__
    assert cli("version", "--json").ok().json == {"version": __version__}


def test_work_answers_with_the_counts_of_the_contract(cli: Cli) -> None:
    done = cli("work", "--json").ok().json
    assert {"rules", "runs_advanced", "messages_sent", "errors"} <= done.keys()


def test_people_are_added_listed_disabled_and_get_new_passwords(cli: Cli, password: Path) -> None:
    assert cli("user", "add", "dee", "--name", "Dee", "--password-file", password, "--json").ok().json["login"] == "dee"
    assert cli("user", "add", "eli", "--json").ok().json["link"].startswith("/reset/")
    assert cli("user", "reset-password", "dee", "--json").ok().json["link"].startswith("/reset/")
    cli("user", "disable", "dee").ok()
    people = {p["login"]: p for p in cli("user", "list", "--json").ok().json["users"]}
    assert people["dee"]["active"] is False
    assert people["eli"]["roles"] == ["staff"]
    assert cli("user", "disable", "nobody").status == 1


def test_a_token_is_printed_once_and_works(cli: Cli, app: Any) -> None:
    token = cli("token", "create", "--user", "amy", "--name", "erp").ok().out.strip()
    from appliance.accounts import tokens

    actor = tokens.verify(token)
    assert actor and actor.login == "amy"


def test_upgrade_of_a_current_database_changes_nothing(cli: Cli) -> None:
    done = cli("upgrade", "--json").ok().json
    assert done["from"] == done["to"]


def test_every_listed_command_can_be_loaded(cli: Cli) -> None:
    from appliance.ops.cli import COMMANDS

    for name in COMMANDS:
        done = cli(name, "--help")
        assert done.status == 0, name
        assert "--data" in done.out and "--json" in done.out


def test_the_manual_page_of_guke_opens_without_a_data_folder() -> None:
    env = {k: v for k, v in os.environ.items() if k != "GUKE_DATA"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "--help"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "restore" in done.stdout
