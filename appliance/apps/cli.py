"""Commands of this room: the sample company."""

from __future__ import annotations

from dataclasses import asdict

import click
from flask_babel import gettext as _

from ..core import cli
from . import demo as sample


@cli.command("demo", help="载入示例数据（仅限空的数据目录） · load the sample company into an empty data folder")
@click.option("--scale", type=click.Choice(list(sample.SCALES)), default="small", show_default=True)
def demo(scale: str) -> None:
    made = sample.load(scale)
    if not made.orders:
        cli.show(asdict(made), _("示例数据已经在了，没有改动。"))
        return
    cli.show(
        asdict(made),
        _("已载入示例公司：%(customers)s 位客户，%(orders)s 笔订单。", customers=made.customers, orders=made.orders),
    )
