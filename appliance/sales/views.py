"""The pages of selling: importing this module hangs every route on the blueprint."""

from __future__ import annotations

from . import lead_views as lead_views
from . import pool_views as pool_views
from . import score_views as score_views
from . import task_views as task_views
from .blueprint import bp

__all__ = ["bp"]
