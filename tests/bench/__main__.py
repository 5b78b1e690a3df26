"""``python -m tests.bench make`` makes a big company, ``run`` takes the figures of the product on it."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

from . import events, figures, forms, make, outbox, rules, segments
from .figure import MEASURES, Figure, Place, table

del events, figures, forms, outbox, rules, segments  # imported for their registrations


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a data folder with customers and orders")
    making.add_argument("--customers", type=int, default=1_000_000)
    making.add_argument("--orders", type=int, default=5_000_000)
    making.add_argument("--changes", action="store_true", help="write the Change log too (twice the size)")
    making.add_argument("--no-search", action="store_true", help="leave quick search without its index")
    making.add_argument("--data", type=Path, required=True)
    running = commands.add_parser("run", help="print the table of figures")
    running.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(MEASURES)} (default: all)")
    running.add_argument("--data", type=Path, required=True, help="what make made; throw-away folders go beside it")
    asked = parser.parse_args()
    if asked.command == "make":
        started = time.perf_counter()
        make.make(
            asked.data.absolute(), asked.customers, asked.orders, changes=asked.changes, search=not asked.no_search
        )
        make.say(f"made in {time.perf_counter() - started:.0f} s")
        return 0
    return run(asked.names or list(MEASURES), asked.data.absolute())


def run(names: list[str], data: Path) -> int:
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        make.say(f"no figure is called {', '.join(unknown)}; there are {', '.join(MEASURES)}")
        return 2
    place = Place(data, data.with_name(data.name + "-work"))
    taken: list[Figure] = []
    failed = False
    for name in names:
        make.say(f"measuring {name} …")
        try:
            taken += MEASURES[name](place)
        except Exception as error:
            failed = True
            make.say(f"{name} could not be measured: {type(error).__name__}: {error}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}\n")
    print(table(taken))
    return int(failed or any(f.good is False for f in taken))


if __name__ == "__main__":
    sys.exit(main())
