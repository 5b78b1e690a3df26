"""``python -m appliance`` is ``guke``."""

from .ops.cli import main

main()
