"""The blueprint of the pages of selling; ``views`` and its sisters hang their routes on it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext

from ..accounts import people
from ..core import nav
from . import tasks, telling

bp = Blueprint("sales", __name__)

nav.add(
    "home",
    lazy_pgettext("work", "任务"),
    "sales.my_day",
    "checkbox",
    right=("see", "task"),
    order=10,
    words="tasks renwu 待办 提醒",
)
nav.add("home", _l("公海"), "sales.pool", "inbox", right="see", order=20, words="pool gonghai 公海 领取 线索 客户")
nav.add(
    "settings", _l("公海与提醒"), "sales.settings", "hourglass", right="settings", order=70,
    words="pool gonghai 公海 逾期 提醒 升级",
)  # fmt: skip
nav.action(_l("新建任务"), "sales.my_day", "checkbox", right=("create", "task"), words="new task xinjian renwu", new=1)


@bp.app_context_processor
def words_of_partials() -> dict[str, Any]:
    """What the partials of tasks ask for, on whatever page they stand."""
    return {"snoozes": tasks.SNOOZES, "task_people": people.active, "due_words": telling.due_words}
