"""The visible list of parts is complete: a command without the web knows every registry's members."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests.support.server import ROOT, environment

REGISTERS = re.compile(r"^(@\w*(jobs|registry)\.handler\(|@schema\.seed|@hooks\.|incidents\.declare\()", re.MULTILINE)


def test_every_module_that_registers_something_is_loaded_with_the_rooms() -> None:
    tell = "import json, sys, appliance.schema as s; s.load(); print(json.dumps(list(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", tell],
        cwd=ROOT,
        env=environment(None),
        capture_output=True,
        text=True,
        check=True,
    )
    known = set(json.loads(loaded.stdout))
    for file in sorted((ROOT / "appliance").rglob("*.py")):
        if REGISTERS.search(file.read_text()):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            assert module in known, f"{module} registers something; list it in appliance/schema.py"


def test_every_table_of_a_room_is_listed() -> None:
    from appliance import schema

    listed = {f"appliance.{room}.models" for room in schema.MODELS}
    for file in (ROOT / "appliance").glob("*/models.py"):
        assert f"appliance.{file.parent.name}.models" in listed
