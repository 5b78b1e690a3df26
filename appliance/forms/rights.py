"""Roles as documents: what a screen, the API or an app package says of a role, checked against the forms that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.permissions import ACCESS, ANY, ROOMS, VERBS, WHOSE, Rights
from ..core import dialect
from ..core.db import db, write
from ..core.errors import FieldErrors
from . import catalog, conditions
from .catalog import Form


def scope_of(word: str, condition: dict[str, Any]) -> dict[str, Any]:
    """The stored scope of a choice on the screen."""
    if word == "condition":
        return condition
    return {"whose": WHOSE[word]} if word in WHOSE else {}


def word_of(scope: Mapping[str, Any]) -> str:
    """The choice on the screen that stands for a stored scope."""
    if not scope:
        return "all"
    return next((word for word, test in WHOSE.items() if dict(scope) == {"whose": test}), "condition")


def check(document: Mapping[str, Any]) -> Rights:
    """The rights that a document describes. Raises :class:`FieldErrors` that name the place (``forms.order.scope``)."""
    errors: dict[str, str] = {}
    forms = document.get("forms", {})
    _among(errors, "rooms", document.get("rooms", []), tuple(ROOMS))
    if not isinstance(forms, Mapping):
        raise FieldErrors({"forms": _("「forms」要是一个对象。")})
    for key, granted in forms.items():
        _check_form(errors, str(key), granted)
    if errors:
        raise FieldErrors(errors)
    return Rights.open(document)


def _check_form(errors: dict[str, str], key: str, granted: Any) -> None:
    place = f"forms.{key}"
    form = catalog.all_forms().get(key)
    if form is None and key != ANY:
        errors[place] = _("没有表单「%(key)s」。", key=key)
        return
    if not isinstance(granted, Mapping):
        errors[place] = _("「%(key)s」要是一个对象。", key=place)
        return
    if unknown := set(granted) - {"verbs", "scope", "deny", "fields"}:
        errors[place] = _("不认识「%(key)s」。", key=sorted(map(str, unknown))[0])
    _among(errors, f"{place}.verbs", granted.get("verbs", []), VERBS)
    for name in ("scope", "deny"):
        _check_condition(errors, f"{place}.{name}", granted.get(name, {}), form)
    fields = granted.get("fields", {})
    if not isinstance(fields, Mapping):
        errors[f"{place}.fields"] = _("「%(key)s」要是一个对象。", key="fields")
        return
    for field, access in fields.items():
        if form is not None and form.field(field) is None:
            errors[f"{place}.fields"] = _("「%(form)s」没有字段「%(key)s」。", form=form.label, key=field)
        _among(errors, f"{place}.fields", [access], ACCESS)


def _check_condition(errors: dict[str, str], place: str, condition: Any, form: Form | None) -> None:
    if not isinstance(condition, Mapping):
        errors[place] = _("条件要写成一个对象。")
        return
    if form is None:
        # What stands for every form can only ask what every form knows.
        if condition and set(condition) != {"whose"}:
            errors[place] = _(
                "「其他表单」的范围只能选 本人、本部门、本部门及下级 或 全部；要写条件，请单独设置那个表单。"
            )
        return
    try:
        conditions.validate(dict(condition), form)
    except conditions.ConditionError as error:
        errors[place] = error.message


def _among(errors: dict[str, str], place: str, words: Any, there_are: tuple[str, ...]) -> None:
    wrong = [w for w in words if not isinstance(w, str) or w not in there_are] if isinstance(words, list) else [words]
    if wrong:
        errors[place] = _("「%(word)s」要是 %(words)s 之一。", word=str(wrong[0])[:40], words=", ".join(there_are))


def prepare(rights: Rights) -> None:
    """Makes the indexes by which the rows of a narrow role are found: a list must not pay for whom it is shown to."""
    for form in catalog.all_forms().values():
        granted = rights.on(form.key)
        if "see" not in granted.verbs or form.part_of is not None or "whose" not in str(granted.scope):
            continue
        key = conditions.owner_key(form)
        with write():
            dialect.create_index(db, f"i_{form.key}__{key}", f"f_{form.key}", [key], filled=key)


def field_choices() -> list[tuple[str, str]]:
    """What a role gives of a field, and its name."""
    words = {"edit": _("可修改"), "read": _("只读"), "masked": _("掩码"), "hidden": _("隐藏")}
    return list(words.items())


def scope_choices() -> list[tuple[str, str]]:
    words = {
        "all": _("全部"), "own": _("本人的"), "department": _("本部门"), "below": _("本部门及下级"), "condition": _("按条件"),
    }  # fmt: skip
    return list(words.items())


def verb_words() -> dict[str, str]:
    words = {
        "see": _("查看"), "create": _("新建"), "edit": _("修改"), "delete": _("删除"), "export": _("导出"), "import": _("导入"),
        "bulk": _("批量"), "design": _("设计"), "purge": _("彻底删除"),
    }  # fmt: skip
    return {verb: words[verb] for verb in permissions.VERBS}
