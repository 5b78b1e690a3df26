"""What commands of all rooms share: ``--data`` and ``--json`` everywhere, one plain sentence for an error, exit status.

A room writes ``@cli.command("name")`` functions and answers with :func:`show`; the list of them stands in ``ops.cli``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import peewee

from . import folder, i18n
from .db import close_database, db, open_database
from .errors import UserError

log = logging.getLogger(__name__)


class State:
    """What the options said, wherever on the command line they stood."""

    def __init__(self) -> None:
        self.data: Path | None = Path(os.environ["GUKE_DATA"]) if os.environ.get("GUKE_DATA") else None
        self.json = False
        self.shown = False


def state() -> State:
    return click.get_current_context().find_root().ensure_object(State)


def _take_data(context: click.Context, _param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.find_root().ensure_object(State).data = value


def _take_json(context: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().ensure_object(State).json = True


def common_options() -> list[click.Parameter]:
    """Fresh ``--data`` and ``--json`` options, for a command or a group."""
    return [
        click.Option(
            ["--data"],
            type=click.Path(path_type=Path, file_okay=False),
            expose_value=False,
            callback=_take_data,
            is_eager=True,
            help="数据目录（或环境变量 GUKE_DATA） · data folder (or GUKE_DATA)",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_take_json,
            is_eager=True,
            help="在标准输出打印一个 JSON 对象 · print one JSON object",
        ),
    ]


class Command(click.Command):
    """A command that has the common options and, unless ``database=False``, finds the database open."""

    def __init__(self, *args: Any, database: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()
        self.database = database

    def invoke(self, ctx: click.Context) -> Any:
        with ExitStack() as stack:
            if self.database:
                stack.enter_context(opened(data_folder()))
            stack.enter_context(i18n.speaking(None if db.database else spoken()))
            return super().invoke(ctx)


class Group(click.Group):
    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()


def command(name: str, *, database: bool = True, help: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """Makes a function a command. ``database``: whether it works on an existing database, which is then open."""
    return click.command(name, cls=Command, database=database, help=help)


def group(name: str, help: str | None = None) -> Callable[[Callable[..., Any]], Group]:
    return click.group(name, cls=Group, help=help)


def spoken() -> str:
    """The language of the terminal, where no company has been asked yet."""
    language = next((os.environ[k] for k in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(k)), "")
    return "en" if language.startswith("en") else i18n.SOURCE


def data_folder() -> Path:
    """The folder that ``--data`` or ``GUKE_DATA`` names. Raises :class:`UserError` when neither does."""
    if state().data is None:
        with i18n.speaking(spoken()):
            from flask_babel import gettext as _

            raise UserError(_("请用 --data 或环境变量 GUKE_DATA 指明数据目录。"))
    return state().data.absolute()  # type: ignore[union-attr]


@contextmanager
def opened(data: Path, *, prepare: bool = True) -> Iterator[None]:
    """The database of ``data`` for the block, brought to this release; one that is open already stays open."""
    from flask_babel import gettext as _

    from . import schema

    if not folder.holds_database(data):
        with i18n.speaking(spoken()):
            raise UserError(_("目录 %(data)s 中没有固客数据库，请先运行 guke init。", data=str(data)))
    if db.database and folder.path() == data:
        yield
        return
    open_database(data)
    try:
        if prepare:
            with i18n.speaking(spoken()):
                schema.prepare()
        yield
    finally:
        from .jobs import resign

        resign()
        close_database()


def show(result: Mapping[str, Any], *lines: object) -> None:
    """Answers: the JSON object with ``--json``, else the lines."""
    asked = state()
    if asked.json:
        if not asked.shown:
            click.echo(json.dumps(result, ensure_ascii=False, default=str))
        asked.shown = True
        return
    for line in lines:
        click.echo(str(line))


def note(message: object) -> None:
    """Progress and remarks, on standard error."""
    click.echo(str(message), err=True)


def run(group: click.Group, args: list[str] | None, prog_name: str | None, **extra: Any) -> int:
    """Runs a command line and turns whatever happens into an exit status: 0 done, 1 failed, 2 used wrongly."""
    asked = State()
    # Known before anything is parsed: what is wrong with the rest is told as asked.
    asked.json = "--json" in (sys.argv[1:] if args is None else args)
    try:
        status = click.Group.main(group, args, prog_name, standalone_mode=False, obj=asked, **extra)
        return status if isinstance(status, int) else 0
    except UserError as e:
        return _failed(asked, e.message)
    except click.UsageError as e:
        if e.ctx is not None:
            click.echo(e.ctx.get_usage(), err=True)
        return _failed(asked, e.format_message(), 2)
    except click.ClickException as e:
        return _failed(asked, e.format_message())
    except peewee.DatabaseError as e:
        log.debug("database", exc_info=True)
        return _failed(asked, f"数据库无法使用（{e}），请运行 guke check · the database cannot be used, run guke check")
    except (click.Abort, KeyboardInterrupt):
        return _failed(asked, "已中断 · interrupted")
    except Exception as e:
        log.exception("unexpected")
        return _failed(asked, f"意外错误 · unexpected error: {type(e).__name__}: {e}")


def _failed(asked: State, sentence: str, status: int = 1) -> int:
    if asked.json and not asked.shown:
        click.echo(json.dumps({"error": sentence}, ensure_ascii=False))
    click.echo(sentence, err=True)
    sys.stdout.flush()
    return status
