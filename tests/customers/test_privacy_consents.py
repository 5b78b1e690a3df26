"""What customers agree to: on their page, in conditions, by the API, on public pages, through merges."""

from __future__ import annotations

from appliance.accounts.actor import SYSTEM
from appliance.customers import consents
from appliance.forms import catalog, conditions, merging, query, records
from appliance.forms.public import pages
from tests.support.http import Client


def customer(**values):
    return records.create(catalog.get("customer"), {"name": "王芳", **values}, SYSTEM)


def found(where):
    return {r.id for r in query.Query(catalog.get("customer"), SYSTEM).where(where).page(limit=50).records}


def states(customer_id):
    return {pair: said.state for pair, said in consents.current(customer_id).items()}


SMS = {"consent": "marketing", "channel": "sms"}


def test_a_consent_is_given_and_withdrawn_in_two_taps_and_the_history_stays(client):
    one = customer()
    panel = client.get(f"/forms/customer/records/{one}/panels/consents", htmx=True).text
    assert "营销信息" in panel and "短信" in panel and "未表态" in panel
    url = f"/customers/{one}/consents/marketing/sms"
    assert "客户同意" in client.get(url, htmx=True).text
    answer = client.post(url, data={"state": "granted", "source": "phone", "evidence": "录音 12"}, htmx=True)
    assert "is-granted" in answer.text
    client.post(url, data={"state": "withdrawn", "source": "chat"}, htmx=True)
    dialog = client.get(url, htmx=True).text
    for words in ("已撤回", "录音 12", "电话中", "聊天中", "amy"):
        assert words in dialog, words
    assert states(one) == {("marketing", "sms"): "withdrawn"}
    wrong = client.post(url, data={"state": "perhaps", "source": "phone"}, htmx=True)
    assert wrong.headers["HX-Retarget"] == "#action-dialog" and "请选择同意还是撤回" in wrong.text
    assert client.get(f"/customers/{one}/consents/marketing/pigeon").status_code == 404
    assert client.get("/customers/999/consents/marketing/sms").status_code == 404


def test_conditions_ask_for_consents_and_say_why(client, clock):
    yes, no, silent = customer(), customer(name="李雷"), customer(name="韩梅")
    consents.record(yes, "marketing", ["sms"], "granted", "shop", SYSTEM)
    consents.record(no, "marketing", ["sms"], "granted", "shop", SYSTEM)
    clock.move(days=1)
    consents.record(no, "marketing", ["sms"], "withdrawn", "phone", SYSTEM)
    assert found(SMS) == {yes}
    assert found({**SMS, "state": "withdrawn"}) == {no}
    assert found({**SMS, "state": "none"}) == {silent}
    assert found({"not": SMS}) == {no, silent}
    assert found({"consent": "marketing"}) == {yes}
    # What is written down later but was said earlier does not outweigh what was said since.
    consents.record(no, "marketing", ["sms"], "granted", "paper", SYSTEM, at=clock.now() - 30 * 86400)
    assert found(SMS) == {yes}
    told = conditions.explain(SMS, catalog.get("customer"), no)
    assert not told.passed and "电话中" in told.actual and "短信" in told.words
    listed = client.get("/forms/customer", query_string={"where": '{"consent":"marketing","channel":"sms"}'}).text
    assert "营销信息" in listed and "李雷" not in listed
    meta = client.get("/forms/customer/conditions/meta")
    assert meta.status_code != 200 or "consent" in meta.text


def test_wrong_conditions_are_refused(api):
    for where in ({"consent": ""}, {"consent": "marketing", "channel": "x"}, {**SMS, "state": "x"}, {"consent": 3}):
        api.post("/forms/customer/query", {"where": where}, expect=422)
    api.post("/forms/order/query", {"where": SMS}, expect=422)


def test_programs_read_and_write_consents(api, staff_api):
    one = customer()
    path = f"/customers/{one}/consents"
    made = api.post(
        path,
        {
            "purpose": "marketing",
            "channel": "email",
            "state": "granted",
            "source": "网站",
            "at": "2026-01-02T10:00:00+08:00",
        },
    )
    assert made["current"][0]["state"] == "granted" and made["current"][0]["by"] == "amy"
    assert made["history"][0]["at"] == "2026-01-02T10:00:00+08:00"
    assert staff_api.get(path)["current"] == made["current"]
    for wrong in (
        {"purpose": "x"},
        {"channel": []},
        {"state": "none"},
        {"at": "soon"},
        {"source": ""},
        {"evidence": 3},
    ):
        api.post(path, {"purpose": "marketing", "channel": "email", "state": "granted"} | wrong, expect=422)
    api.get("/customers/999/consents", expect=404)
    assert "/customers/{id}/consents" in api.get("/openapi.json")["paths"]


def test_on_a_merge_the_stricter_side_wins_and_undo_takes_it_back(app, clock):
    form = catalog.get("customer")
    one, other = customer(), customer()
    consents.record(other, "marketing", ["sms"], "withdrawn", "phone", SYSTEM)
    consents.record(other, "service", ["email"], "granted", "phone", SYSTEM)
    clock.move(days=1)
    consents.record(one, "marketing", ["sms", "email"], "granted", "shop", SYSTEM)
    before = states(one)
    merge_id = merging.merge(form, one, other, {}, SYSTEM)
    assert states(one) == {
        ("marketing", "sms"): "withdrawn", ("marketing", "email"): "granted", ("service", "email"): "granted"
    }  # fmt: skip
    assert found(SMS) == set()
    merging.undo(form, merge_id, SYSTEM)
    assert states(one) == before and found(SMS) == {one}


def test_a_public_page_takes_a_consent(client, anon: Client):
    form = catalog.get("customer")
    catalog.add_field(form, {"key": "agrees", "label": "同意接收短信优惠", "type": "yes_no"})
    form = catalog.get("customer")
    client.post("/forms/customer/public")
    page = pages.of("customer")[0]
    url = f"/forms/customer/public/{page.id}"
    assert "答「是」即同意" in client.get(url).text
    sent = {
        "title": "会员登记", "active": "1", "field": ["name", "agrees"], "shown-name": "1", "shown-agrees": "1",
        "purpose-agrees": "marketing", "on_known": "refuse",
    }  # fmt: skip
    assert "请至少选一个渠道" in client.post(url, data=sent).text
    assert client.post(url, data=sent | {"channels-agrees": ["sms", "email"]}).status_code == 303
    anon.post(f"/p/{page.token}", data={"name": "答是", "agrees": "1"})
    anon.post(f"/p/{page.token}", data={"name": "不答"})
    rows = {r.title: r.id for r in query.Query(form, SYSTEM).page(limit=10).records}
    assert states(rows["答是"]) == {("marketing", "sms"): "granted", ("marketing", "email"): "granted"}
    assert states(rows["不答"]) == {}
    assert consents.history(rows["答是"])[0].source == f"page:{page.id}"


def test_the_company_names_its_own_purposes(client):
    client.post("/settings/company", data={"company.consent_purposes": "营销信息、生日祝福"})
    one = customer()
    panel = client.get(f"/forms/customer/records/{one}/panels/consents", htmx=True).text
    assert "生日祝福" in panel and "服务通知" not in panel
    client.post(f"/customers/{one}/consents/生日祝福/wechat", data={"state": "granted", "source": "shop"})
    assert states(one) == {("生日祝福", "wechat"): "granted"}


def test_consents_come_in_files_and_by_the_api_and_go_with_their_import(client, api, cli, tmp_path):
    one, two = customer(phone="13800000001"), customer(name="李雷", phone="13800000002")
    file = tmp_path / "consents.csv"
    file.write_text(
        "手机,用途,渠道,是否同意,同意时间,来源,备注\n"
        "13800000001,营销信息,短信,是,2026-03-01 10:00,门店,签字单 7\n"
        "13800000001,服务通知,微信,退订,2026-03-02,电话中,\n"
        "13800000002,营销,邮箱,同意,2026-03-03,,\n"
        "13800000002,打扰,短信,是,2026-03-03,,\n"
    )
    done = cli("import", "consent_entry", file, "--json").json
    assert (done["created"], done["failed"]) == (3, 1)
    assert states(one) == {("marketing", "sms"): "granted", ("service", "wechat"): "withdrawn"}
    said = consents.current(one)["marketing", "sms"].document()
    assert (said["source"], said["evidence"], said["at"]) == ("门店", "签字单 7", "2026-03-01T10:00:00+08:00")
    assert consents.current(two)["marketing", "email"].source == "import"
    assert found(SMS) == {one}
    # By the API: many at once, each failing alone; a customer by any identity.
    values = {"customer": {"phone": "13800000002"}, "purpose": "marketing", "channel": "sms", "state": "granted"}
    made = api.post("/forms/consent_entry/records", {"values": values | {"at": "2026-03-04"}})["id"]
    assert found(SMS) == {one, two} and consents.current(two)["marketing", "sms"].source == "api"
    for wrong in ({"purpose": "打扰"}, {"channel": "pigeon"}, {"at": "2999-01-01"}, {"state": "perhaps"}):
        problem = api.post("/forms/consent_entry/records", {"values": values | wrong}, expect=422)
        assert problem["errors"][0]["field"] in wrong
    # A line goes with its entry, also from where a merge took it, and a correction leaves the old line in no history.
    api.patch(f"/forms/consent_entry/records/{made}", {"values": {"state": "withdrawn"}})
    assert states(two)["marketing", "sms"] == "withdrawn" and len(consents.history(two)) == 2
    merging.merge(catalog.get("customer"), one, two, {}, SYSTEM)
    assert states(one)["marketing", "email"] == "granted" and states(one)["marketing", "sms"] == "withdrawn"
    cli("import", "undo", str(done["import_id"]), "--json").ok()
    assert states(one) == {("marketing", "sms"): "withdrawn"}
