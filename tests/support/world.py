"""Prepares the data folder that every test starts from, and runs the application and its commands on copies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from appliance.accounts.sessions import COOKIE

from .http import Client
from .people import AMY, PEOPLE


@dataclass
class Template:
    """A finished data folder with the cookies and tokens of the people in it."""

    folder: Path
    sessions: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def client(app: Flask) -> Client:
    return Client(app, use_cookies=True)


_free: list[Flask] = []


@contextmanager
def running(data: Path) -> Iterator[Flask]:
    """The application on ``data`` in this process; its connections are closed at the end.

    An application is used again by whoever comes next, for it holds nothing of the company but one key; what a test
    changes of its settings and views is put back.
    """
    from appliance.core import schema, secrets
    from appliance.core.db import close_database, open_database
    from appliance.web.app import create_app

    if _free:
        app = _free.pop()
        open_database(data)
        schema.prepare()
        app.config["SECRET_KEY"] = secrets.derive("flash")
    else:
        app = create_app(data, testing=True)
    held = (app.config, app.view_functions, app.extensions)
    before = [dict(each) for each in held]
    rules = len(list(app.url_map.iter_rules()))
    try:
        yield app
    finally:
        close_database()
        for each, known in zip(held, before, strict=True):
            each.clear()
            each.update(known)
        if len(list(app.url_map.iter_rules())) == rules:
            _free.append(app)


def command(data: Path, args: list[str]) -> tuple[int, str, str]:
    """Runs ``guke`` in this process: exit status, standard output, standard error.

    The application of a test keeps its database: the command works on the same one.
    """
    from click.testing import CliRunner

    from appliance.ops.cli import guke

    result = CliRunner().invoke(guke, args, env={"GUKE_DATA": str(data)}, prog_name="guke")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def prepare(folder: Path) -> Template:
    """Initialises ``folder`` as a company would, then adds the cast, signs everybody in and makes tokens."""
    password = folder.parent / "password"
    password.write_text(AMY.password)
    status, out, err = command(
        folder, ["--data", str(folder), "init", "--admin", AMY.login, "--password-file", str(password)]
    )
    assert status == 0, out + err
    template = Template(folder)
    with running(folder) as app:
        from appliance.accounts import tokens, users
        from appliance.accounts.actor import SYSTEM

        for person in PEOPLE:
            if person is not AMY:
                users.create(person.login, person.name, person.password, person.role, SYSTEM)
            browser = client(app)
            answer = browser.login(person)
            assert answer.status_code in (302, 303), answer.text[:2000]
            cookie = browser.get_cookie(COOKIE)
            assert cookie, "signing in set no session cookie"
            template.sessions[person.login] = cookie.value
            template.tokens[person.login] = tokens.create(users.by_login(person.login).id, "tests")
    return template


def save(template: Template) -> None:
    """Writes cookies and tokens beside the folder, for tools that come back to it."""
    document = {"sessions": template.sessions, "tokens": template.tokens}
    template.folder.with_suffix(".people.json").write_text(json.dumps(document))


def load(folder: Path) -> Template:
    """What :func:`save` wrote."""
    return Template(folder, **json.loads(folder.with_suffix(".people.json").read_text()))
