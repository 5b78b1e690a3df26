"""The audit log as a file. Here, not beside the log: what writes spreadsheets is a room above it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from flask import Blueprint, Response, request, send_file
from flask_babel import gettext as _

from ..accounts import audit
from ..accounts.guards import requires_admin
from ..core import clock, settings
from ..core.db import read
from ..core.errors import UserError
from ..forms import watermark
from ..forms.importing import tables

bp = Blueprint("log_export", __name__)

MOST_IN_XLSX = 100_000
"""Lines; a spreadsheet of more takes minutes to make and to open."""


def write(wanted: audit.Filter, path: Path) -> int:
    """Writes the lines to an .xlsx or .csv file, newest first; returns how many. The export itself is logged."""
    if path.suffix.lower().lstrip(".") not in tables.KINDS:
        raise UserError(_("导出的文件名要以 .xlsx 或 .csv 结尾。"))
    with read():
        count = wanted.query().count()
    if path.suffix.lower() == ".xlsx" and count > MOST_IN_XLSX:
        raise UserError(_("共 %(count)s 条，放不进一个 Excel 文件。请导出 CSV，或选较短的时间。", count=count))
    header = [_("行号"), _("时间"), _("人员"), _("操作"), _("内容"), _("地址"), _("设备"), _("封条")]
    tz = settings.tz()

    def rows() -> Iterable[list[object]]:
        for line in audit.everything(wanted):
            at = clock.local(line.at, tz).strftime("%Y-%m-%d %H:%M:%S")
            yield [line.id, at, line.who, line.what, line.detail, line.ip, line.agent, line.seal]

    tables.write_table(path, header, rows(), watermark.of_export())
    audit.note("log.exported", {"count": count})
    return count


@bp.get("/settings/log/export.<suffix>")
@requires_admin
def file(suffix: str) -> Response:
    with tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / f"log.{suffix}"
        write(audit.Filter.read(request.args), path)
        # The open file outlives its name.
        content = path.open("rb")
    name = f"{_('操作日志')}-{clock.today(settings.tz()):%Y%m%d}.{suffix}"
    return send_file(content, mimetype=tables.KINDS[suffix], as_attachment=True, download_name=name)
