"""What changed from one version of a definition to the next, in words."""

from __future__ import annotations

import difflib
from typing import Any

from flask_babel import gettext as _

from ..core.errors import UserError
from ..core.i18n import label as i18n_label
from .rules import OUTSIDE_HOURS, PERIODS, Rule
from .tables import OTHERS, DecisionTable


def between(cls: type[Any], old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    """Sentences, in the order of the editor; empty when nothing that people see has changed."""
    if old is None or new is None:
        return []
    before, after = _parts(cls.read(old)), _parts(cls.read(new))
    found = []
    for name in after:
        was, now = before.get(name, ""), after[name]
        if isinstance(now, list):
            found += _lists(name, was or [], now)
        elif was != now:
            found.append(_pair(name, was, now))
    return found


def _pair(name: str, was: str, now: str) -> str:
    if not was:
        return _("%(part)s：%(now)s", part=name, now=now)
    if not now:
        return _("%(part)s：去掉了%(was)s", part=name, was=was)
    return _("%(part)s：从%(was)s改为%(now)s", part=name, was=was, now=now)


def _lists(name: str, was: list[str], now: list[str]) -> list[str]:
    if sorted(was) == sorted(now):
        return [_("%(part)s：换了顺序", part=name)] if was != now else []
    gone: list[str] = []
    came: list[str] = []
    for line in difflib.ndiff(was, now):
        (gone if line.startswith("- ") else came if line.startswith("+ ") else []).append(line[2:])
    told = [_("%(part)s：加上了%(what)s", part=name, what=text) for text in came]
    return told + [_("%(part)s：去掉了%(what)s", part=name, what=text) for text in gone]


def _parts(subject: Rule | DecisionTable) -> dict[str, Any]:
    """What people see of a definition: part → its words, or a list of them."""
    try:
        form = subject.form
    except UserError:
        return {_("名称"): i18n_label(subject.label_doc)}
    parts: dict[str, Any] = {_("名称"): _quoted(i18n_label(subject.label_doc)), _("触发"): subject.when()}
    if isinstance(subject, Rule):
        once = PERIODS.get(subject.once_per or "")
        hours = OUTSIDE_HOURS.get(subject.working_hours or "")
        parts |= {
            _("条件"): subject.condition_words() if subject.where else "",
            _("动作"): subject.action_words(),
            _("次数"): str(once) if once else "",
            _("工作时间以外"): str(hours) if hours else "",
            _("之后的规则"): _("不再处理") if subject.stop else "",
        }
    else:
        rows = [f"{subject.row_words(i)} → {subject.outcome_words(i)}" for i in range(len(subject.rows))]
        parts |= {_("行"): rows, _("其余"): subject.outcome_words(OTHERS)}
    return parts | {_("文件夹"): _quoted(subject.folder), _("表单"): form.label}


def _quoted(text: str) -> str:
    return _("「%(name)s」", name=text) if text else ""
