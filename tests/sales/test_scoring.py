"""Lead scores: points that fade by the day, grades, and taking them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core import i18n
from appliance.core.db import read
from appliance.forms import catalog, query
from appliance.sales.scoring import HALF_LIFE, LINEAR, NONE, Fade, Lot, changes_on, total
from tests.support.clock import Clock
from tests.support.http import Api, Client

Work = Callable[[], Any]
ADD = {"action": "add_score", "points": 100, "reason": "看了报价"}


class Leads:
    def __init__(self, api: Api, work: Work) -> None:
        self.api, self.work = api, work

    def add(self, **values: Any) -> int:
        return int(self.api.post("/forms/lead/records", {"values": values})["id"])

    def score(self, lead: int) -> tuple[int | None, str | None]:
        values = query.Query(catalog.get("lead"), SYSTEM).get(lead).values
        return values["score"], values["grade"]

    def run(self, *do: dict[str, Any], form: str = "lead", ids: list[int] | None = None) -> dict[str, Any]:
        doc = {"label": "规则", "form": form, "on": {"manual": True}, "do": list(do), "enabled": True}
        key = self.api.post("/rules", doc)["key"]
        self.api.post(f"/rules/{key}:run", {} if ids is None else {"ids": ids})
        self.work()
        return dict(self.api.get(f"/rules/{key}/runs")["runs"][0])


@pytest.fixture
def leads(app: Flask, api: Api, work: Work) -> Iterator[Leads]:
    with i18n.speaking("zh"), read():
        yield Leads(api, work)


def test_points_halve_with_time_and_the_grade_follows_without_touching_every_lead(
    leads: Leads, clock: Clock, work: Work
) -> None:
    ann, still = leads.add(name="安"), leads.add(name="本")
    assert leads.score(ann) == (None, None)
    leads.run(ADD, ids=[ann])
    leads.run(ADD | {"points": 60, "decay": False}, ids=[still])
    assert (leads.score(ann), leads.score(still)) == ((100, "A"), (60, "B"))
    clock.move(days=30)
    assert work()["leads_rescored"] == 1
    assert (leads.score(ann), leads.score(still)) == ((50, "B"), (60, "B"))
    clock.move(days=60)
    work()
    assert leads.score(ann) == (13, "D")
    # What has faded away is not looked at again.
    clock.move(days=400)
    work()
    from appliance.sales.models import ScoreDue

    assert leads.score(ann) == (0, "D") and ScoreDue.select().count() == 0


def test_a_run_is_undone_and_a_rule_hears_of_the_grade(leads: Leads, client: Client, work: Work) -> None:
    leads.api.post("/rules", {
        "label": "A 级", "form": "lead", "on": {"updated": ["grade"]}, "where": {"changed": "grade", "to": ["A"]},
        "do": [{"action": "set", "values": {"intent": "high"}}], "enabled": True,
    })  # fmt: skip
    ann = leads.add(name="安")
    run = leads.run(ADD)
    work()
    assert leads.score(ann) == (100, "A")
    assert leads.api.get(f"/forms/lead/records/{ann}")["values"]["intent"] == "high"
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    assert leads.score(ann) == (None, None)
    assert "还没有评分" in client.get(f"/forms/lead/records/{ann}/panels/score", htmx=True).text


def test_a_follow_up_scores_its_lead_and_the_panel_says_why(leads: Leads, client: Client) -> None:
    ann = leads.add(name="安")
    call = leads.api.post("/forms/follow_up/records", {"values": {"content": "聊了很久", "lead": ann}})["id"]
    leads.run(ADD | {"points": 25}, form="follow_up", ids=[call])
    assert leads.score(ann) == (25, "C")
    panel = client.get(f"/forms/lead/records/{ann}/panels/score", htmx=True).text
    assert "看了报价" in panel and "+25" in panel and "C 级" in panel


def test_other_cut_points_grade_every_lead_anew_and_wrong_ones_are_refused(
    leads: Leads, client: Client, work: Work
) -> None:
    ann = leads.add(name="安")
    leads.run(ADD | {"points": 60})
    typed = {"scoring.fade": "half_life", "scoring.days": "30", "scoring.a": "60", "scoring.b": "30", "scoring.c": "10"}
    wrong = client.post("/settings/scoring", data=typed | {"scoring.b": "90"})
    assert wrong.status_code == 422 and "从高到低" in wrong.text and 'value="90"' in wrong.text
    assert client.post("/settings/scoring", data=typed).status_code == 303
    work()
    assert leads.score(ann) == (60, "A")


def test_parameters_that_make_no_sense_are_refused_at_their_place(leads: Leads) -> None:
    def refuse(do: dict[str, Any]) -> list[str]:
        doc = {"label": "规则", "form": "lead", "on": {"manual": True}, "do": [do]}
        return [e["field"].removeprefix("do.0.") for e in leads.api.post("/rules", doc, expect=422)["errors"]]

    assert refuse(ADD | {"points": "很多"}) == ["points"]
    assert refuse(ADD | {"reason": ""}) == ["reason"]
    assert refuse(ADD | {"decay": {"half_life": 0}}) == ["decay.half_life"]
    assert refuse(ADD | {"decay": "schnell"}) == ["decay"]


LOTS = st.lists(
    st.builds(
        Lot, st.integers(-200, 200), st.integers(0, 60),
        st.one_of(st.just(Fade(NONE)), st.builds(Fade, st.sampled_from([HALF_LIFE, LINEAR]), st.integers(1, 40))),
    ),
    max_size=5,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LOTS, st.integers(60, 90))
def test_looking_only_at_the_days_named_sees_every_change(lots: list[Lot], today: int) -> None:
    """The stored score, written on the named days alone, is on every day what the entries say."""
    stored, due = total(lots, today), changes_on(lots, today)
    for day in range(today + 1, today + 80):
        if due is not None and day >= due:
            stored, due = total(lots, day), changes_on(lots, day)
        assert stored == total(lots, day)
