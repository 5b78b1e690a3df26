"""What a field says to the person whose value it cannot take."""

from __future__ import annotations


class FieldError(ValueError):
    """A value that a field cannot take. The text is a sentence for the person who typed it."""
