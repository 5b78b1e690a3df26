"""The ``guke`` command. Each command's module is imported when it is used, so that all of them start quickly."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from ..core import cli

COMMANDS = {
    "app": "apps.cli:app",
    "audit": "ops.commands.people:audit",
    "backup": "ops.commands.data:backup",
    "check": "ops.commands.data:check",
    "customer": "customers.cli:customer",
    "demo": "apps.cli:demo",
    "export": "forms.cli:export",
    "import": "forms.cli:import_",
    "init": "ops.commands.data:init",
    "restore": "ops.commands.data:restore",
    "rotate-key": "ops.commands.data:rotate_key",
    "serve": "ops.commands.running:serve",
    "setup-link": "ops.commands.people:setup_link",
    "token": "ops.commands.people:token",
    "upgrade": "ops.commands.data:upgrade",
    "user": "ops.commands.people:user",
    "version": "ops.commands.running:version",
    "work": "ops.commands.running:work",
}
"""Name → ``module:attribute``; rooms below bring their own."""


class Commands(cli.Group):
    """The group of all commands, found by name in the list above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        return getattr(importlib.import_module(f"appliance.{module}"), attribute)

    def main(self, args: Any = None, prog_name: str | None = None, *rest: Any, **extra: Any) -> Any:
        extra.pop("standalone_mode", None)
        sys.exit(cli.run(self, args, prog_name or "guke", **extra))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def guke() -> None:
    """固客 Guke：企业自己的客户经营系统 · the customer-management appliance."""


def main() -> None:
    """The entry point. What it writes is its owner's alone: it is a company's customers."""
    from .logs import to_stderr

    os.umask(0o077)
    to_stderr()
    guke()
