"""Keeps the translations in step with the sources; Chinese is the language of the sources.

    python packaging/translate.py extract    messages.po gets the new texts and drops those that are gone
    python packaging/translate.py compile    messages.po → messages.mo (committed too, so that a checkout runs as it is)

Between the two, fill in the empty ``msgstr`` of ``appliance/translations/*/LC_MESSAGES/messages.po``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from compile_translations import compile_all

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [("appliance/**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"silent": "false"}}
CONTEXT = ((1, "c"), 2)
KEYWORDS = {
    "_": None, "_l": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2), "lazy_ngettext": (1, 2),
    "pgettext": CONTEXT, "lazy_pgettext": CONTEXT, "npgettext": ((1, "c"), 2, 3),
}  # fmt: skip


def texts() -> Catalog:
    """Every text that the sources mark for translation."""
    found = Catalog()
    for _path, _line, text, _comments, context in extract_from_dir(ROOT, SOURCES, OPTIONS, keywords=KEYWORDS):
        found.add(text, context=context)
    return found


def extract() -> list[str]:
    """Updates every ``messages.po``. The files whose texts are not all translated, with how many are missing."""
    found, missing = texts(), []
    for po in sorted(ROOT.glob("appliance/translations/*/LC_MESSAGES/messages.po")):
        with po.open("rb") as source:
            catalog = read_po(source, locale=po.parent.parent.name)
        catalog.update(found, no_fuzzy_matching=True, update_header_comment=False, update_creation_date=False)
        for message in catalog:
            if message.id and message.fuzzy:  # Its plural is new or gone: what was there says something else.
                message.flags.discard("fuzzy")
                message.string = ("", "") if message.pluralizable else ""
        with po.open("wb") as target:
            write_po(target, catalog, width=118, no_location=True, sort_output=True, ignore_obsolete=True)
        blank = sum(1 for m in catalog if m.id and not all(m.string if isinstance(m.string, tuple) else [m.string]))
        if blank:
            missing.append(f"{po.relative_to(ROOT)}: {blank} texts have no translation")
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["extract", "compile"])
    if parser.parse_args().what == "extract":
        print(*extract(), sep="\n")
    else:
        compile_all(ROOT)


if __name__ == "__main__":
    main()
