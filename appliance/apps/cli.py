"""Commands of this room: app packages and the sample company."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from flask_babel import gettext as _
from msgspec.structs import asdict

from ..core import cli, clock, settings
from ..core.errors import UserError
from ..core.i18n import label as i18n_label
from ..forms.catalog import KEY
from . import demo as sample
from . import exporting, installing, package


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


@cli.group("app", help="应用包：表单、标签、规则、报表一次装好 · app packages")
def app() -> None:
    """The group of commands about app packages."""


@app.command("list", help="已安装的和自带的应用包 · installed and shipped packages")
def list_apps() -> None:
    found: dict[str, dict[str, Any]] = {}
    for key in package.shipped():
        offered = package.find(key)
        found[key] = {
            "app": key, "label": i18n_label(offered.label), "installed": False, "version": None, "installed_at": None,
            "available": offered.version,
        }  # fmt: skip
    for row in installing.installed():
        at = clock.iso(row.installed_at, settings.tz())
        found[row.key] = {"app": row.key, "available": None} | found.get(row.key, {}) | {
            "label": i18n_label(row.label), "installed": True, "version": row.version, "installed_at": at,
        }  # fmt: skip
    cli.show({"apps": list(found.values())}, *(_line(entry) for entry in found.values()))


def _line(entry: dict[str, Any]) -> str:
    if entry["installed"]:
        return _("%(app)s  %(label)s  已安装 %(version)s", **entry)
    return _("%(app)s  %(label)s  未安装，可安装 %(available)s", **entry)


@app.command("install", help="安装或升级应用包：自带的名称或文件 · install or upgrade: a shipped name or a file")
@click.argument("name")
def install(name: str) -> None:
    wanted = package.find(name)
    done = installing.install(wanted)
    label = i18n_label(wanted.label)
    if not done.installed:
        cli.show(asdict(done), _("「%(label)s」%(version)s 已经装好，没有改动。", label=label, version=done.version))
        return
    lines = [
        _(
            "「%(label)s」%(version)s 已装好：新增 %(added)s 项，更新 %(changed)s 项，移除 %(removed)s 项。",
            label=label, version=done.version, added=len(done.added), changed=len(done.changed),
            removed=len(done.removed),
        )
    ]  # fmt: skip
    if done.kept:
        lines.append(_("贵公司改过，没有动：%(kept)s", kept=_("、").join(done.kept)))
    cli.show(asdict(done), *lines)


@app.command("remove", help="移除应用；有记录的表单保留 · remove an app; forms with records stay")
@click.argument("name")
def remove(name: str) -> None:
    done = installing.remove(name)
    stays = list(dict.fromkeys(done.stays.values()))
    cli.show(asdict(done), _("已移除「%(app)s」的 %(count)s 项。", app=name, count=len(done.removed)), *stays)


@app.command("export", help="把自己做的表单、规则、报表等写成应用包 · write what the company made as a package")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--forms", help="只要这些表单，用逗号隔开 · only these forms, by commas")
@click.option("--app", "key", help="应用的键名，默认取文件名 · the app's key (default: the file's name)")
@click.option("--version", "version", default="1.0.0", show_default=True, help="版本 · version")
def export(file: Path, forms: str | None, key: str | None, version: str) -> None:
    key = key or (file.stem if KEY.fullmatch(file.stem) else "company")
    chosen = [form.strip() for form in forms.split(",") if form.strip()] if forms else None
    document = exporting.document(key, version, settings.get("company.name") or key, chosen)
    package.Package.read(json.loads(json.dumps(document)))  # What could not be installed is not written either.
    try:
        file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(_("写不了文件 %(path)s：%(why)s", path=str(file), why=error.strerror or error)) from error
    counts = {section: len(value) for section, value in document.items() if isinstance(value, list)}
    cli.show(
        {"app": key, "version": version, "file": str(file.absolute()), **counts},
        _(
            "已写入 %(file)s：%(forms)s 个表单，%(rules)s 条规则，%(decision_tables)s 张决策表，%(reports)s 个报表。",
            file=str(file), **counts,
        ),
    )  # fmt: skip
