"""Who took something out of the house, and when, written onto it: exported sheets, printed records, and the screen."""

from __future__ import annotations

from flask import Blueprint, Response
from flask_babel import lazy_gettext as _l
from markupsafe import escape

from ..accounts.actor import SYSTEM, Actor, current_actor, maybe_actor
from ..accounts.guards import requires_login
from ..core import clock, settings

bp = Blueprint("watermark", __name__)

_CHOICES = {"off": _l("不加"), "on": _l("加")}

settings.declare(
    "company.watermark_exports", "off", _l("导出和打印的水印"), "choice", options=_CHOICES,
    help=_l("导出的表格和打印的记录写上是谁在什么时候导出的。csv 只写在文件名里。"),
)  # fmt: skip
settings.declare(
    "company.watermark_screen", "off", _l("屏幕水印"), "choice", options=_CHOICES,
    help=_l("每个页面淡淡地显示登录的人和日期，被拍照时看得出来自谁。"),
)  # fmt: skip


def on(place: str) -> bool:
    """``place``: exports or screen."""
    return bool(settings.get(f"company.watermark_{place}") == "on")


def text(actor: Actor | None = None) -> str:
    """``陈晓 (chen) 2026-11-22 14:30``, for the one who exports now."""
    who = actor or maybe_actor() or SYSTEM
    name = f"{who.name} ({who.login})" if who.login and who.login != who.name else who.name
    return f"{name} {clock.local(clock.now(), settings.tz()):%Y-%m-%d %H:%M}"


def of_export(actor: Actor | None = None) -> str:
    """What an exported sheet carries; empty when the company does not want it."""
    return text(actor) if on("exports") else ""


def in_name(actor: Actor | None = None) -> str:
    """The part of a file's name that says the same."""
    if not on("exports"):
        return ""
    who = actor or maybe_actor() or SYSTEM
    return f"-{who.login or 'guke'}-{clock.local(clock.now(), settings.tz()):%H%M}"


@bp.app_template_global("watermark_on")
def watermark_on(place: str) -> bool:
    return on(place) and maybe_actor() is not None


@bp.get("/watermark.svg")
@requires_login
def picture() -> Response:
    """The tile that is repeated over the page: the person's name and today's date."""
    actor = current_actor()
    lines = (escape(actor.name), escape(f"{actor.login} {clock.today(settings.tz()):%Y-%m-%d}"))
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="280" height="180"><g transform="rotate(-24 140 90)" fill="#808080" '
        'font-family="sans-serif" font-size="14" text-anchor="middle">'
        f'<text x="140" y="86">{lines[0]}</text><text x="140" y="106">{lines[1]}</text></g></svg>'
    )
    return Response(svg, mimetype="image/svg+xml")
