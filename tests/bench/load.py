"""The load generator: a process of its own that keeps connections open and measures each answer.

``python -m tests.bench.load`` reads one JSON job from standard input: ``{"host", "port", "clients", "seconds",
"pause", "requests": [{"method", "path", "headers", "body"}, …]}``; the clients take the requests in turn, each for
``seconds`` or until the list is used up (``"once": true``). It prints what :class:`Result` holds.
"""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """Milliseconds and answers of one run."""

    count: int
    seconds: float
    p50: float
    p95: float
    p99: float
    worst: float
    statuses: dict[str, int]
    bodies: list[str]

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    def check(self, *good: int) -> Result:
        """Raises when any answer was none of ``good``: a quick error is no figure."""
        bad = {s: n for s, n in self.statuses.items() if int(s) not in good}
        if bad:
            raise RuntimeError(f"answers other than {good}: {bad}\n" + "\n".join(self.bodies[:3]))
        return self


def run(
    port: int,
    requests: list[dict[str, Any]],
    *,
    clients: int = 1,
    seconds: float = 10,
    once: bool = False,
    pause: float = 0.0,
) -> Result:
    """Sends the load from another process and waits for its figures. ``pause``: seconds between a client's requests."""
    job = {
        "port": port,
        "requests": requests,
        "clients": clients,
        "seconds": seconds,
        "once": once,
        "pause": pause,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        cwd=ROOT,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Result(**json.loads(done.stdout))


def percentile(times: list[float], share: float) -> float:
    """``times`` must be sorted."""
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0


def _client(job: dict[str, Any], queue: Any, until: float, out: list[tuple[float, int]], bodies: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", job["port"], timeout=60)
    connection.connect()
    for request in queue:
        if time.perf_counter() >= until:
            break
        started = time.perf_counter()
        connection.request(request["method"], request["path"], request.get("body"), request.get("headers", {}))
        answer = connection.getresponse()
        body = answer.read()
        out.append((time.perf_counter() - started, answer.status))
        if answer.status >= 400 and len(bodies) < 5:
            bodies.append(
                f"{request['method']} {request['path']}: {answer.status} {body[:300].decode(errors='replace')}"
            )
        if job["pause"]:
            time.sleep(job["pause"])
    connection.close()


def main() -> None:
    job = json.load(sys.stdin)
    requests = job["requests"]
    queue = iter(requests) if job["once"] else itertools.cycle(requests)
    lock = threading.Lock()

    def take() -> Any:
        while True:
            with lock:
                try:
                    request = next(queue)
                except StopIteration:
                    return
            yield request

    times: list[tuple[float, int]] = []
    bodies: list[str] = []
    started = time.perf_counter()
    until = started + job["seconds"]
    threads = [
        threading.Thread(target=_client, args=(job, take(), until, times, bodies)) for _ in range(job["clients"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = sorted(t * 1000 for t, _ in times)
    result = {
        "count": len(took),
        "seconds": time.perf_counter() - started,
        "p50": percentile(took, 0.50),
        "p95": percentile(took, 0.95),
        "p99": percentile(took, 0.99),
        "worst": took[-1] if took else 0.0,
        "statuses": Counter(str(status) for _, status in times),
        "bodies": bodies,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
