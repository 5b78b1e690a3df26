"""Begins an import as the wizard's last click would, and leaves the work to the server that is running on the data.

``python -m tests.bench.begin DATA FORM FILE KEY`` prints the job's id.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(data: Path, form_key: str, file: Path, key: str) -> int:
    from appliance.accounts.actor import SYSTEM
    from appliance.core import cli
    from appliance.forms import catalog
    from appliance.forms.importing import imports, plan
    from appliance.forms.importing.plan import Facts

    with cli.opened(data), file.open("rb") as content:
        form = catalog.get(form_key)
        row = imports.begin(form, content, file.name, SYSTEM)
        facts = Facts.open(row.facts)
        proposed = plan.propose(form, facts, SYSTEM)
        proposed.key = key
        imports.save_plan(row, proposed, facts)
        return imports.start(row, SYSTEM)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
