"""The page behind the link in advertising: one press and no more of it comes."""

from __future__ import annotations

from flask import render_template
from flask_babel import gettext as _

from ..accounts.guards import public, public_link
from ..core import settings
from . import unsubscribing
from .blueprint import bp


@bp.get("/u/<token>")
@public
def unsubscribe(token: str) -> str:
    """Programs that look into mails open links: only the button does anything."""
    unsubscribing.open_link(token)
    return render_template("messages/unsubscribe.html", company=settings.get("company.name"), done=False)


@bp.post("/u/<token>")
@public_link("List-Unsubscribe", "One-Click")
def unsubscribed(token: str) -> str:
    """The button, or a mail program by itself (RFC 8058): it has the link from the letter's head and no page of ours."""
    row = unsubscribing.open_link(token)
    unsubscribing.unsubscribe(row, "other", _("点击退订链接（消息 %(id)d）", id=row.id))
    return render_template("messages/unsubscribe.html", company=settings.get("company.name"), done=True)
