"""Tells the room below, which knows no forms, those that an API token can be limited to."""

from __future__ import annotations

from ..accounts import tokens
from ..accounts.actor import Actor
from ..accounts.permissions import can
from ..core import i18n
from . import catalog


@tokens.known_forms
def forms(actor: Actor) -> dict[str, str]:
    """``{key: label}`` of the forms that ``actor`` sees."""
    return {form.key: i18n.label(form.label) for form in catalog.all() if can(actor, "see", form.key)}
