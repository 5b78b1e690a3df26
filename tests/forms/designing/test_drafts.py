"""Drafts and publishing: two designers, what publishing says beforehand, versions and going back."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.core.errors import Conflict, FieldErrors, Forbidden, NotFound, UserError
from appliance.forms import catalog
from appliance.forms.designing import bin as recycle_bin
from appliance.forms.designing import copying, drafts, keys, plans, publishing, templates
from tests.support.http import Api


@pytest.fixture
def cy(app: Any) -> Any:
    """A second designer."""
    from appliance.accounts import people, users

    actor_id = people.find("cy")
    assert actor_id is not None
    from msgspec.structs import replace

    actor = users.actor_of(actor_id)
    assert actor is not None
    return replace(actor, is_admin=True)


def edit(draft: drafts.Draft, actor: Any, **changes: Any) -> drafts.Draft:
    return drafts.save(draft.id, draft.doc | changes, draft.version, actor)


def test_two_designers_share_one_draft_and_the_second_is_told(repair: str, amy: Any, cy: Any) -> None:
    first, second = drafts.open(repair, amy), drafts.open(repair, cy)
    assert (first.id, first.version) == (second.id, second.version)
    saved = edit(first, amy, icon="tools")
    with pytest.raises(Conflict) as told:
        edit(second, cy, icon="car")
    assert "amy" in told.value.message and ":" in told.value.message
    assert drafts.get(first.id, cy).doc["icon"] == "tools"
    with pytest.raises(Conflict):
        publishing.publish(first.id, first.version, cy)
    edit(saved, cy, icon="car")
    assert catalog.get(repair).icon == "table"


def test_a_draft_is_private_to_those_who_design(repair: str, amy: Any, app: Any) -> None:
    from appliance.accounts import people, users

    bo = users.actor_of(people.find("bo") or 0)
    assert bo is not None
    draft = drafts.open(repair, amy)
    for attempt in (
        lambda: drafts.open(repair, bo),
        lambda: drafts.open(None, bo),
        lambda: drafts.get(draft.id, bo),
        lambda: drafts.save(draft.id, {}, 1, bo),
        lambda: publishing.publish(draft.id, 1, bo),
        lambda: templates.start(templates.all()[0].name, bo),
        lambda: copying.copy(catalog.get(repair), "other", "x", bo),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert drafts.all(bo) == [] and [d.id for d in drafts.all(amy)] == [draft.id]


def test_publishing_is_all_or_nothing(repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    fields = [*draft.doc["fields"], {"key": "note", "label": "备注", "type": "long_text"}]
    draft = edit(draft, amy, fields=fields, unique=[["shop", "state"]], icon="tools", color_field="price")
    found = plans.plan(draft)
    assert set(found.problems) == {"unique.0", "color_field"}
    with pytest.raises(FieldErrors):
        publishing.publish(draft.id, draft.version, amy, accept=True)
    form = catalog.get(repair)
    assert "note" not in form.fields and form.icon == "table"
    draft = edit(draft, amy, unique=[["shop", "number"]], color_field="state")
    form = publishing.publish(draft.id, draft.version, amy)
    assert list(form.fields)[-1] == "note" and form.unique_sets == [("shop", "number")]
    with pytest.raises(NotFound):
        drafts.get(draft.id, amy)


def test_what_would_be_lost_is_said_and_asked(api: Api, repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    number, price, state, _shop = draft.doc["fields"]
    draft = edit(
        draft, amy, fields=[state | {"required": True, "choices": ["已修"]}, number, price | {"type": "money"}]
    )
    found = {change.kind: change for change in plans.plan(draft).changes}
    assert found["retype"].loses == 1 and found["retype"].converts.ok == 2
    assert found["delete"].loses == 4 and "4 条记录" in found["delete"].words
    assert "4 条记录还是被去掉的选项" in found["choices"].words
    assert found["required"].loses == 0 and "order" in found
    with pytest.raises(UserError) as asked:
        publishing.publish(draft.id, draft.version, amy)
    assert "门店" in asked.value.message
    form = publishing.publish(draft.id, draft.version, amy, accept=True)
    assert list(form.fields) == ["state", "number", "price"]
    assert api.get("/forms/fix_job/records/1")["values"]["state"] == "待修"


def test_what_changed_underneath_is_taken_in_first(api: Api, repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    fields = [f | ({"label": "金额"} if f["key"] == "price" else {}) for f in draft.doc["fields"]]
    draft = edit(draft, amy, fields=fields, icon="tools")
    api.post("/forms/fix_job/fields", {"key": "note", "label": "备注", "type": "text"})
    api.patch("/forms/fix_job/fields/price", {"label": "费用", "help": "含税"})
    api.delete("/forms/fix_job/fields/shop")
    draft = drafts.get(draft.id, amy)
    assert draft.behind
    with pytest.raises(Conflict):
        publishing.publish(draft.id, draft.version, amy)
    draft = drafts.catch_up(draft.id, draft.version, amy)
    form = publishing.publish(draft.id, draft.version, amy)
    assert list(form.fields) == ["number", "price", "state", "note"]
    assert (form.fields["price"].label, form.fields["price"].help, form.icon) == ("金额", "含税", "tools")


def test_a_draft_nobody_touched_follows_what_is_published(api: Api, repair: str, amy: Any) -> None:
    drafts.open(repair, amy)
    api.post("/forms/fix_job/fields", {"key": "note", "label": "备注", "type": "text"})
    draft = drafts.open(repair, amy)
    assert not draft.behind and not draft.changed and draft.doc["fields"][-1]["key"] == "note"


def test_versions_can_be_gone_back_to(api: Api, repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    fields = [f for f in draft.doc["fields"] if f["key"] != "shop"]
    fields[0] = fields[0] | {"label": "编号"}
    draft = edit(draft, amy, fields=fields, color="red")
    form = publishing.publish(draft.id, draft.version, amy, accept=True)
    newest, first = publishing.history(form)
    assert newest.current and newest.by == amy.id and first.words == []
    assert newest.words == ["字段「单号」改名为「编号」", "删除字段「门店」", "调整表单的名称、图标或颜色"]
    draft = publishing.revert(form, first.number, amy)
    assert {change.kind for change in plans.plan(draft).changes} == {"restore", "rename", "look"}
    form = publishing.publish(draft.id, draft.version, amy)
    assert form.document() == first.doc
    assert api.get("/forms/fix_job/records/1")["values"]["shop"] == "A"
    edit(drafts.open(repair, amy), amy, icon="car")
    with pytest.raises(Conflict):
        publishing.revert(form, newest.number, amy)
    with pytest.raises(NotFound):
        publishing.revert(form, 99, amy)


def test_a_new_form_is_drafted_and_published(api: Api, amy: Any) -> None:
    draft = drafts.open(None, amy)
    assert set(plans.plan(draft).problems) == {"label", "key"}
    key = keys.for_form("售后 工单 2")
    assert key == "shou_hou_gong_dan_2"
    fields = [{"key": keys.for_field("退款原因", None), "label": "退款原因", "type": "text"}]
    draft = edit(draft, amy, key=key, label="售后工单", fields=fields)
    form = publishing.publish(draft.id, draft.version, amy)
    assert form.key == key and list(form.fields) == ["tui_kuan_yuan_yin"]
    assert keys.for_form("售后 工单 2") == f"{key}_2"


def test_conversion_is_counted_in_an_ordinary_draft_too(repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    fields = [f | ({"max_length": 2} if f["key"] == "price" else {}) for f in draft.doc["fields"]]
    (change,) = plans.plan(edit(draft, amy, fields=fields)).changes
    assert change.kind == "settings" and not change.loses
    assert "1 条记录不合新的规则" in change.words


def test_a_formula_that_cannot_be_computed_is_named_before_publishing(repair: str, amy: Any) -> None:
    draft = drafts.open(repair, amy)
    total = {"key": "total", "label": "合计", "type": "formula", "formula": "{number} & {nothing}"}
    day = {"key": "day", "label": "日期", "type": "date", "default_formula": "NOSUCH()"}
    draft = edit(draft, amy, fields=[*draft.doc["fields"], total, day])
    assert set(plans.plan(draft).problems) == {"fields.total", "fields.day.default_formula"}


@pytest.mark.parametrize("broken", [None, 5, {"fields": 5}, {"fields": [5, {"key": "a"}, {"key": ["x"]}]}])
def test_a_draft_of_any_shape_is_refused_or_explained(repair: str, amy: Any, broken: Any) -> None:
    draft = drafts.open(repair, amy)
    try:
        draft = drafts.save(draft.id, broken, draft.version, amy)
    except UserError:
        return
    assert plans.plan(draft).problems
    with pytest.raises(FieldErrors):
        publishing.publish(draft.id, draft.version, amy, accept=True)


def test_a_copy_has_the_fields_and_the_records_but_not_the_history(api: Api, repair: str, amy: Any, work: Any) -> None:
    api.post("/forms/fix_job/fields", {"key": "parent", "label": "上级", "type": "relation", "form": "fix_job"})
    api.patch("/forms/fix_job", {"unique": [["shop", "number"]], "color": "red"})
    made = copying.copy(catalog.get(repair), "fix_copy", "维修单副本", amy, with_records=True)
    assert made.fields["parent"].options["form"] == "fix_copy" and made.color == "red"
    work()
    rows = api.get("/forms/fix_copy/records", sort="id")["records"]
    assert [row["values"]["number"] for row in rows] == ["R0", "R1", "R2", "R3"]
    copying.copy(catalog.get("customer"), "member", "会员副本", amy)
    copied = api.get("/forms/member")
    assert "system" not in copied and "tags" not in [f["key"] for f in copied["fields"]]
    assert "phone" in [f["key"] for f in copied["fields"]]
    api.delete("/forms/member/fields/phone")


def test_gone_for_good_takes_the_word_and_the_right(api: Api, repair: str, amy: Any, work: Any) -> None:
    from msgspec.structs import replace

    from appliance.core.db import db, read

    api.delete("/forms/fix_job/fields/price")
    form = catalog.get(repair)
    for word in ("", "价"):
        with pytest.raises(UserError):
            recycle_bin.purge_field(form, "price", word, amy)
    nobody = replace(amy, is_admin=False, role_ids=())
    with pytest.raises(Forbidden):
        recycle_bin.purge_field(form, "price", "价格", nobody)
    assert recycle_bin.purge_field(form, "price", " 价格 ", amy) == 3
    api.post("/forms/fix_job/fields", {"key": "price", "label": "价格", "type": "money"}, expect=201)
    api.delete("/forms/fix_job")
    with pytest.raises(UserError):
        recycle_bin.purge_form(repair, "x", amy)
    assert recycle_bin.purge_form(repair, "维修单", amy) == 4
    work()
    with read():
        assert not [t for t in db.get_tables() if t.endswith("_fix_job")]
    from appliance.forms.models import Change

    # The newest Change of all stays, emptied: its number is never given to another.
    assert [c.fields for c in Change.select().where(Change.form_id == form.id)] in ([], [{}])
    with pytest.raises(NotFound):
        recycle_bin.restore_form(repair, amy)
    api.post("/forms", {"key": "fix_job", "label": "x", "fields": []}, expect=201)
