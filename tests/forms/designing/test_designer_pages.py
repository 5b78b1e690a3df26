"""The designer's pages and what they ask the server, through the front door."""

from __future__ import annotations

import re
from html import unescape

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, fields, records


@pytest.fixture
def shop(app):
    """A form of the company's own, with two records."""
    form = catalog.create_form({
        "key": "repair", "label": "维修单", "icon": "tool", "title_field": "title",
        "fields": [
            {"key": "title", "label": "标题", "type": "text", "required": True},
            {"key": "fee", "label": "费用", "type": "text"},
            {"key": "state", "label": "状态", "type": "choice", "choices": ["新", "完成"]},
        ],
    })  # fmt: skip
    records.create_many(form, [{"title": "屏幕", "fee": "120"}, {"title": "电池", "fee": "面议"}], SYSTEM)
    return form


def data_of(page):
    import json

    found = re.search(r'id="designer-data">(.*?)</script>', page.text, re.S)
    return json.loads(unescape(found[1]))


def open_designer(client, key="repair"):
    page = client.get(f"/forms/{key}/design")
    assert page.status_code == 200
    return data_of(page)


def save(client, data, doc=None, version=None):
    doc = data["doc"] if doc is None else doc
    return client.post(data["urls"]["save"], json={"doc": doc, "version": version or data["version"]})


def with_field(doc, **field):
    doc["fields"].append({"type": "text"} | field)
    doc["layout"]["tabs"][0]["sections"][0]["fields"].append(field["key"])
    return doc


def test_the_page_of_forms_shows_groups_counts_and_drafts(client, shop):
    page = client.get("/designer").text
    assert "维修单" in page and "2 条记录" in page and "客户" in page and "有草稿" not in page
    data = open_designer(client)
    assert save(client, data, with_field(data["doc"], key="note", label="备注")).status_code == 200
    assert "有草稿" in client.get("/designer").text


def test_a_new_form_begins_with_its_name_and_is_published_from_its_draft(client):
    assert client.post("/designer/new", data={"name": " "}).status_code == 422
    to = client.post("/designer/new", data={"name": "售后登记"}).headers["Location"]
    assert "售后登记" in client.get("/designer").text
    data = data_of(client.get(to))
    assert data["fresh"] and data["doc"]["key"] == "shou_hou_deng_ji" and data["doc"]["layout"]["tabs"]
    saved = save(client, data, with_field(data["doc"], key="buyer", label="买家")).get_json()
    assert saved["problems"] == {}
    dialog = client.get(data["urls"]["publish"]).text
    assert "新建表单「售后登记」" in dialog and "买家" in dialog
    done = client.post(data["urls"]["publish"], json={"version": saved["version"], "accept": False})
    assert done.get_json()["url"] == "/forms/shou_hou_deng_ji"
    assert client.get("/forms/shou_hou_deng_ji").status_code == 200 and catalog.get("shou_hou_deng_ji").fields["buyer"]


def test_a_form_begins_from_a_template(client):
    from appliance.forms.designing import templates

    if not templates.all():
        pytest.skip("there are no templates")
    first = templates.all()[0]
    assert first.label in client.get("/designer").text
    to = client.post("/designer/new", data={"template": first.name}).headers["Location"]
    assert {f["key"] for f in data_of(client.get(to))["doc"]["fields"]} == {f["key"] for f in first.doc["fields"]}


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_every_type_of_the_palette_shows_its_input(client, lang):
    """What one drags onto the canvas is at once what users will see, or a sentence about what it still lacks."""
    headers = {"Accept-Language": lang}
    data = data_of(client.get("/forms/customer/design", headers=headers))
    offered = [key for group in data["palette"] for key in group["types"]]
    assert set(offered) <= set(fields.TYPES) and "text" in offered
    docs = [{"key": f"x_{key}", "label": key, "type": key} for key in offered]
    for doc in docs:
        settings = {s["key"]: s for s in data["types"][doc["type"]]["settings"]}
        doc |= {key: s["start"] for key, s in settings.items() if s["start"] is not None}
        doc |= {key: "order" for key, s in settings.items() if s["kind"] == "form"}
        doc |= {key: ["a", "b"] for key, s in settings.items() if s["kind"] == "choices_editor"}
    answer = client.post(data["urls"]["inputs"], json={"fields": docs}, headers=headers).get_json()["inputs"]
    assert set(answer) == {doc["key"] for doc in docs}
    assert all(one.get("html", "").strip() or one.get("error") for one in answer.values())
    assert "input" in answer["x_text"]["html"] and "canvas-x_text" in answer["x_text"]["html"]


def test_an_empty_input_says_what_the_company_wants_there(client, shop):
    """Every input into which text is typed, on the canvas and where records are entered."""
    data = open_designer(client)
    written = {key for key, doc in data["types"].items() if doc["written"]}
    assert {"text", "phone", "money", "relation", "persons", "id_card", "rich_text"} <= written
    assert not written & {"date", "yes_no", "attachments", "formula", "region"}
    more = {
        "form": "customer",
        "choices": ["a", "b"],
        "tree": ["a", "b"],
        "placeholder": {"zh": "照“A-1”写", "en": "Like A-1"},
    }
    kinds = [k for k in data["types"] if any(k in g["types"] for g in data["palette"])]
    docs = [{"key": f"x_{key}", "label": key, "type": key} | more for key in kinds]
    shown = client.post(data["urls"]["inputs"], json={"fields": docs}).get_json()["inputs"]
    assert {k for k in kinds if "照“A-1”写" in shown[f"x_{k}"].get("html", "")} == written & set(kinds)
    catalog.add_field(
        shop, {"key": "serial", "label": "序列号", "type": "text", "placeholder": '机身背面 "SN"'}, SYSTEM
    )
    assert 'placeholder="机身背面 &#34;SN&#34;"' in client.get("/forms/repair/new").text


def test_the_second_designer_overwrites_nothing(client, shop):
    mine, theirs = open_designer(client), open_designer(client)
    assert save(client, theirs, with_field(theirs["doc"], key="a", label="甲")).status_code == 200
    late = save(client, mine, with_field(mine["doc"], key="b", label="乙"))
    assert late.status_code == 409 and late.get_json()["who"] and late.get_json()["when"]
    now = client.get(mine["urls"]["state"] + "&doc=1").get_json()
    assert [f["key"] for f in now["doc"]["fields"]][-1] == "a"
    # Overwriting is a choice: it names the version that it replaces.
    assert save(client, mine, mine["doc"], now["version"]).status_code == 200
    assert save(client, theirs, theirs["doc"], now["version"]).status_code == 409


def test_conditions_speak_of_fields_that_are_not_published(client, shop):
    data = open_designer(client)
    doc = with_field(data["doc"], key="urgent", label="加急", type="yes_no")
    save(client, data, doc)
    meta = client.get(data["urls"]["condition_meta"]).get_json()
    assert "urgent" in [f["key"] for f in meta["forms"]["repair"]["fields"]] and meta["forms"]["repair"]["tests"] == []
    url = data["urls"]["condition_words"]
    good = client.post(url, json={"where": {"field": "urgent", "op": "eq", "value": True}}).get_json()
    assert good["words"] == "加急 是 是"
    assert client.post(url, json={"where": {"field": "nobody", "op": "eq", "value": 1}}).status_code == 422
    other = client.get(data["urls"]["condition_meta"] + "&form=order").get_json()
    assert list(other["forms"]) == ["order"]


def test_the_preview_is_the_entry_page_and_answers_live(client, shop):
    data = open_designer(client)
    doc = with_field(data["doc"], key="why", label="原因", show_if={"field": "state", "op": "eq", "value": "完成"})
    save(client, data, doc)
    first = client.post(data["urls"]["preview"], json={"record": None}).text
    assert re.search(r'data-field="why" hidden', first)
    record = client.get("/forms/repair/pick?q=屏幕").get_json()[0]["id"]
    filled = client.post(data["urls"]["preview"], json={"record": record}).text
    assert 'value="屏幕"' in filled
    live = re.search(r'data-live="([^"]+)"', filled)[1]
    states = client.post(live, data={"title": "x", "state": "完成"}).get_json()["states"]
    assert states["why"]["shown"]
    assert client.post(data["urls"]["preview"], json={"record": 10**6}).status_code == 404


def test_another_type_says_first_what_would_not_convert(client, shop):
    data = open_designer(client)
    fee = next(f for f in data["doc"]["fields"] if f["key"] == "fee")
    answer = client.post(data["urls"]["conversion"], json={"field": fee | {"type": "money"}}).get_json()
    assert answer["bad"] and "1 条" in answer["words"] and any("面议" in one for one in answer["examples"])
    assert (
        client.post(data["urls"]["conversion"], json={"field": fee | {"type": "choice", "choices": ["a"]}}).status_code
        == 200
    )


def test_publishing_what_loses_data_needs_the_tick(client, shop):
    data = open_designer(client)
    doc = data["doc"] | {"fields": [f for f in data["doc"]["fields"] if f["key"] != "fee"]}
    doc["layout"]["tabs"][0]["sections"][0]["fields"].remove("fee")
    version = save(client, data, doc).get_json()["version"]
    dialog = client.get(data["urls"]["publish"]).text
    assert "删除字段「费用」" in dialog and "2 条记录" in dialog and 'name="accept"' in dialog
    refused = client.post(data["urls"]["publish"], json={"version": version, "accept": False})
    assert refused.status_code == 422 and "费用" in refused.get_json()["message"]
    assert client.post(data["urls"]["publish"], json={"version": version, "accept": True}).status_code == 200
    assert "fee" not in catalog.get("repair").fields
    bin = client.get("/designer/bin?form=repair").text
    assert "费用" in bin and ">2<" in bin
    client.post("/designer/bin/repair/fields/fee/restore", data={"back": "repair"})
    assert catalog.get("repair").fields["fee"]


def test_problems_lead_to_their_field(client, shop):
    data = open_designer(client)
    doc = with_field(data["doc"], key="bad", label="", type="text")
    assert save(client, data, doc).get_json()["problems"]["bad"]
    dialog = client.get(data["urls"]["publish"]).text
    assert 'data-problem="bad"' in dialog and "data-publish>" not in dialog


def test_versions_can_be_gone_back_to(client, shop):
    data = open_designer(client)
    version = save(client, data, with_field(data["doc"], key="note", label="备注")).get_json()["version"]
    client.post(data["urls"]["publish"], json={"version": version})
    data = open_designer(client)
    page = client.get(data["urls"]["versions"]).text
    assert "新增字段「备注」" in page and 'data-revert="1"' in page
    assert client.post(data["urls"]["revert"], json={"version": 1}).get_json()["url"] == "/forms/repair/design"
    assert "note" not in [f["key"] for f in open_designer(client)["doc"]["fields"]]
    assert client.post(data["urls"]["revert"], json={"version": 99}).status_code in (404, 409)


def test_a_draft_can_be_thrown_away(client, shop):
    data = open_designer(client)
    save(client, data, with_field(data["doc"], key="note", label="备注"))
    assert client.post(data["urls"]["discard"], json={}).get_json()["url"] == "/forms/repair"
    assert "note" not in [f["key"] for f in open_designer(client)["doc"]["fields"]]


def test_a_page_of_a_draft_that_is_gone_saves_into_no_other(client, shop, clock):
    """Numbers of drafts come back: a window that was left open must not write into the next draft of that number."""
    stale = data_of(client.get(client.post("/designer/new", data={"name": "甲"}).headers["Location"]))
    client.post(stale["urls"]["discard"], json={})
    clock.move(minutes=5)
    fresh = data_of(client.get(client.post("/designer/new", data={"name": "乙"}).headers["Location"]))
    assert save(client, stale).status_code == 404
    assert client.get(fresh["urls"]["state"]).get_json()["version"] == fresh["version"]


def test_keys_patterns_formulas_and_defaults_are_checked(client, shop):
    urls = open_designer(client)["urls"]
    assert client.post(urls["key"], json={"label": "退款原因"}).get_json()["key"] == "tui_kuan_yuan_yin"
    assert client.post(urls["key"], json={"label": "退款", "taken": ["tui_kuan"]}).get_json()["key"] == "tui_kuan_2"
    fits = client.post(urls["pattern"], json={"pattern": "[A-Z]{2}", "text": "AB"}).get_json()
    assert fits == {"fits": True, "error": ""}
    assert client.post(urls["pattern"], json={"pattern": "(a+)+", "text": "a"}).get_json()["error"]
    docs = [{"key": "n", "label": "数量", "type": "integer"}]
    good = client.post(urls["formula"], json={"formula": "{n} * 2", "fields": docs}).get_json()
    assert not good["error"] and good["words"]
    assert client.post(urls["formula"], json={"formula": "{nobody} * 2", "fields": docs}).get_json()["error"]
    field = {"key": "n", "label": "数量", "type": "integer"}
    html = client.post(urls["default_input"], json={"field": field}).get_json()["html"]
    assert 'name="default_value"' in html
    sent = {"guke_field": '{"key": "n", "label": "数量", "type": "integer"}', "default_value": "12"}
    assert client.post(urls["default_value"], data=sent).get_json() == {"value": 12, "error": ""}
    assert client.post(urls["default_value"], data=sent | {"default_value": "x"}).get_json()["error"]


def test_forms_are_copied_ordered_deleted_restored_and_purged(client, shop):
    assert "维修单 副本" in client.get("/designer/forms/repair/copy").text
    assert client.post("/designer/forms/repair/copy", data={"name": ""}).status_code == 422
    to = client.post("/designer/forms/repair/copy", data={"name": "返修单"}).headers["Location"]
    assert to == "/forms/fan_xiu_dan/design" and catalog.get("fan_xiu_dan").fields["fee"]
    keys = ["fan_xiu_dan", "customer", "repair"]
    client.post("/designer/order", data={"form": keys, "group": ["售后", "客户", "售后"]})
    order = [form.key for form in catalog.all()]
    assert order[:3] == keys and catalog.get("repair").group == "售后"
    client.post("/designer/forms/fan_xiu_dan/delete")
    assert "返修单" in client.get("/designer/bin").text and "fan_xiu_dan" not in catalog.all_forms()
    client.post("/designer/bin/fan_xiu_dan/restore")
    assert catalog.get("fan_xiu_dan")
    client.post("/designer/forms/fan_xiu_dan/delete")
    assert client.post("/designer/bin/fan_xiu_dan/purge", data={"word": "不对"}).status_code == 422
    client.post("/designer/bin/fan_xiu_dan/purge", data={"word": "返修单"})
    assert "返修单" not in client.get("/designer/bin").text


def test_staff_without_the_right_do_not_design(staff_client, shop):
    for url in ("/designer", "/designer/bin", "/forms/repair/design"):
        assert staff_client.get(url).status_code == 403
    assert staff_client.post("/designer/new", data={"name": "x"}).status_code == 403
