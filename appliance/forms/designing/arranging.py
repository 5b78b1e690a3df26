"""The order of the forms and the groups they are in."""

from __future__ import annotations

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core import i18n
from ...core.db import write
from .. import catalog
from ..models import FormRow

STEP = 10


def arrange(pairs: list[tuple[str, str]], actor: Actor) -> None:
    """``(form key, name of its group)`` of forms in their new order; the others keep their places behind them.

    A group's name is compared as it is shown, so that one in two languages stays as it is.
    """
    forms = catalog.all_forms()
    named = {i18n.label(form.group): form.group for form in forms.values() if form.group}
    pairs = [(key, group) for key, group in pairs if key in forms and permissions.can(actor, "design", key)]
    with write():
        for key, group in pairs:
            text = group.strip()
            if i18n.label(forms[key].group) != text:
                catalog.update_form(catalog.get(key), {"group": named.get(text, text) or None}, actor)
        listed = [key for key, _group in pairs]
        rest = [key for key in forms if key not in listed]
        for place, key in enumerate([*listed, *rest]):
            FormRow.update(position=place * STEP).where(FormRow.key == key).execute()
        catalog.touch()
