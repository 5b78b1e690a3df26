"""The blueprint of the automation pages; ``views`` and its sisters hang their routes on it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask_babel import lazy_gettext as _l

from ..accounts import people
from ..core import nav
from ..customers import tags
from . import editing, timetable, value_inputs
from .actions import values

bp = Blueprint("automation", __name__, url_prefix="/automation")

nav.add("automation", _l("规则"), "automation.rules", "bolt", right="rules", order=10, words="rules guize")
nav.add("automation", _l("决策表"), "automation.tables", "table", right="rules", order=20, words="tables juecebiao")
nav.add("automation", _l("运行日志"), "automation.runs", "history", right="rules", order=30, words="log rizhi")
nav.action(_l("新建规则"), "automation.rules_new", "bolt", right="rules", words="new rule xinjian guize")
nav.action(_l("新建决策表"), "automation.tables_new", "table", right="rules", words="new table xinjian juecebiao")


@bp.context_processor
def words_of_partials() -> dict[str, Any]:
    """What the partials of triggers and actions ask for, wherever they are included."""
    return {
        "timetable_choices": timetable.CHOICES,
        "weekdays": timetable.WEEKDAYS,
        "tag_groups": tags.groups,
        "staff": _staff,
        "person_name": people.name,
        "input_of": editing.input_of,
        "value_input": value_inputs.value_input,
        "modes_of": values.modes_of,
        "people": people.active(),
    }


def _staff() -> list[tuple[str, str]]:
    """(login, name) of everybody who can be given records."""
    return [(people.login(user_id) or "", name) for user_id, name in people.active()]
