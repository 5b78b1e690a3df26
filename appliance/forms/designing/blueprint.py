"""The blueprint of the designer's pages; ``views`` and ``editor_views`` hang their routes on it."""

from __future__ import annotations

from flask import Blueprint, url_for

from ...accounts import people
from .drafts import Draft

bp = Blueprint("designer", __name__)


@bp.app_template_global("designer_url")
def url_of(draft: Draft) -> str:
    """The page on which a draft is worked on."""
    if draft.form_key:
        return url_for("designer.edit", form_key=draft.form_key)
    return url_for("designer.edit_draft", draft_id=draft.id)


def who(user_id: int | None) -> str:
    """A person's name; nothing for the system."""
    return people.name(user_id) if user_id else ""
