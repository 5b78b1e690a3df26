"""Which reports name a field, a form or a segment: told before one is deleted."""

from __future__ import annotations

from collections.abc import Iterator

from flask_babel import gettext as _

from ..core.i18n import label as i18n_label
from ..customers.segments import sets
from ..customers.segments import uses as segment_uses
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.designing import uses
from ..forms.designing.uses import Use
from .models import ReportRow


@uses.finder
def find(form: Form, key: str | None) -> Iterator[Use]:
    for row in ReportRow.select():
        over = catalog.all_forms().get(row.definition.get("form") or "")
        own = key is None and over is not None and over.key == form.key
        if over and (own or (form.key, key) in uses.named(row.definition, over)):
            yield Use(_("报表「%(name)s」", name=i18n_label(row.label)))


@segment_uses.finder
def naming_segment(key: str) -> Iterator[str]:
    for row in ReportRow.select():
        if key in sets.named(row.definition):
            yield _("报表「%(name)s」", name=i18n_label(row.label))
