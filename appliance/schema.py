"""The visible list of the rooms: whose tables are in the database and which modules join the registries."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from .core.db import Model
from .migrations import MIGRATIONS as MIGRATIONS

MODELS = (
    "core",
    "accounts",
    "connections",
    "forms",
    "customers",
    "customers.segments",
    "customers.measures",
    "messaging",
    "automation",
    "loyalty",
    "sales",
    "reports",
    "channels",
    "apps",
    "api",
    "ops",
)
"""Rooms in order, lowest first; each has ``models.TABLES`` when it has tables."""

PARTS = (
    "core.jobs.upkeep",
    "core.compacting",
    "accounts.users",
    "accounts.upkeep",
    "accounts.tokens",
    "accounts.deputies",
    "accounts.directory_check",
    "connections.upkeep",
    "forms.search",
    "forms.sealing",
    "forms.token_forms",
    "forms.formula.spreading",
    "forms.formula.settling",
    "forms.filling",
    "forms.deleting",
    "forms.bulk_edit",
    "forms.pasting",
    "forms.duplicates",
    "forms.pairing",
    "forms.handing_over",
    "forms.purging",
    "forms.retention",
    "forms.designing.conversion",
    "forms.designing.bin",
    "forms.designing.copying",
    "forms.sub_forms",
    "forms.uploads",
    "forms.importing.condition",
    "forms.importing.job",
    "forms.importing.undo",
    "forms.importing.export",
    "forms.importing.tidy",
    "forms.public.pages",
    "customers.identity_field",
    "customers.tag_field",
    "customers.tag_test",
    "customers.consents",
    "customers.consent_entries",
    "customers.consent_test",
    "customers.personal_data",
    "customers.erasing",
    "customers.resolver",
    "customers.builtin",
    "customers.metrics",
    "customers.scoring",
    "customers.favourites",
    "customers.events.kinds",
    "customers.events.figures",
    "customers.events.sessions",
    "customers.events.condition",
    "customers.events.entries",
    "customers.events.belonging",
    "customers.events.timeline_source",
    "customers.merging",
    "customers.joining",
    "customers.doubles",
    "customers.timeline_sources",
    "customers.segments.segment_test",
    "customers.segments.touching",
    "customers.segments.membership",
    "customers.segments.keeping",
    "customers.segments.uses",
    "customers.segments.privacy",
    "customers.segments.lists",
    "customers.segments.imports",
    "customers.segments.bulk",
    "customers.segments.ready_made",
    "customers.measures.computing",
    "messaging.senders",
    "messaging.confirming",
    "messaging.sending",
    "messaging.undoing",
    "automation.actions.making",
    "messaging.ledger",
    "messaging.privacy",
    "messaging.timeline_source",
    "automation.running",
    "automation.dates",
    "automation.happenings",
    "automation.inheriting",
    "automation.holding",
    "automation.retrying",
    "automation.withheld",
    "automation.rehearsal",
    "automation.dispatch",
    "automation.undo",
    "automation.bulk",
    "automation.explain",
    "automation.ready_made",
    "automation.uses",
    "loyalty.builtin",
    "loyalty.coupons",
    "loyalty.levels",
    "loyalty.earned",
    "loyalty.actions",
    "loyalty.timeline_source",
    "loyalty.ready_made",
    "sales.builtin",
    "sales.scoring",
    "sales.add_score",
    "sales.ownership",
    "sales.tasks",
    "sales.reminders",
    "sales.follow_ups",
    "sales.returning",
    "sales.joining",
    "reports.builtin",
    "reports.uses",
    "reports.owning",
    "channels.webhook_in",
    "api.limits",
    "ops.backup",
)
"""Modules that register something when imported: job handlers, seeds, hooks, actions, conditions' tests."""


def tables() -> list[type[Model]]:
    """All models, so that a table stands after those it refers to."""
    found: list[type[Model]] = []
    for room in MODELS:
        package = f"{__package__}.{room}"
        if find_spec(package) and find_spec(f"{package}.models"):
            found += importlib.import_module(f"{package}.models").TABLES
    return found


def load() -> None:
    """Imports every part, so that the registries are full before work starts."""
    for part in PARTS:
        importlib.import_module(f"{__package__}.{part}")
