"""Reports are handed over with everything else that somebody owns."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from ..accounts.actor import Actor
from ..forms import handing_over
from .models import ReportRow


def _owned(user_id: int) -> list[Any]:
    rows = ReportRow.select(ReportRow.id).where(ReportRow.owner_id == user_id, ~ReportRow.system)
    return [report_id for (report_id,) in rows.tuples()]


def _give(ids: list[Any], user_id: int, _actor: Actor) -> None:
    ReportRow.update(owner_id=user_id).where(ReportRow.id.in_(ids)).execute()


handing_over.part("reports", _l("报表"), _owned, _give)
