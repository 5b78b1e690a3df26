"""Events over HTTP: batches, single posts, and what staff feel meanwhile."""

from __future__ import annotations

import concurrent.futures
import random
import statistics
from typing import Any

from tests.support import world
from tests.support.server import Server

from . import load
from .figure import Figure, Place, measure
from .figures import call, fresh, page

CUSTOMERS = 20_000
BATCH = 500
BATCHES = 120
SECONDS = 10
KINDS = ("watch", "watch", "comment", "like", "like", "click")


def events(count: int, start: int, rng: random.Random) -> list[dict[str, Any]]:
    """So many events of customers who are known, each with a number of its own."""
    return [
        {
            "connection": "douyin-main", "id": f"e{start + n}", "customer": {"douyin_id": f"u{rng.randrange(CUSTOMERS)}"},
            "type": rng.choice(KINDS), "at": f"2026-11-{rng.randrange(1, 20):02}T20:{rng.randrange(60):02}:00+08:00",
            "seconds": rng.randrange(600), "props": {"room": f"r{rng.randrange(9)}"},
        }
        for n in range(count)
    ]  # fmt: skip


def known(template: world.Template) -> list[dict[str, Any]]:
    """Requests by which the customers, and a live session, become known."""
    rows = [
        {"connection": "begin", "id": f"b{n}", "customer": {"douyin_id": f"u{n}"}, "type": "follow"} for n in range(CUSTOMERS)
    ]  # fmt: skip
    session = {
        "title": "双十一", "channel": "douyin", "starts_at": "2026-11-11T20:00:00+08:00",
        "ends_at": "2026-11-11T23:00:00+08:00",
    }  # fmt: skip
    first = call("POST", "/forms/live_session/records", {"values": session}, template)
    return [
        first,
        *(call("POST", "/events", {"events": rows[n : n + 1000]}, template) for n in range(0, CUSTOMERS, 1000)),
    ]


@measure("events")
def bring_events(place: Place) -> list[Figure]:
    """Batches of 500 one after the other; single posts by 8 clients that keep their connections; pages beside both."""
    template = fresh(place, "events")
    rng = random.Random(20_261_122)
    with Server(template.folder, cold=True) as server:
        load.run(server.port, known(template), once=True, seconds=600).check(200, 201)
        staff = [page("/forms/customer", template), page("/", template), page("/forms/customer/records/77", template)]
        load.run(server.port, staff, once=True).check(200)
        batches = [call("POST", "/events", {"events": events(BATCH, n * BATCH, rng)}, template) for n in range(BATCHES)]
        singles = [call("POST", "/events", {"events": [row]}, template) for row in events(9_000, 10**7, rng)]

        def beside(requests: list[dict[str, Any]], clients: int, seconds: float) -> tuple[load.Result, load.Result]:
            with concurrent.futures.ThreadPoolExecutor() as pool:
                pages = pool.submit(load.run, server.port, staff, clients=2, seconds=min(seconds, SECONDS), pause=0.3)
                told = load.run(server.port, requests, clients=clients, seconds=seconds, once=True).check(200)
                return told, pages.result().check(200)

        alone = load.run(server.port, batches[: BATCHES // 2], once=True, seconds=120).check(200)
        many, during_many = beside(batches[BATCHES // 2 :], 1, 120)
        single, during_single = beside(singles, 8, SECONDS)
    rate = alone.per_second * BATCH
    busy = many.per_second * BATCH
    pages = statistics.fmean([during_many.p95, during_single.p95])
    return [
        Figure("events in batches of 500", rate, "/s", "≥ 5,000 /s", rate >= 5_000, note=f"p95 {alone.p95:.0f} ms a batch"),
        Figure("… while staff open pages", busy, "/s", "", None, note=f"pages p95 {during_many.p95:.0f} ms"),
        Figure(
            "single events, 8 clients", single.per_second, "/s", "≥ 300 /s", single.per_second >= 300,
            note=f"p95 {single.p95:.0f} ms, pages p95 {during_single.p95:.0f} ms",
        ),
        Figure("pages while events come, p95", pages, "ms", "< 200 ms", max(during_many.p95, during_single.p95) < 200),
    ]  # fmt: skip
