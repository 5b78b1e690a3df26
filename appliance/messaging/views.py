"""The pages about messages: importing this module hangs every route on the blueprint."""

from __future__ import annotations

from . import compose_views as compose_views
from . import ledger_views as ledger_views
from . import policy_views as policy_views
from . import receipts as receipts
from . import template_views as template_views
from . import unsubscribe_views as unsubscribe_views
from .blueprint import bp

__all__ = ["bp"]
