"""Errors that are meant for a person: one sentence that says what to do next, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping


class UserError(Exception):
    """What was asked cannot be done as asked. ``message`` is a sentence for people; ``field`` the input it is about.

    The web shows it beside its field or as a notice, the API as problem+json, the CLI as its only line (exit 1).
    """

    status = 422

    def __init__(self, message: object, field: str | None = None) -> None:
        self.message = str(message)
        self.field = field
        super().__init__(self.message)

    @property
    def errors(self) -> dict[str, str]:
        """``{field: sentence}``; empty when the error is about no field."""
        return {self.field: self.message} if self.field else {}

    @property
    def first(self) -> str:
        """One sentence, where there is room for only one."""
        return next(iter(self.errors.values()), self.message)


class FieldErrors(UserError):
    """Several inputs are wrong at once: ``{field key: sentence}``."""

    def __init__(self, errors: Mapping[str, object]) -> None:
        self._errors = {key: str(message) for key, message in errors.items()}
        super().__init__("；".join(self._errors.values()))

    @property
    def errors(self) -> dict[str, str]:
        return dict(self._errors)


class NotFound(UserError):
    """It does not exist, or the asker may not see it: one answer for both, so that nothing can be probed."""

    status = 404

    def __init__(self, message: object | None = None) -> None:
        if message is None:
            from flask_babel import gettext as _

            message = _("没有找到，可能已被删除，或您没有权限查看。")
        super().__init__(message)


class Forbidden(UserError):
    """The asker lacks the right; ``message`` says whom to ask."""

    status = 403


class Conflict(UserError):
    """Somebody else was quicker: a stale version, a key already taken."""

    status = 409
