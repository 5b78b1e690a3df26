"""``guke customer``: one customer's data in a file, and their end."""

from __future__ import annotations

from pathlib import Path

import click
from flask_babel import gettext as _

from ..accounts.actor import SYSTEM
from ..core import cli
from ..core.errors import UserError
from . import personal_data

FILE = click.Path(path_type=Path, dir_okay=False)


@cli.group("customer", help="一位客户的全部资料 · one customer's data")
def customer() -> None:
    """The group of commands about one customer."""


@customer.command("export", help="把一位客户的全部资料存成 ZIP · everything about one customer as a ZIP")
@click.argument("customer_id", type=click.IntRange(1))
@click.argument("file", type=FILE)
def export(customer_id: int, file: Path) -> None:
    if not file.absolute().parent.is_dir():
        raise UserError(_("目录 %(path)s 不存在。", path=str(file.absolute().parent)))
    attached = personal_data.write(customer_id, file, SYSTEM)
    cli.show(
        {"customer": customer_id, "file": str(file.absolute()), "files": attached},
        _("已导出客户 #%(id)s 的全部资料到 %(file)s。", id=customer_id, file=str(file)),
    )
