"""The commands of this room."""

from __future__ import annotations

from pathlib import Path

from flask_babel import gettext as _

from ...core import folder
from ...core.errors import UserError


def needs_database(data: Path) -> Path:
    """``data`` when a database is in it. Raises :class:`UserError`."""
    if not folder.holds_database(data):
        raise UserError(_("目录 %(data)s 中没有固客数据库，请先运行 guke init。", data=str(data)))
    return data
