"""Commands that run things: serve, work, version."""

from __future__ import annotations

import click

from ...core import cli


@cli.command("serve", database=False, help="启动网页、接口和后台任务 · web, API and workers in one process")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0：局域网可访问 · reachable from the LAN")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--trusted-proxy",
    envvar="GUKE_TRUSTED_PROXY",
    help="反向代理的地址 · address of the reverse proxy whose X-Forwarded-* is believed",
)
def serve(host: str, port: int, trusted_proxy: str | None) -> None:
    from .. import server
    from . import needs_database

    data = needs_database(cli.data_folder())
    server.serve(data, server.Options(host, port, trusted_proxy))


@cli.command("work", help="执行所有到期的工作 · do everything that is due now, once")
def work() -> None:
    from flask_babel import gettext as _

    from ...core import jobs

    done = jobs.work()
    result = {"rules": 0, "runs_advanced": 0, "messages_sent": 0, **done}
    cli.show(result, _("完成 %(jobs)s 个到期的任务。", jobs=done["jobs"]), *done["errors"])


@cli.command("version", database=False, help="版本 · the version")
def version() -> None:
    from ... import __version__

    cli.show({"version": __version__}, __version__)
