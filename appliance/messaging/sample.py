"""What the sample company says to its customers: a few templates, and messages that nothing carries out of the house yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..accounts.actor import SYSTEM
from ..core.db import write
from ..forms.hooks import Cause
from . import outbox, templates
from .outbox import Draft
from .senders import Target

TEMPLATES: list[dict[str, Any]] = [
    {
        "key": "birthday", "label": "生日祝福", "purpose": "marketing", "via": ["sms"],
        "text": "{{ record.name | surname }}女士，{{ company.name }}祝您生日快乐！生日当月下单立减 50 元。",
        "fallbacks": {"record.name": "亲爱的会员"},
    },
    {
        "key": "welcome", "label": "新客欢迎", "purpose": "service", "via": ["sms", "email"], "subject": "欢迎您",
        "text": "{{ record.name or \"您好\" }}，欢迎来到{{ company.name }}，有问题随时联系我们。",
    },
    {
        "key": "no_follow_up", "label": "三天未跟进", "purpose": "internal",
        "text": "客户 {{ record.name }}（{{ record.city or \"城市未知\" }}）三天没有跟进了。",
    },
]  # fmt: skip
WELCOMED = 8


def fill(customers: Sequence[int]) -> None:
    """``customers``: ids, the newest last."""
    for doc in TEMPLATES:
        templates.save(doc, SYSTEM)
    drafts = [
        Draft(
            "sms", Target.customer(i), template="welcome", form_key="customer", record_id=i, key=f"sample:welcome:{i}"
        )
        for i in customers[-WELCOMED:]
    ]
    with write():
        outbox.send(drafts, Cause("import"), SYSTEM)
