"""Every shape of role × form × exit, for the owner, a colleague and a stranger: nothing that is not theirs comes out.

Each record holds a word of its own in its title, line items, file, comments and history, and two more in a field that one role
hides and another masks: a leak is a word on a page. Each record's amount is a digit of its own, so that a sum tells whose
records are in it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from appliance.accounts import departments, permissions, roles, sessions, sharing, tokens, users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.cache import forget
from appliance.forms import catalog, comments, query, records
from appliance.forms.models import Change, Duplicate
from tests.support import world
from tests.support.http import Api

WORD = re.compile(r"ZQ[A-Z]+_[A-Z]+(?:_HIDDEN|_MASKED)?")
AMOUNTS = {"bo": 1000, "cy": 200, "dan": 30, "eve": 4}
EVERYBODY = frozenset(AMOUNTS)

VISIT = {
    "key": "visit",
    "label": "拜访",
    "title_field": "title",
    "search": ["title", "secret", "half"],
    "fields": [
        {"key": "title", "label": "标题", "type": "text"},
        {"key": "owner", "label": "负责人", "type": "owner"},
        {"key": "secret", "label": "机密", "type": "text"},
        {"key": "half", "label": "半密", "type": "text"},
        {"key": "amount", "label": "金额", "type": "money"},
        {"key": "day", "label": "日子", "type": "date"},
        {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
        {"key": "before", "label": "上一次", "type": "relation", "form": "visit"},
        {"key": "who", "label": "客户名", "type": "lookup", "relation": "customer", "field": "name"},
        {"key": "who_secret", "label": "客户备注", "type": "lookup", "relation": "customer", "field": "remark"},
        {"key": "loud", "label": "大声", "type": "formula", "formula": "{secret} & {half} & {who}"},
        {"key": "papers", "label": "文件", "type": "attachments"},
        {
            "key": "lines",
            "label": "明细",
            "type": "sub_form",
            "fields": [{"key": "item", "label": "品名", "type": "text"}],
        },
    ],
}
FORMS = {
    "customer": {"title": "name", "hidden": "remark", "masked": "nickname", "amount": None},
    "order": {"title": "number", "hidden": "remark", "masked": "shop", "amount": "amount"},
    "visit": {"title": "title", "hidden": "secret", "masked": "half", "amount": "amount"},
}

WIDE = {"verbs": sorted(set(permissions.VERBS) - {"design", "purge"})}


def bos(form: str) -> dict[str, Any]:
    """The condition that Bo's records meet."""
    return {"field": FORMS[form]["title"], "op": "contains", "value": "_BO"}


def everywhere(more: Any) -> dict[str, Any]:
    """A role that says ``more(form)`` of each form of the test."""
    return {"forms": {key: WIDE | more(key) for key in FORMS}}


@dataclass(frozen=True)
class Shape:
    """A role, and whose records each person sees with it. ``shared``: Bo's records are shared with Cy."""

    rights: dict[str, Any]
    sees: dict[str, frozenset[str]]
    hides: tuple[str, ...] = ()
    shared: bool = False


def same(who: frozenset[str]) -> dict[str, frozenset[str]]:
    """What everybody sees alike is asked as the stranger."""
    return {"dan": who}


OWN = {who: frozenset({who}) for who in ("bo", "cy", "dan")}
SHAPES = {
    "own": Shape(everywhere(lambda key: {"scope": {"whose": "me"}}), OWN),
    "department": Shape(
        everywhere(lambda key: {"scope": {"whose": "department"}}),
        {"bo": frozenset({"bo", "cy"}), "cy": frozenset({"bo", "cy"}), "dan": frozenset({"dan"})},
    ),
    "below": Shape(
        everywhere(lambda key: {"scope": {"whose": "below"}}),
        {"bo": frozenset({"bo", "cy", "eve"}), "cy": frozenset({"bo", "cy", "eve"}), "dan": frozenset({"dan"})},
    ),
    "all": Shape(everywhere(lambda key: {}), same(EVERYBODY)),
    "condition": Shape(everywhere(lambda key: {"scope": bos(key)}), same(frozenset({"bo"}))),
    "deny": Shape(everywhere(lambda key: {"deny": bos(key)}), same(EVERYBODY - {"bo"})),
    "hidden field": Shape(
        everywhere(lambda key: {"fields": {FORMS[key]["hidden"]: "hidden"}}), same(EVERYBODY), ("_HIDDEN",)
    ),
    "masked field": Shape(
        everywhere(lambda key: {"fields": {FORMS[key]["masked"]: "masked"}}), same(EVERYBODY), ("_MASKED",)
    ),
    "shared": Shape(
        everywhere(lambda key: {"scope": {"whose": "me"}}), OWN | {"cy": frozenset({"bo", "cy"})}, shared=True
    ),
    "shared but denied": Shape(
        everywhere(lambda key: {"scope": {"whose": "me"}, "deny": bos(key)}), {"cy": frozenset({"cy"})}, shared=True
    ),
    "nothing": Shape({"forms": {"product": {"verbs": ["see"]}}}, same(frozenset())),
}
CASES = [(shape, person) for shape, held in SHAPES.items() for person in held.sees]


def word(form: str, who: str) -> str:
    return f"ZQ{form.upper()}_{who.upper()}"


@dataclass
class Company:
    """The records by form and owner, and for each person a browser and a token."""

    app: Any
    ids: dict[str, int]
    records: dict[tuple[str, str], int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    apis: dict[str, Api] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def company(template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rights") / "data"
    shutil.copytree(template.folder, folder)
    with world.running(folder) as app:
        yield build(app)


def build(app: Any) -> Company:
    for login in ("dan", "eve"):
        users.create(login, login.title(), None, "staff", SYSTEM)
    made = Company(app, {login: users.by_login(login).id for login in AMOUNTS})
    sales = departments.create("销售部", SYSTEM)
    east = departments.create("华东组", SYSTEM, parent=sales)
    for login, place in (("bo", sales), ("cy", sales), ("eve", east)):
        departments.set_of_user(made.ids[login], [place], SYSTEM)
    catalog.create_form(VISIT)
    for login, user_id in made.ids.items():
        made.clients[login] = world.client(app).use_session(sessions.start(user_id, "127.0.0.1", "tests"))
        made.apis[login] = Api(app.test_client(), tokens.create(user_id, "matrix"))
    for login in AMOUNTS:
        for form in FORMS:
            made.records[form, login] = record(made, form, login)
    pair(made)
    reach_out(made)
    for name, shape in SHAPES.items():
        made.roles[name] = roles.create(f"矩阵 {name}", permissions.Rights.open(shape.rights), SYSTEM)
    return made


def record(made: Company, key: str, who: str) -> int:
    """One person's record of a form, with everything that hangs on one."""
    form, actor, of = catalog.get(key), users.actor_of(made.ids[who]), FORMS[key]
    assert actor is not None
    values = {
        of["title"]: word(key, who),
        of["hidden"]: f"{word(key, who)}_HIDDEN",
        of["masked"]: f"{'*' * 30}{word(key, who)}_MASKED{'*' * 30}",
    }
    if of["amount"]:
        values["amount"] = AMOUNTS[who]
        values["customer"] = made.records["customer", who]
    if "owner" in form.fields:
        values["owner"] = who
    if key == "visit":
        sent = (io.BytesIO(word(key, who).encode()), f"{word(key, who)}.txt")
        file = made.clients[who].post("/forms/visit/fields/papers/files", data={"file": sent}).get_json()
        made.files[who] = file["id"]
        # The last one points at the stranger's, so that a path leads from each to another's.
        before = [made.records[key, other] for other in AMOUNTS if (key, other) in made.records]
        values |= {"papers": [file["id"]], "lines": [{"item": f"{word(key, who)} line"}], "day": "2026-06-10"}
        values |= {"before": before[-1]} if before else {}
    found = records.create(form, values, actor)
    records.update(form, found, {of["hidden"]: f"{word(key, who)}_HIDDEN!"}, actor)
    comments.add(query.get(form, found, SYSTEM), f"{word(key, who)} comment", actor, "/")
    return found


def pair(made: Company) -> None:
    """Pairs of likely duplicates, each of a record that somebody sees with one that they do not."""
    for key in FORMS:
        ids = [made.records[key, who] for who in AMOUNTS]
        for one, other in pairwise(ids):
            Duplicate.insert(form_id=catalog.get(key).id, one_id=one, other_id=other, why="x", found_at=1).execute()


def reach_out(made: Company) -> None:
    """A segment that holds everybody, and a message to each, with their word in it."""
    from appliance.core import jobs

    admin = Api(made.app.test_client(), tokens.create(users.by_login("amy").id, "matrix"))
    everybody = {"field": "name", "op": "contains", "value": "ZQ"}
    admin.post("/segments", {"key": "everybody", "label": "所有人", "where": everybody}, expect=201)
    for who in AMOUNTS:
        told = {
            "via": "sms",
            "to": {"customer": made.records["customer", who]},
            "text": f"{word('customer', who)} 您好",
        }
        made.messages[who] = admin.post("/messages", told, expect=201)["id"]
    jobs.work()


def where(**doc: Any) -> str:
    return quote(json.dumps(doc))


LISTS = {
    "list": "/forms/{form}?cols={title},{hidden},{masked},created_by",
    "list by search": "/forms/{form}?q=ZQ",
    "list filtered by the hidden field": "/forms/{form}?where=" + where(field="HIDDEN", op="contains", value="ZQ"),
    "list filtered by the masked field": "/forms/{form}?where=" + where(field="MASKED", op="contains", value="ZQ"),
    "list ordered by the hidden field": "/forms/{form}?sort={hidden}",
    "kanban": "/forms/{form}?kind=kanban&cards={hidden},{masked},{title}",
    "calendar": "/forms/{form}?kind=calendar&date=created_at&cards={hidden},{masked}",
    "gallery": "/forms/{form}?kind=gallery&cards={hidden},{masked},{title}",
    "picker": "/forms/{form}/pick?q=ZQ",
    "export": "/forms/{form}/export?format=csv&columns={title},{hidden},{masked}",
    "duplicates": "/forms/{form}/duplicates",
    "recycle bin": "/forms/{form}/bin",
    "API list": "/api/v1/forms/{form}/records",
    "palette": "/palette?q=ZQ{FORM}",
    "search of everything": "/search?q=ZQ{FORM}",
    "notices": "/notices",
    "home": "/",
}
VISITS = {
    "computed columns": "/forms/visit?cols=who,who_secret,loud,customer,before,papers,lines",
    "export of computed columns": "/forms/visit/export?format=csv&columns=who,who_secret,loud,customer,before,lines",
    "list filtered through a relation": "/forms/visit?where=" + where(field="customer.name", op="contains", value="ZQ"),
    "list filtered by the related": "/forms/visit?where=" + where(related="visit", agg="count", op="gte", value=1),
    "tree": "/forms/visit?kind=tree&cols=before,secret",
}
RECORD = {
    "page": "/forms/{form}/records/{id}",
    "header": "/forms/{form}/records/{id}/header",
    "edit page": "/forms/{form}/records/{id}/edit",
    "on paper": "/forms/{form}/records/{id}/print",
    "history": "/forms/{form}/records/{id}/history",
    "history of the hidden field": "/forms/{form}/records/{id}/history?field={hidden}",
    "a version": "/forms/{form}/records/{id}/history/{change}",
    "comments": "/forms/{form}/records/{id}/comments",
    "hidden field": "/forms/{form}/records/{id}/fields/{hidden}",
    "masked field's input": "/forms/{form}/records/{id}/fields/{masked}?edit=1",
    "a copy": "/forms/{form}/new?copy={id}",
    "picker by id": "/forms/{form}/pick?id={id}",
    "with whom it is shared": "/forms/{form}/records/{id}/shares",
    "who sees it": "/forms/{form}/records/{id}/who-sees",
    "API": "/api/v1/forms/{form}/records/{id}",
    "API changes": "/api/v1/forms/{form}/records/{id}/changes",
    "API comments": "/api/v1/forms/{form}/records/{id}/comments",
    "API shares": "/api/v1/forms/{form}/records/{id}/shares",
}
CUSTOMERS = {
    "timeline": "/customers/{id}/timeline",
    "orders of a customer": "/forms/customer/records/{id}/related/order/customer",
    "visits of a customer": "/forms/customer/records/{id}/related/visit/customer",
    "what to do next": "/customers/{id}/next",
    "what they like": "/customers/{id}/insight",
    "how they are known": "/customers/{id}/identities",
    "whom they may be related to": "/customers/{id}/kin",
    "scores": "/customers/{id}/scores",
    "points": "/customers/{id}/points",
    "a message to them": "/customers/{id}/message",
    "what was sent": "/messages/{message}",
    "their tasks": "/tasks/about/customer/{id}",
    "why in a segment": "/segments/everybody/explain?customer={id}",
    "API consents": "/api/v1/customers/{id}/consents",
    "API points": "/api/v1/customers/{id}/points",
    "API events": "/api/v1/events?customer={id}",
    "API message": "/api/v1/messages/{message}",
    "API why in a segment": "/api/v1/segments/everybody/members/{id}:explain",
}
OF_CUSTOMERS = {
    "messages": "/messages/",
    "unknown messages": "/messages/unknown",
    "segment": "/segments/everybody",
    "who came and went": "/segments/everybody/moves",
    "pool": "/pool/customer",
    "tasks": "/tasks",
    "tasks of the team": "/tasks/team",
    "API messages": "/api/v1/messages",
    "API members": "/api/v1/segments/everybody/members",
    "API moves": "/api/v1/segments/everybody/moves",
    "API pool": "/api/v1/pool/customer",
    "API tasks": "/api/v1/tasks",
}
FILES = {
    "file": "/forms/visit/records/{id}/files/papers/{file}",
    "file over the API": "/api/v1/forms/visit/records/{id}/files/{file}",
    "what points here": "/forms/visit/records/{id}/related/visit/before",
}


def exits(made: Company, form: str, seen: frozenset[str]) -> dict[str, str]:
    """Name and URL of everything that is asked of a form: lists, one record that is seen, each that is not."""
    of = {**FORMS[form], "form": form, "FORM": form.upper()}

    def url(pattern: str, **more: Any) -> str:
        pattern = pattern.replace("HIDDEN", of["hidden"]).replace("MASKED", of["masked"])
        return pattern.format(**of, **more)

    found = {name: url(pattern) for name, pattern in LISTS.items()}
    if form == "visit":
        found |= VISITS
    if form == "customer":
        found |= OF_CUSTOMERS
    shown = sorted(seen)[:1] + sorted(EVERYBODY - seen)[:2]
    per_record = RECORD | {"customer": CUSTOMERS, "visit": FILES}.get(form, {})
    for who in shown:
        record_id = made.records[form, who]
        change = Change.select(Change.id).where(Change.form_id == catalog.get(form).id, Change.record_id == record_id)
        more = {
            "id": record_id,
            "message": made.messages[who],
            "file": made.files[who],
            "change": change.order_by(Change.id).scalar(),
        }
        found |= {f"{who}'s {name}": url(pattern, **more) for name, pattern in per_record.items()}
    return found


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request, company):
    """The company while the person holds the role, what they see, and the endings of words that they do not."""
    name, person = request.param
    shape = SHAPES[name]
    roles.set_of_user(company.ids[person], [company.roles[name]], SYSTEM)
    shares = []
    if shape.shared:
        shares = [
            (
                form,
                company.records[form, "bo"],
                sharing.share(form, company.records[form, "bo"], SYSTEM, user=company.ids["cy"]),
            )
            for form in FORMS
        ]
    forget()
    yield company, person, shape
    for form, record_id, share_id in shares:
        sharing.revoke(share_id, form, record_id, SYSTEM)


def leaked(text: str, seen: frozenset[str], hides: tuple[str, ...]) -> set[str]:
    """The words of a page that its reader may not see."""
    own = {word(form, who) for form in FORMS for who in seen}
    return {
        found for found in WORD.findall(text)
        if re.sub("_(HIDDEN|MASKED)$", "", found) not in own or found.endswith(hides or ("\0",))
    }  # fmt: skip


def asked_of(api: Api, url: str) -> Any:
    path, _mark, query = url.removeprefix("/api/v1").partition("?")
    return api.raw("GET", path, **dict(parse_qsl(query)))


def test_no_exit_lets_out_what_is_not_theirs(case):
    made, person, shape = case
    seen, leaks, shown = shape.sees[person], {}, set()
    for form in FORMS:
        for name, url in exits(made, form, seen).items():
            answer = asked_of(made.apis[person], url) if url.startswith("/api/v1") else made.clients[person].get(url)
            text = answer.get_data().decode("utf-8", "replace")
            assert answer.status_code < 500, (form, name, text[:300])
            if found := leaked(text, seen, shape.hides):
                leaks[form, name] = found
            shown |= set(WORD.findall(text))
    assert leaks == {}
    # What is theirs does come out: otherwise the test would be blind.
    assert {word(form, who) for form in FORMS for who in seen} <= shown


def test_counts_and_sums_are_of_what_they_see(case):
    made, person, shape = case
    seen = shape.sees[person]
    client, api = made.clients[person], made.apis[person]
    total = sum(AMOUNTS[who] for who in seen)
    measures = {"measures": [{"agg": "count", "as": "n"}, {"agg": "sum", "of": "amount", "as": "paid"}]}
    for form, of in FORMS.items():
        counted = client.get(f"/forms/{form}/count?exact=1")
        number = api.raw("POST", f"/forms/{form}/records:count", {})
        if not seen:
            assert {counted.status_code, number.status_code} <= {403, 404}
            continue
        assert f'data-count="{len(seen)}"' in counted.text
        assert number.get_json()["count"] == len(seen)
        assert len(api.post(f"/forms/{form}/query", {"limit": 50})["records"]) == len(seen)
        if of["amount"]:
            assert f"¥{total:,}.00" in client.get(f"/forms/{form}/totals?cols=amount").text
            row = api.post(f"/forms/{form}/records:aggregate", measures)["rows"][0]
            assert (row["n"], row["paid"]) == (len(seen), f"{total}.00")
            report = client.post("/reports/preview", data={"form": form, "measure": "sum:amount", "chart": "number"})
            assert not set(re.findall(r"¥([\d,]+)\.00", report.text)) - {f"{total:,}", "0"}
        asked = {"where": {"field": of["title"], "op": "contains", "value": "ZQ"}}
        assert client.post(f"/forms/{form}/conditions/count", json=asked).get_json()["count"] == len(seen)
        preview = client.post(
            f"/forms/{form}/bulk/edit/preview",
            data={"everything": "1", "field": of["title"], "way": "set", of["title"]: "x"},
        )
        assert preview.status_code < 500 and leaked(preview.text, seen, shape.hides) == set()


def test_formulas_answer_nothing_about_others(case):
    """What is typed into a form is computed at once: over nobody's records but one's own."""
    made, person, shape = case
    seen = shape.sees[person]
    for who in AMOUNTS:
        rows = [{"values": {"title": "x", "customer": made.records["customer", who]}}]
        answer = made.clients[person].post("/forms/visit/live", json={"rows": rows})
        assert answer.status_code < 500 and leaked(answer.text, seen, shape.hides) == set()
        of_record = made.clients[person].post(f"/forms/visit/live?id={made.records['visit', who]}", data={"title": "x"})
        assert of_record.status_code < 500 and leaked(of_record.text, seen, shape.hides) == set()
        if who not in seen:
            assert of_record.status_code in (403, 404)


def test_nobody_signed_out_sees_anything(company):
    """The same addresses without a session, and without a token."""
    client, api = world.client(company.app), Api(company.app.test_client(), None)
    for form in FORMS:
        for url in exits(company, form, frozenset({"bo"})).values():
            asked = asked_of(api, url) if url.startswith("/api/v1") else client.get(url)
            assert asked.status_code in (302, 401) and not WORD.findall(asked.text), url


def test_an_import_neither_shows_nor_changes_what_is_not_theirs(case):
    """A file that names everybody's orders: the check, the run and the list of failed rows tell of one's own alone."""
    from appliance.core import jobs

    made, person, shape = case
    seen, client = shape.sees[person], made.clients[person]
    form = catalog.get("order")
    rows = "".join(f"{word('order', who)},7.00\n" for who in AMOUNTS)
    file = (io.BytesIO(f"number,discount\n{rows}".encode()), "orders.csv")
    answer = client.post("/forms/order/import", data={"file": file}, content_type="multipart/form-data")
    if not seen and answer.status_code in (403, 404):
        return
    assert answer.status_code == 303, answer.text
    page = answer.headers["Location"]
    client.post(f"{page}/columns", data={"column-0": "number", "column-1": "discount", "next": "1"})
    texts = [client.get(f"{page}/preview").text]
    jobs.work()
    texts.append(client.get(f"{page}/check", htmx=True).text)
    client.post(f"{page}/options", data={"key": "number", "on_duplicate": "update", "start": "1"})
    jobs.work()
    texts += [client.get(f"{page}/{part}", htmx=True).text for part in ("progress", "errors", "undo")]
    typed = {word("order", who) for who in AMOUNTS}
    own = typed | {word("customer", who) for who in seen}
    assert {found for text in texts for found in WORD.findall(text)} <= own
    discounts = {who: query.get(form, made.records["order", who], SYSTEM).get("discount") for who in AMOUNTS}
    # What was shared with somebody may be looked at only.
    editable = set(seen) - ({"bo"} if shape.shared and person != "bo" else set())
    assert {who for who, value in discounts.items() if value} == editable
    client.post(f"{page}/undo")
    jobs.work()
    assert not any(query.get(form, made.records["order", who], SYSTEM).get("discount") for who in AMOUNTS)


def test_a_public_page_shows_nobody_anything_of_the_records(company):
    """Neither the page, nor a refused answer, nor the answer that fills up a record that is there."""
    admin = world.client(company.app).use_session(sessions.start(users.by_login("amy").id, "127.0.0.1", "tests"))
    made = admin.post("/forms/order/public").headers["Location"]
    shown = ["number", "shop", "remark"]
    settings = {"title": "登记", "field": shown, "active": "1", **{f"shown-{key}": "1" for key in shown}}
    assert admin.post(made, data=settings).status_code == 303
    link = re.search(r"/p/[\w-]+", admin.get(made).text)[0]
    client = world.client(company.app)
    before = [query.get(catalog.get("order"), company.records["order", who], SYSTEM).values for who in AMOUNTS]
    pages = [client.get(f"{link}?number=ZQ&shop=x").text]
    for who in AMOUNTS:
        pages.append(client.post(link, data={"number": word("order", who), "shop": "x", "remark": "y"}).text)
        pages[-1] = pages[-1].replace(word("order", who), "")
    assert [found for page in pages for found in WORD.findall(page)] == []
    after = [query.get(catalog.get("order"), company.records["order", who], SYSTEM).values for who in AMOUNTS]
    assert before == after
