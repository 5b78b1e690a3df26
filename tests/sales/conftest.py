"""A sales department that amy heads and bo and cy work in, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from appliance.accounts import departments, users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import Notice


@dataclass
class Team:
    """Ids by login, and the department's."""

    amy: int
    bo: int
    cy: int
    department: int


@pytest.fixture
def team(app: Any) -> Team:
    ids = {login: users.by_login(login).id for login in ("amy", "bo", "cy")}
    sales = departments.create("销售部", SYSTEM, head=ids["amy"])
    departments.set_members(sales, [ids["bo"], ids["cy"]], SYSTEM)
    return Team(**ids, department=sales)


@pytest.fixture
def told(app: Any) -> Callable[[int], list[str]]:
    """What a person was told so far, the oldest first."""

    def read(user_id: int) -> list[str]:
        rows = Notice.select(Notice.text).where(Notice.user_id == user_id).order_by(Notice.id)
        return [text if isinstance(text, str) else text["zh"] for (text,) in rows.tuples()]

    return read
