"""The outbox: reserving a campaign, and sending through a provider on loopback that answers at once."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support import world

from .figure import Figure, Place, measure
from .figures import fresh

RESERVED = 100_000
SENT = 3_000
NOTICES = 2_000
BATCH = 500


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        answer = b'{"Code": "OK", "Message": "OK", "BizId": "b", "RequestId": "r"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@measure("outbox")
def outbox(place: Place) -> list[Figure]:
    """Reserves 100,000 messages of a template, then sends some of them, all in one process."""
    template = fresh(place, "outbox")
    provider = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    try:
        with world.running(template.folder):
            return _figures(f"http://127.0.0.1:{provider.server_address[1]}")
    finally:
        provider.shutdown()
        provider.server_close()


def _figures(url: str) -> list[Figure]:
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM
    from appliance.connections import store
    from appliance.core import jobs, settings
    from appliance.core.db import write
    from appliance.forms import catalog, records
    from appliance.forms.hooks import Cause
    from appliance.messaging import outbox, policy, templates
    from appliance.messaging.models import Message
    from appliance.messaging.outbox import Draft
    from appliance.messaging.senders import Target

    settings.set("security.allowed_hosts", "127.0.0.1")
    policy.save(policy.Policy(quiet_for="nobody"), SYSTEM)
    params = {"access_key_id": "L", "access_key_secret": "s", "sign": "固客", "base": url, "price": "0.045"}
    store.create({"kind": "sms_aliyun", "label": "短信", "params": params}, SYSTEM)
    templates.save({
        "key": "hi", "label": "问候", "text": "{{ record.name }}您好，您在{{ record.city or '本地' }}的门店有新品",
        "codes": {"sms_aliyun": {"code": "SMS_1", "params": {"name": "{{ record.name }}"}}},
    }, SYSTEM)  # fmt: skip
    form = catalog.get("customer")
    ids: list[int] = []
    for start in range(0, 20_000, 5_000):
        rows = [{"name": f"客户{start + n}", "phone": f"139{start + n:08d}", "city": "杭州"} for n in range(5_000)]
        ids += [i for i in records.create_many(form, rows, SYSTEM).ids if i]
    cause = Cause("rule", 1)

    def reserve(some: list[int], cycle: int) -> None:
        with write():
            outbox.send(
                [
                    Draft(
                        "sms", Target.customer(i), template="hi", form_key="customer", record_id=i, key=f"{i}:{cycle}"
                    )
                    for i in some
                ],
                cause,
                SYSTEM,
            )

    began = time.perf_counter()
    for n in range(0, RESERVED, BATCH):
        reserve(ids[n % len(ids) : n % len(ids) + BATCH], n // len(ids))
    reserving = RESERVED / (time.perf_counter() - began)
    with write():
        keep = Message.select(Message.id).order_by(Message.id).limit(SENT)
        Message.update(state=outbox.CANCELLED).where(Message.id.not_in(keep)).execute()
    began = time.perf_counter()
    sent = jobs.work()["messages_sent"]
    sending = sent / (time.perf_counter() - began)
    amy = users.by_login("amy").id
    with write():
        outbox.send([Draft("in_app", Target.user(amy), "您好", key=f"bell:{n}") for n in range(NOTICES)], cause, SYSTEM)
    began = time.perf_counter()
    told = jobs.work()["messages_sent"]
    telling = told / (time.perf_counter() - began)
    return [
        Figure(
            "messages of a template reserved", reserving, "/s", "≥ 1,000/s", reserving >= 1_000, note=f"{RESERVED:,}"
        ),
        Figure(
            "text messages sent to a loopback provider",
            sending,
            "/s",
            "≥ 50/s",
            sending >= 50,
            note=f"{sent:,} of {SENT:,}",
        ),
        Figure(
            "notices inside the app sent", telling, "/s", "≥ 500/s", telling >= 500, note=f"{told:,} of {NOTICES:,}"
        ),
    ]
