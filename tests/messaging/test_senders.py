"""Senders: what each does with its platform's answers."""

from __future__ import annotations

from typing import Any

from appliance.messaging import senders
from appliance.messaging.senders import Message, Target
from tests.support.http import Client


def test_a_notice_in_the_app_reaches_its_person(client: Client, staff_client: Client) -> None:
    sender = senders.get("in_app")
    bo = _user("bo")
    assert sender.connection_for(Target.user(bo)) is None
    address = sender.address_of(Target.user(bo))
    assert address is not None and sender.address_of(Target.customer(1)) is None
    outcome = sender.deliver(Message("k1", address, "张三已下单", "新订单"), None)
    assert outcome.state == "delivered"
    assert "新订单：张三已下单" in staff_client.get("/notices").text
    assert "张三已下单" not in client.get("/notices").text


def _user(login: str) -> Any:
    from appliance.accounts.models import User
    from appliance.core.db import read

    with read():
        return User.select(User.id).where(User.login == login).scalar()
