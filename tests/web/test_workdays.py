"""The pages of the company's calendar and of what automation may do unasked."""

from __future__ import annotations

import datetime as dt

from appliance.core import settings, workdays
from tests.support.http import Client


def test_hours_and_days_of_the_companys_own_are_entered_on_screen(client: Client) -> None:
    hours = {f"workdays.hours.{n}": "10:00-22:00" for n in range(7)}
    assert client.post("/settings/workdays", data=hours | {"workdays.national": "1"}).status_code == 303
    assert workdays.parse_hours(settings.get("workdays.hours.6")) == [(600, 1320)]
    refused = client.post("/settings/workdays", data=hours | {"workdays.hours.2": "10点到晚上"})
    assert refused.status_code == 422 and "10点到晚上" in refused.text and "按先后写起止时间" in refused.text
    done = client.post(
        "/settings/workdays/days", data={"day": "2026-11-10", "until": "2026-11-12", "works": "0", "note": "团建"}
    )
    assert done.status_code == 303
    assert not workdays.is_working_day(dt.date(2026, 11, 11))
    page = client.get("/settings/workdays?year=2026").text
    assert "团建" in page and "国庆节" in page
    client.post("/settings/workdays/days/2026-11-11/delete")
    assert workdays.is_working_day(dt.date(2026, 11, 11))
    bad = client.post("/settings/workdays/days", data={"day": "2026-11-12", "until": "2026-11-10"})
    assert bad.status_code == 422 and "结束日期" in bad.text


def test_the_limits_of_automation_are_set_on_screen(client: Client, staff_client: Client) -> None:
    data = {"automation.ask_outward": "50", "automation.ask_records": "1000", "automation.keep_days": "90"}
    assert client.post("/settings/automation", data=data).status_code == 303
    assert settings.get("automation.ask_outward") == 50
    refused = client.post("/settings/automation", data=data | {"automation.keep_days": "1"})
    assert refused.status_code == 422 and "7" in refused.text
    assert staff_client.get("/settings/automation").status_code in (403, 404)
