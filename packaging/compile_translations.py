"""Hatch build hook: the wheel carries a messages.mo that is in step with its messages.po."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def compiled(po: Path) -> bytes:
    """The bytes of the ``messages.mo`` that belongs to a ``messages.po``."""
    with po.open("rb") as source:
        catalog = read_po(source, locale=po.parent.parent.name)
    target = BytesIO()
    write_mo(target, catalog)
    return target.getvalue()


def compile_all(root: Path) -> None:
    """Writes ``messages.mo`` beside each ``messages.po`` under ``root`` that it does not match."""
    for po in root.glob("appliance/translations/*/LC_MESSAGES/messages.po"):
        mo, wanted = po.with_suffix(".mo"), compiled(po)
        if mo.exists() and mo.read_bytes() == wanted:
            continue
        part = mo.with_suffix(".mo.part")
        part.write_bytes(wanted)
        part.replace(mo)


class CompileTranslations(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compile_all(Path(self.root))
