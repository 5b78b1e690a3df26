"""Formulas: the language, and the engine that keeps computed fields right.

``parser`` reads the text, ``functions`` lists what can be called, ``compiling`` checks types and makes a program.
``check`` says for the designer what a formula results in or what is wrong with it. ``filling`` computes the fields of rows that
are being written, ``spreading`` carries a write on to the records that depend on it, ``settling`` computes existing records
when a definition is new, and each night what depends on the date. ``numbers`` gives out automatic numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...accounts.actor import Actor
    from ..catalog import Form


def compute(form: Form, rows: list[dict[str, Any]], actor: Actor) -> list[dict[str, Any]]:
    """Fills the computed fields of rows of stored values that need not be saved; ``id`` in a row names its record.

    What ``actor`` may not see whole is left out.
    """
    from . import filling

    return filling.compute(form, rows, actor)
