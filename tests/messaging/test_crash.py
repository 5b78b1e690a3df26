"""A real server that is killed while it waits for the provider's answer: nothing is ever sent twice."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.connections import store
from appliance.core import settings
from appliance.core.db import write
from appliance.forms.hooks import Cause
from appliance.messaging import outbox, policy, sending
from appliance.messaging.outbox import Draft
from appliance.messaging.policy import Policy
from appliance.messaging.senders import Target
from tests.support import world
from tests.support.server import Server

COUNT = 24


class Provider:
    """Takes text messages as Aliyun does and lets the caller wait for its answer until it is told to go on."""

    def __init__(self) -> None:
        self.numbers: list[str] = []
        self.answers = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider.numbers += parse_qs(urlsplit(self.path).query)["PhoneNumbers"]
                provider.answers.wait(30)
                answer = b'{"Code": "OK", "Message": "OK", "BizId": "biz-1", "RequestId": "r"}'
                # Whoever asked may be dead by now.
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.answers.set()
    found.server.shutdown()
    found.server.server_close()


def states(data: Path) -> dict[str, int]:
    with closing(sqlite3.connect(data / "guke.db", timeout=10)) as db:
        return dict(db.execute("SELECT state, COUNT(*) FROM message GROUP BY state").fetchall())


def until(condition: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_kill_9_between_reservation_and_answer_sends_nothing_twice(data: Path, provider: Provider) -> None:
    with world.running(data):
        settings.set("security.allowed_hosts", "127.0.0.1")
        policy.save(Policy(quiet_for="nobody"), SYSTEM)
        store.create({"kind": "sms_aliyun", "label": "短信", "params": {
            "access_key_id": "LTAI1", "access_key_secret": "secret-1", "sign": "固客", "base": provider.url, "price": "0.045",
        }}, SYSTEM)  # fmt: skip
        with write():
            outbox.send(
                [Draft("sms", Target.address(f"139000000{n:02d}"), "您的订单已发货", key=f"k{n}",
                       params={"sms_aliyun": {"code": "SMS_1", "params": {}}}) for n in range(COUNT)],
                Cause("rule", 1), SYSTEM,
            )  # fmt: skip
    assert states(data) == {"reserved": COUNT}
    first = Server(data).start()
    until(lambda: len(provider.numbers) >= 4)
    first.kill()
    begun = len(provider.numbers)
    assert states(data).get("delivered", 0) == 0 and begun < COUNT
    provider.answers.set()
    second = Server(data).start()
    try:
        until(lambda: "reserved" not in states(data) and "sending" not in states(data))
    finally:
        second.stop()
    assert len(provider.numbers) == len(set(provider.numbers)), "no number was asked for twice"
    # What was written down as begun may have died before the provider heard of it: nobody can know, so it is unknown, too.
    found = states(data)
    assert found["delivered"] + found["unknown"] == COUNT and begun <= found["unknown"] <= sending.THREADS
    assert len(provider.numbers) >= found["delivered"] + begun, "all the others went out"
