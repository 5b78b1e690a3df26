"""The query gate, for every role × form × exit: nobody gets at a record or a value that is not theirs to see.

Each form holds one record that the narrow role may see and one that it may not; each hidden or masked value is a word of
its own, so that a leak is a word on a page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from peewee import fn

from appliance.accounts import permissions, tokens, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, comments, query, records
from appliance.forms.models import Change, Duplicate
from tests.support.http import Api
from tests.support.people import BO

MINE, OTHERS = "MINE", "OTHERS"
HIDDEN, MASKED = "HIDDENWORD", "MASKEDWORD"

DIARY = {
    "key": "diary",
    "label": "日志",
    "title_field": "title",
    "search": ["title", "secret", "half"],
    "fields": [
        {"key": "title", "label": "标题", "type": "text"},
        {"key": "owner", "label": "负责人", "type": "person"},
        {"key": "secret", "label": "机密栏", "type": "text", "indexed": True},
        {"key": "half", "label": "半密栏", "type": "text", "indexed": True},
        {"key": "amount", "label": "金额", "type": "money"},
        {"key": "day", "label": "日子", "type": "date"},
        {"key": "diary", "label": "上一篇", "type": "relation", "form": "diary"},
        {"key": "above", "label": "上一篇的题", "type": "lookup", "relation": "diary", "field": "title"},
        {"key": "above_secret", "label": "上一篇的机密栏", "type": "lookup", "relation": "diary", "field": "secret"},
        {"key": "above_half", "label": "上一篇的半密栏", "type": "lookup", "relation": "diary", "field": "half"},
        {"key": "cry", "label": "大声机密栏", "type": "formula", "formula": "{secret} & {half}"},
        {"key": "echo", "label": "回声机密栏", "type": "formula", "formula": "{above_secret} & {above}"},
        {"key": "last", "label": "最近机密栏", "type": "rollup", "form": "diary", "agg": "latest", "of": "secret"},
    ],
}
OWN = {"verbs": list(permissions.VERBS), "scope": {"field": "owner", "op": "eq", "value": {"me": True}}}
ROLES = {
    "own rows, one field hidden, one masked": {
        "forms": {"diary": OWN | {"fields": {"secret": "hidden", "half": "masked"}}}
    },
    "own rows of everything": {"forms": {"*": OWN}},
    "all rows, one field hidden, one masked": {
        "forms": {"*": {"verbs": list(permissions.VERBS), "fields": {"secret": "hidden", "half": "masked"}}}
    },
    "nothing of this form": {"forms": {"order": {"verbs": ["see"]}}},
}


@dataclass
class Scene:
    mine: int
    others: int
    first: int
    client: object
    api: Api


def sees(role, word):
    """Whether the role may see the word: its row and its field."""
    rights = permissions.Rights.open(ROLES[role]).on("diary")
    if "see" not in rights.verbs or (OTHERS in word and rights.scope):
        return False
    return not (rights.fields and (HIDDEN in word or MASKED in word))


@pytest.fixture(params=ROLES)
def role(request):
    return request.param


@pytest.fixture
def scene(app, staff_client, role):
    bo = users.by_login(BO.login)
    form = catalog.create_form(DIARY)
    users.add_role("narrow", role, permissions.Rights.open(ROLES[role]))
    users.update(bo.id, SYSTEM, role="narrow")

    def diary(word, owner, before=None):
        return records.create(
            form,
            {
                "title": f"{word}TITLE",
                "owner": owner,
                "secret": f"{word}-{HIDDEN}",
                "half": f"{word}-{MASKED}",
                "amount": 7777,
                "day": "2026-06-10",
                "diary": before,
            },
            SYSTEM,
        )

    others = diary(OTHERS, 1)
    mine = diary(MINE, bo.id, others)
    records.update(form, others, {"title": f"{OTHERS}TITLE2", "secret": f"{OTHERS}-{HIDDEN}2"}, SYSTEM)
    records.update(form, mine, {"secret": f"{MINE}-{HIDDEN}2", "half": f"{MINE}-{MASKED}2"}, SYSTEM)
    for record_id, word in ((mine, MINE), (others, OTHERS)):
        record = query.get(form, record_id, SYSTEM)
        comments.add(record, f"{word}TITLE-comment", SYSTEM, "/")
    Duplicate.insert(form_id=form.id, one_id=mine, other_id=others, why="secret", found_at=1).execute()
    return Scene(
        mine,
        others,
        Change.select(fn.MIN(Change.id)).where(Change.form_id == form.id).scalar(),
        staff_client,
        Api(app.test_client(), tokens.create(bo.id, "gate")),
    )


def where(**doc):
    return quote(json.dumps(doc))


EXITS = {
    "list": "/forms/diary",
    "list with every column": "/forms/diary?cols=secret,half,owner,amount,diary,created_by",
    "list with every computed column": "/forms/diary?cols=above,above_secret,above_half,cry,echo,last",
    "list ordered by a lookup": "/forms/diary?sort=above",
    "list filtered by a lookup": f"/forms/diary?where={where(field='above', op='contains', value='TITLE')}",
    "list filtered by a formula": f"/forms/diary?where={where(field='cry', op='contains', value='WORD')}",
    "export of computed columns": "/forms/diary/export?format=csv&columns=above,above_secret,above_half,cry,echo,last",
    "list by search": f"/forms/diary?q={OTHERS}",
    "list by search of a hidden value": f"/forms/diary?q={HIDDEN}",
    "list by search of a masked value": f"/forms/diary?q={MASKED}",
    "list ordered by a hidden field": "/forms/diary?sort=secret",
    "list filtered by a hidden field": f"/forms/diary?where={where(field='secret', op='not_empty')}",
    "list filtered by a masked field": f"/forms/diary?where={where(field='half', op='starts_with', value='MINE')}",
    "list filtered through a relation": f"/forms/diary?where={where(field='diary.title', op='contains', value='TITLE')}",
    "list filtered by related records": f"/forms/diary?where={where(related='diary', agg='count', op='gte', value=1)}",
    "columns": "/forms/diary/columns",
    "kanban": "/forms/diary?kind=kanban&by=owner&sum=amount",
    "kanban by a hidden field": "/forms/diary?kind=kanban&by=secret&cards=secret,half,title",
    "kanban column": "/forms/diary/boards/column?kind=kanban&by=owner&value=1&first=1",
    "kanban totals": "/forms/diary/boards/totals?kind=kanban&by=owner&sum=amount",
    "calendar": "/forms/diary?kind=calendar&date=day&on=2026-06-10&cards=secret,half",
    "calendar by when it was made": "/forms/diary?kind=calendar&date=created_at",
    "calendar day": "/forms/diary/boards/day?kind=calendar&date=day&day=2026-06-10&cards=secret,half",
    "gallery": "/forms/diary?kind=gallery&cards=secret,half,owner",
    "tree": "/forms/diary?kind=tree&cols=secret,half,diary",
    "tree below another's record": "/forms/diary/boards/children/{others}?kind=tree&cols=secret,half",
    "tree below mine": "/forms/diary/boards/children/{mine}?kind=tree",
    "where to put another's record": "/forms/diary/boards/place/{others}?kind=tree",
    "board options": "/forms/diary/boards/options?kind=kanban",
    "cell of mine": "/forms/diary/records/{mine}/cells/title",
    "hidden cell of mine": "/forms/diary/records/{mine}/cells/secret",
    "masked cell of mine": "/forms/diary/records/{mine}/cells/half",
    "another's cell": "/forms/diary/records/{others}/cells/title",
    "bulk input of a hidden field": "/forms/diary/bulk/input?field=secret",
    "my record": "/forms/diary/records/{mine}",
    "another's record": "/forms/diary/records/{others}",
    "my header": "/forms/diary/records/{mine}/header",
    "another's header": "/forms/diary/records/{others}/header",
    "my record's edit page": "/forms/diary/records/{mine}/edit",
    "another's record's edit page": "/forms/diary/records/{others}/edit",
    "my history": "/forms/diary/records/{mine}/history",
    "another's history": "/forms/diary/records/{others}/history",
    "my history of a hidden field": "/forms/diary/records/{mine}/history?field=secret",
    "my history of a masked field": "/forms/diary/records/{mine}/history?field=half",
    "my record's versions": "/forms/diary/records/{mine}/history/{first}",
    "another's record's versions": "/forms/diary/records/{others}/history/{first}",
    "my sections": "/forms/diary/records/{mine}/sections",
    "another's sections": "/forms/diary/records/{others}/sections",
    "my comments": "/forms/diary/records/{mine}/comments",
    "another's comments": "/forms/diary/records/{others}/comments",
    "my comments' panel": "/forms/diary/records/{mine}/panels/comments",
    "another's comments' panel": "/forms/diary/records/{others}/panels/comments",
    "people for another's record": "/forms/diary/records/{others}/people?q=",
    "my record on paper": "/forms/diary/records/{mine}/print",
    "another's record on paper": "/forms/diary/records/{others}/print",
    "another's code": "/forms/diary/records/{others}/code",
    "a copy of mine": "/forms/diary/new?copy={mine}",
    "a copy of another's": "/forms/diary/new?copy={others}",
    "an edit dialog of another's": "/forms/diary/records/{others}/edit?dialog=1",
    "duplicates": "/forms/diary/duplicates",
    "merging mine with another's": "/forms/diary/merge?a={mine}&b={others}",
    "choosing what to merge another's with": "/forms/diary/records/{others}/merge",
    "linking to another's": "/forms/diary/records/{others}/related/diary/diary/link",
    "my record's related": "/forms/diary/records/{mine}/related/diary/diary",
    "another's record's related": "/forms/diary/records/{others}/related/diary/diary",
    "my neighbours": "/forms/diary/records/{mine}/neighbours",
    "my hidden field": "/forms/diary/records/{mine}/fields/secret",
    "my hidden field's input": "/forms/diary/records/{mine}/fields/secret?edit=1",
    "my masked field's input": "/forms/diary/records/{mine}/fields/half?edit=1",
    "another's field": "/forms/diary/records/{others}/fields/title",
    "a new record with a link": "/forms/diary/new?diary={others}",
    "picker": "/forms/diary/pick?q=",
    "picker by id": "/forms/diary/pick?id={others}",
    "picker by a hidden value": f"/forms/diary/pick?q={HIDDEN}",
    "search of everything": f"/search?q={OTHERS}",
    "search of everything for a hidden value": f"/search?q={HIDDEN}",
    "palette": f"/palette?q={OTHERS}",
    "totals": "/forms/diary/totals?cols=amount",
    "recycle bin": "/forms/diary/bin",
    "what the builder offers": "/forms/diary/conditions/meta",
    "API list": "/api/v1/forms/diary/records",
    "API one of mine": "/api/v1/forms/diary/records/{mine}",
    "API comments of mine": "/api/v1/forms/diary/records/{mine}/comments",
    "API comments of another's": "/api/v1/forms/diary/records/{others}/comments",
    "API one of another's": "/api/v1/forms/diary/records/{others}",
    "export": "/forms/diary/export?format=csv",
    "export of every column": "/forms/diary/export?format=csv&columns=title,secret,half,owner,amount",
    "export of another's record": "/forms/diary/export?format=csv&ids={others}",
}
WORDS = [f"{MINE}TITLE", f"{OTHERS}TITLE"] + [
    f"{whose}-{word}" for whose in (MINE, OTHERS) for word in (HIDDEN, MASKED)
]


def test_no_exit_shows_what_the_role_may_not_see(scene, role):
    leaks = {}
    for name, pattern in EXITS.items():
        url = pattern.format(mine=scene.mine, others=scene.others, first=scene.first)
        api = url.startswith("/api")
        answer = scene.api.raw("GET", url.removeprefix("/api/v1")) if api else scene.client.get(url)
        assert answer.status_code < 500, name
        found = [word for word in WORDS if word in answer.text and not sees(role, word)]
        if found:
            leaks[name] = found
    assert leaks == {}


def test_every_exit_shows_an_administrator_what_is_there(client, scene, role):
    """The words that the other tests look for do stand on these pages."""
    silent = (
        "columns",
        "totals",
        "bin",
        "builder",
        "neighbours",
        "API",
        "related",
        "new record",
        "cond",
        "people",
        "code",
        "choosing",
        "linking",
        "duplicates",
        "versions",
        "column",
        "tree below",
        "options",
        "cell of mine",
        "bulk input",
    )
    for name, pattern in EXITS.items():
        if not any(word in name for word in silent):
            text = client.get(pattern.format(mine=scene.mine, others=scene.others, first=scene.first)).text
            assert any(word in text for word in WORDS), name


def test_the_fields_a_role_does_not_see_have_no_name_for_it(scene, role):
    if "hidden" not in role:
        pytest.skip("this role sees every field")
    for url in (
        "/forms/diary/columns",
        "/forms/diary/conditions/meta",
        f"/forms/diary/records/{scene.mine}",
        "/forms/diary/new",
    ):
        assert "机密栏" not in scene.client.get(url).text


def test_counts_and_sums_are_of_what_is_seen(scene, role):
    counted = scene.client.get("/forms/diary/count?exact=1")
    summed = scene.client.get("/forms/diary/totals?cols=amount")
    grouped = scene.api.raw("POST", "/forms/diary/records:aggregate", {"measures": [{"agg": "count", "as": "n"}]})
    if role.startswith("nothing"):
        assert {counted.status_code, summed.status_code, grouped.status_code} <= {403, 404}
        return
    seen = 1 if role.startswith("own") else 2
    assert f'data-count="{seen}"' in counted.text
    assert f"¥{7777 * seen:,}.00" in summed.text
    assert f'"n":{seen}' in grouped.text.replace(" ", "")


def test_columns_of_a_kanban_count_and_add_up_what_is_seen(scene, role):
    page = scene.client.get("/forms/diary?kind=kanban&by=owner&sum=amount")
    exact = scene.client.get("/forms/diary/boards/totals?kind=kanban&by=owner&sum=amount")
    if role.startswith("nothing"):
        assert {page.status_code, exact.status_code} <= {403, 404}
        return
    seen = 1 if role.startswith("own") else 2
    for text in (page.text, exact.text):
        assert text.count("¥7,777.00") - text.count("<dd>¥7,777.00") == seen


def test_a_bulk_edit_previews_and_writes_what_the_role_may(scene, role):
    form = {"everything": "1", "field": "secret", "way": "set", "secret": "x"}
    preview = scene.client.post("/forms/diary/bulk/edit/preview", data=form)
    done = scene.client.post("/forms/diary/bulk/edit", data=form | {"go": "1"}, htmx=True)
    changed = [r.id for r in query.Query(catalog.get("diary"), SYSTEM).page().records if r.values["secret"] == "x"]
    assert not [word for word in WORDS if word in preview.text and not sees(role, word)]
    if role.startswith("own rows of"):
        assert changed == [scene.mine]
    else:
        assert done.status_code in (403, 404, 422) and changed == []


def test_conditions_on_what_is_not_seen_are_not_answered(scene, role):
    """By counting alone a hidden value could be guessed letter by letter."""
    for key in ("secret", "half"):
        doc = {"where": {"field": key, "op": "starts_with", "value": MINE}}
        answer = scene.client.post("/forms/diary/conditions/count", json=doc)
        if role.startswith("nothing"):
            assert answer.status_code in (403, 404)
        elif "hidden" in role:
            assert answer.status_code == 422
            assert scene.api.raw("POST", "/forms/diary/records:count", doc).status_code == 422
        else:
            assert answer.get_json()["count"] == 1


def test_writes_stay_within_the_role(scene, role):
    seen = not role.startswith("nothing")
    for verb, data in (
        ("fields/title", {"title": "x", "base": f"{OTHERS}TITLE2"}),
        ("edit", {"title": "x"}),
        ("delete", {}),
    ):
        status = scene.client.post(f"/forms/diary/records/{scene.others}/{verb}", data=data).status_code
        if not seen or role.startswith("own"):
            assert status in (403, 404)
    everything = scene.client.post("/forms/diary/bulk/delete", data={"everything": "1"}, htmx=True)
    left = {r.id for r in query.Query(catalog.get("diary"), SYSTEM).page().records}
    if not seen:
        assert everything.status_code in (403, 404) and left == {scene.mine, scene.others}
    elif role.startswith("own"):
        assert left == {scene.others}
    else:
        assert left == set()


def test_a_form_that_may_not_be_seen_is_in_no_menu(scene, role):
    if role.startswith("nothing"):
        assert "/forms/diary" not in scene.client.get("/").text
