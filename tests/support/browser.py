"""Chromium for tests: found on the machine, started with no calls home, and strict about what pages do wrong."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1366, "height": 860}

# A page may be refused (401–422) on purpose; Chromium logs that as an error of its own.
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4(?!04)\d\d")


def chromium() -> str | None:
    """The machine's Chromium; None leaves the choice to Playwright (its own download)."""
    named = os.environ.get("GUKE_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        # Ubuntu's chromium-browser is a stub that asks for a snap.
        if found and b"snap install chromium" not in Path(found).read_bytes()[:20_000]:
            return found
    return None


# Leaving a page, or typing on, gives up a request that is under way; htmx reports that as an error of its own.
_GIVEN_UP = re.compile(r"htmx:(sendAbort|afterRequest)\b")


class Complaints:
    """Collects what a page did wrong: script errors, broken security policy, server errors, missing files."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def listen(self, page: Any) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"script error: {error}"))
        page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not _REFUSED.search(message.text) and not _GIVEN_UP.search(message.text):
            self.found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _response(self, response: Any) -> None:
        if response.status >= 500:
            self.found.append(f"server error {response.status}: {response.url}")

    def allow(self, pattern: str) -> None:
        """Forgets what matches: for tests that provoke it."""
        self.found = [f for f in self.found if not re.search(pattern, f)]
