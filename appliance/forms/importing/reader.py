"""The child process that reads files from outside: ``python -m appliance.forms.importing.reader``.

A 5 KB workbook can ask for 10 GB, so nothing from outside is parsed in the server itself. The child limits its own
memory and time, gets requests on standard input and answers with frames on standard output (``wire`` has both ends).
It has no database: what it must know (fields, settings, language) stands in the request. It also turns cells into
stored values, column by column, on the second core while the parent writes.
"""

from __future__ import annotations

import itertools
import resource
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import asdict

from . import wire

if TYPE_CHECKING:
    from .sources import Source

MEMORY = 1536 << 20
CPU_SECONDS = 1800
LOOK = 60
SAMPLES = 6
EXAMPLES = 20
"""Bad cells of one column that the check reports in full."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever a library prints must not land between the frames.
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    while (request := wire.receive(sys.stdin.buffer)) is not None:
        _answer(request, out)


def _answer(request: dict[str, Any], out: IO[bytes]) -> None:
    from ...core import i18n, settings
    from .sources import UnreadableFile

    settings.hold(request["settings"])
    with i18n.speaking(request["locale"]):
        try:
            for kind, payload in ANSWERS[request["do"]](request):
                wire.send(out, kind, payload)
        except UnreadableFile as error:
            wire.send(out, "error", str(error))
        except MemoryError:
            # Leaves at once: the parent takes this exit for a file that is too big for the quick way.
            raise SystemExit(wire.OUT_OF_MEMORY) from None


@lru_cache(maxsize=1)
def _source(path: str, frugal: bool) -> Source:
    from .sources import open_source

    return open_source(Path(path), frugal=frugal)


def load(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Loads the file ahead of the first question about it."""
    source = _source(request["path"], request["frugal"])
    for sheet in range(len(source.sheets)):
        next(source.rows(sheet), None)
    yield "end", None


def inspect(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sheets, and of the chosen one: header, number of columns, samples of each, title years."""
    from .sniff import NULLS, filled, find_header, header_at, is_blank, title_years, usual_fill
    from .sources import plain

    source = _source(request["path"], request["frugal"])
    known = frozenset(request["known"])

    def is_known(name: str) -> bool:
        return name.casefold() in known

    sheets: list[dict[str, Any]] = []
    for number, name in enumerate(source.sheets):
        top = list(itertools.islice(source.rows(number), LOOK))
        sheets.append({"name": name, "rows": sum(map(bool, map(filled, top)))})
    sheet = request["sheet"]
    if sheet is None or not 0 <= sheet < len(source.sheets):
        sheet = max(range(len(sheets)), key=lambda n: (sheets[n]["rows"] > 1, -n)) if sheets else 0
    top = list(itertools.islice(source.rows(sheet), LOOK)) if sheets else []
    header = header_at(top, *request["header"]) if request["header"] else find_header(top, is_known)
    body = [row for row in top[max(header.end, 0) :] if not is_blank(row)]
    samples: list[list[Any]] = []
    for column in range(len(header.names)):
        cells = (row[column] for row in body if column < len(row) and row[column] not in (None, "", *NULLS))
        samples.append([_cut(plain(cell)) for cell in itertools.islice(cells, SAMPLES)])
    yield (
        "end",
        {
            "sheets": sheets,
            "sheet": sheet,
            "header": [header.row, header.height],
            "names": header.names,
            "samples": samples,
            "top": [[_cut(plain(cell)) for cell in row[:40]] for row in top[:15]],
            "usual": usual_fill(body) or usual_fill(top),
            "title_years": sorted(title_years(top[: max(header.row, 0)], request["name"])),
            "height": source.height(sheet) if sheets else 0,
            "encoding": getattr(source, "encoding", None),
            "frugal": request["frugal"],
        },
    )


def _cut(cell: Any) -> Any:
    return cell[:200] if isinstance(cell, str) else cell


class Counts(Struct):
    """Rows of the sheet that are not records."""

    blank: int = 0
    summary: int = 0
    read: int = 0


class Sheet(Struct, dict=True):
    """The data rows of one sheet, in batches, with the rows that are no records left out and counted."""

    request: dict[str, Any]
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.source = _source(self.request["path"], self.request["frugal"])

    def batches(self) -> Iterator[tuple[list[int], list[list[Any]]]]:
        """(row numbers as a spreadsheet shows them, rows)."""
        from .sniff import is_blank, is_summary

        header_row, height = self.request["header"]
        usual, size, start = self.request["usual"], self.request["batch"], self.request["start"]
        counts = self.counts
        numbers: list[int] = []
        rows: list[list[Any]] = []
        header: list[Any] = []
        for number, row in enumerate(self.source.rows(self.request["sheet"]), start=1):
            if number <= header_row + height:
                header = row
                continue
            if is_blank(row):
                counts.blank += 1
                continue
            if is_summary(row, usual) or row == header:
                counts.summary += 1
                continue
            counts.read += 1
            if number <= start:
                continue
            numbers.append(number)
            rows.append(row)
            if len(rows) == size:
                yield numbers, rows
                numbers, rows = [], []
        if rows:
            yield numbers, rows

    def column(self, index: int) -> Iterator[Any]:
        header_row, height = self.request["header"]
        for row in itertools.islice(self.source.rows(self.request["sheet"]), max(header_row + height, 0), None):
            if index < len(row):
                yield row[index]


def rows(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The cells as they are, for the file of failed rows and the preview."""
    from .sources import plain

    wanted = frozenset(request["only"]) if request.get("only") is not None else None
    sheet = Sheet(request)
    for numbers, batch in sheet.batches():
        keep = [i for i, number in enumerate(numbers) if wanted is None or number in wanted]
        if keep:
            yield (
                "batch",
                {
                    "numbers": [numbers[i] for i in keep],
                    "rows": [[plain(cell) for cell in batch[i]] for i in keep],
                },
            )
        if request.get("limit") and sheet.counts.read >= request["limit"]:
            break
    yield "end", asdict(sheet.counts)


def parse(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Batches of stored values by target path, with the sentence for each bad cell."""
    from .columns import Parser

    sheet = Sheet(request)
    parser = Parser(request, sheet.column)
    for numbers, batch in sheet.batches():
        yield "batch", {"numbers": numbers, "read": sheet.counts.read} | parser.parse(batch)
        if request.get("limit") and sheet.counts.read >= request["limit"]:
            break
    yield "end", asdict(sheet.counts) | {"hints": parser.found_hints()}


def check(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parses the whole sheet and counts what is wrong in each column, without giving values away."""
    from .columns import Parser
    from .sources import plain

    sheet = Sheet(request)
    parser = Parser(request, sheet.column)
    bad: dict[str, dict[str, Any]] = {}
    bad_rows = 0
    keys: set[Any] = set()
    repeated = 0
    key_paths = [request["key"]] if request["key"] in parser.fields else []
    for numbers, batch in sheet.batches():
        parsed = parser.parse(batch)
        bad_rows += len(parsed["errors"])
        for i, errors in parsed["errors"].items():
            for path, message in errors.items():
                entry = bad.setdefault(path, {"count": 0, "examples": []})
                entry["count"] += 1
                if len(entry["examples"]) < EXAMPLES:
                    cell = plain(parser.cell(batch[i], path))
                    entry["examples"].append([numbers[i], _cut(cell), message])
        for path in key_paths:
            for value in parsed["columns"].get(path, ()):
                repeated += value in keys
                if value is not None:
                    keys.add(value)
        yield "progress", sheet.counts.read
    yield (
        "end",
        asdict(sheet.counts)
        | {
            "bad": bad,
            "bad_rows": bad_rows,
            "repeated": repeated,
            "hints": parser.found_hints(),
        },
    )


ANSWERS = {"open": load, "inspect": inspect, "rows": rows, "parse": parse, "check": check}

if __name__ == "__main__":
    main()
