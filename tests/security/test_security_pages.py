"""What every page and answer has, whoever added it: no inline code, safe headers, cookies, caches, errors that say nothing."""

from __future__ import annotations

import html.parser
import io
import json
import re
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support import world
from tests.support.http import Api, Client
from tests.support.people import AMY
from tests.support.server import Server

SKIPPED = re.compile(r"/static/|/log/export|\.(xlsx|csv|png|json|svg)(\?|$)|/export|/download|/template")


class Page(html.parser.HTMLParser):
    """What a strict policy would block, and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or name == "style" or (value or "").lower().startswith("javascript:"):
                self.inline.append(f"<{tag} {name}={value!r}>")
            if name.startswith("hx-vals") and (value or "").startswith("js:"):
                self.inline.append(f"<{tag} {name}={value!r}>")
        if tag == "style":
            self.inline.append("<style>")
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.inline.append("<script>")
        for name in ("src", "href", "action"):
            value = given.get(name) or ""
            if tag != "a" and re.match(r"(https?:)?//", value):
                self.inline.append(f"<{tag} {name}={value!r}> of another site")
        if tag == "a" and given.get("href", "").startswith("/"):  # type: ignore[union-attr]
            self.links.append(str(given["href"]))
        for name in ("hx-get", "data-href"):
            if (given.get(name) or "").startswith("/"):
                self.links.append(str(given[name]))
        if tag == "form":
            self.forms.append(
                {"method": (given.get("method") or "get").lower(), "csrf": False, "hx": "hx-post" in given}
            )
        if tag == "input" and given.get("name") == "csrf_token" and self.forms:
            self.forms[-1]["csrf"] = True


def crawl(client: Client, most: int = 150) -> dict[str, Any]:
    """Every page that links lead to, one of each kind of URL."""
    waiting, seen, found = ["/", "/forms/customer", "/forms/order", "/settings/company"], set(), {}
    while waiting and len(found) < most:
        url = waiting.pop(0).split("#")[0]
        kind = re.sub(r"\d+", "1", re.sub(r"=[^&]*", "=", url))
        if kind in seen or SKIPPED.search(url):
            continue
        seen.add(kind)
        answer = client.get(url)
        if answer.mimetype != "text/html":
            continue
        page = Page(answer.text)
        found[url] = (answer, page)
        waiting += page.links
    return found


@pytest.fixture(scope="module")
def site(template: world.Template, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All pages as the administrator sees them, with something nasty on them."""
    folder = tmp_path_factory.mktemp("site") / "data"
    shutil.copytree(template.folder, folder)
    with world.running(folder) as app:
        api = Api(FlaskClient(app), template.tokens[AMY.login])
        values = {"name": "<img src=x onerror=alert(1)>", "remark": "'\"><script>alert(1)</script>"}
        customer = api.post("/forms/customer/records", {"values": values})
        order = {"number": "<b onclick=alert(1)>", "customer": customer["id"], "amount": "9"}
        api.post("/forms/order/records", {"values": order})
        return crawl(world.client(app).use_session(template.sessions[AMY.login]))


def test_no_page_holds_inline_code_and_text_from_people_stays_text(site: dict[str, Any]) -> None:
    assert len(site) > 60, sorted(site)
    assert {url: page.inline for url, (_answer, page) in site.items() if page.inline} == {}


def test_every_page_carries_the_headers_and_is_not_kept_by_caches_between(site: dict[str, Any]) -> None:
    for url, (answer, _page) in site.items():
        assert answer.status_code < 500, url
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'self'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'",
                     "frame-ancestors 'none'", "form-action 'self'"):  # fmt: skip
            assert part in policy, (url, part)
        assert "unsafe" not in policy, url
        assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["X-Content-Type-Options"] == "nosniff", (
            url
        )
        assert answer.headers["Referrer-Policy"] == "same-origin", url
        cache = answer.headers["Cache-Control"]
        assert "public" not in cache and ("private" in cache or "no-store" in cache), (url, cache)
        assert "Server" not in answer.headers or "Werkzeug" in answer.headers["Server"], url


def test_every_form_that_writes_carries_the_token(site: dict[str, Any]) -> None:
    bare = [url for url, (_answer, page) in site.items() for form in page.forms
            if form["method"] == "post" and not form["csrf"] and not form["hx"]]  # fmt: skip
    assert bare == []


def test_every_write_needs_the_token_however_it_is_sent(app: Any, client: Client) -> None:
    from appliance.accounts import guards

    through = []
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/api/", "/hooks/")) or rule.endpoint == "static":
            continue
        if guards.of(app.view_functions[rule.endpoint]) is None:
            continue
        url = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?\w+>", "1", rule.rule)
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            for sent in ({"data": {"a": "1"}}, {"json": {"a": 1}}, {"data": {"file": (io.BytesIO(b"x"), "x.txt")}}):
                answer = client.open(url, method=method, csrf=False, **sent)
                if answer.status_code not in (400, 403, 404, 405):
                    through.append((method, url, answer.status_code))
    assert through == []


def test_cookies_are_for_this_site_only_and_secure_behind_tls(anon: Client) -> None:
    answer = anon.post(
        "/login", data={"login": AMY.login, "password": AMY.password}, base_url="https://crm.example.cn",
        headers={"X-CSRF-Token": anon.csrf_token()}, csrf=False,
    )  # fmt: skip
    if answer.status_code == 400:  # the visit cookie of the other host
        page = anon.get("/login", base_url="https://crm.example.cn")
        token = re.search(r'name="csrf-token" content="([^"]+)"', page.text) or re.search(
            r'name="csrf_token" value="([^"]+)"', page.text
        )
        assert token
        answer = anon.post(
            "/login", data={"login": AMY.login, "password": AMY.password, "csrf_token": token[1]},
            base_url="https://crm.example.cn", csrf=False,
        )  # fmt: skip
    assert answer.status_code in (302, 303), answer.text[:300]
    [cookie] = [
        c
        for c in answer.headers.getlist("Set-Cookie")
        if c.startswith("guke_session=") and "Expires=Thu, 01 Jan 1970" not in c
    ]
    assert "; Secure" in cookie and "; HttpOnly" in cookie and "; SameSite=Lax" in cookie and "; Path=/" in cookie
    assert "Domain" not in cookie
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


def test_a_foreign_host_header_leads_nowhere(client: Client) -> None:
    answer = client.get("/settings", headers={"Host": "evil.example"})
    assert "evil.example" not in answer.headers.get("Location", "") and "evil.example" not in answer.text
    page = client.get("/", headers={"Host": "evil.example"})
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "https:evil.example",
        "/\t/evil.example", "http://localhost@evil.example/", "///evil.example", "/%0d%0aLocation:x", " //evil.example", "http:///evil.example",
    ],
)  # fmt: skip
def test_no_way_back_leads_to_another_site(anon: Client, client: Client, wanted: str) -> None:
    from urllib.parse import quote

    answers = [
        anon.post(f"/login?next={quote(wanted)}", data={"login": AMY.login, "password": AMY.password}),
        client.post("/preferences", data={"locale": "zh", "next": wanted}),
        client.post("/preferences", data={"locale": "zh"}, headers={"Referer": wanted.strip()}),
    ]
    for answer in answers:
        where = answer.headers.get("Location", "/")
        assert re.match(r"/(?![/\\])", where) and "\r" not in where and "\t" not in where, where


def test_errors_tell_nothing_about_the_inside(app: Any, client: Client, api: Api) -> None:
    from appliance.accounts.guards import requires_login

    @requires_login
    def view() -> str:
        raise RuntimeError("SELECT * FROM secret_table WHERE /opt/guke")

    app.view_functions["web.home"] = view
    for answer in (
        client.get("/"),
        client.get("/", headers={"Accept": "application/json"}),
        client.get("/", htmx=True),
    ):
        assert answer.status_code == 500
        everything = answer.text + str(answer.headers)
        for word in ("secret_table", "/opt/guke", "Traceback", "RuntimeError", "sqlite", ".py"):
            assert word not in everything
    wrong = api.raw("GET", "/forms/customer/records", where="{")
    assert wrong.status_code == 422 and "Traceback" not in wrong.text and ".py" not in wrong.text


def test_unknown_people_take_as_long_as_wrong_passwords(app: Any) -> None:
    from appliance.accounts import passwords

    hashed = passwords.hash_password("correct-horse-battery-9")
    spent = {"known": 0.0, "unknown": 0.0}
    for _round in range(4):
        for name, stored in (("known", hashed), ("unknown", None)):
            began = time.process_time()
            assert not passwords.matches("wrong-password-1", stored)
            spent[name] += time.process_time() - began
    assert 0.4 < spent["unknown"] / spent["known"] < 2.5, spent


def test_signing_in_starts_a_new_session_and_ends_none_by_guess(anon: Client) -> None:
    anon.set_cookie("guke_session", "chosen-by-an-attacker")
    answer = anon.login(AMY)
    assert answer.status_code in (302, 303)
    cookie = anon.get_cookie("guke_session")
    assert cookie and cookie.value != "chosen-by-an-attacker" and len(cookie.value) >= 40
    first = cookie.value
    anon.login(AMY)
    again = anon.get_cookie("guke_session")
    assert again and again.value != first


# -- what is sent in ------------------------------------------------------------------------------------------------


def deep(levels: int, kind: str) -> str:
    return {"list": "[" * levels + "]" * levels, "object": '{"a":' * levels + "1" + "}" * levels}[kind]


@pytest.mark.parametrize("kind", ["list", "object"])
@pytest.mark.parametrize("levels", [60, 10_000, 200_000])
def test_json_nested_too_deep_is_refused(app: Any, api: Api, kind: str, levels: int) -> None:
    headers = {**api.headers, "Content-Type": "application/json"}
    client = app.test_client()
    body = '{"where": ' + deep(levels, kind) + "}"
    for path in ("/api/v1/forms/customer/query", "/api/v1/forms/customer/records", "/api/v1/forms"):
        answer = client.post(path, data=body, headers=headers)
        assert answer.status_code in (400, 422), (path, answer.status_code)
    if levels < 10_000:
        answer = client.get(
            "/api/v1/forms/customer/records", query_string={"where": deep(levels, kind)}, headers=api.headers
        )
        assert answer.status_code in (400, 422)


def test_json_nested_too_deep_in_a_page_is_refused(client: Client) -> None:
    for levels in (100, 900, 5_000):
        answer = client.get("/forms/customer", query_string={"where": deep(levels, "list")})
        assert answer.status_code < 500
        answer = client.get("/forms/customer", query_string={"where": '{"not":' * levels + "{}" + "}" * levels})
        assert answer.status_code < 500


def test_a_condition_too_wide_or_too_deep_is_refused(api: Api) -> None:
    one = {"field": "name", "op": "eq", "value": "x"}
    wide = api.raw("POST", "/forms/customer/query", {"where": {"any": [one] * 20_000}})
    assert wide.status_code == 422
    values = api.raw(
        "POST", "/forms/customer/query", {"where": {"field": "name", "op": "in", "value": ["x"] * 300_000}}
    )
    assert values.status_code == 422
    nested: Any = one
    for _level in range(35):
        nested = {"not": nested}
    assert api.raw("POST", "/forms/customer/query", {"where": nested}).status_code in (200, 400, 422)


def test_a_body_too_big_is_refused(app: Any, api: Api) -> None:
    headers = {**api.headers, "Content-Type": "application/json"}
    big = app.test_client().post("/api/v1/forms/customer/query", data=b" " * (17 << 20), headers=headers)
    assert big.status_code == 413


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*$", "(.*)*x", "(a|aa)+$", r"(\w+\s?)*$", "(?=(a+)+b)a", "(a*)*b", r"(x+x+)+y", "(.*a){20}"],
)
def test_a_pattern_that_could_hold_up_the_server_is_refused(api: Api, pattern: str) -> None:
    doc = {"key": "slow", "label": "慢", "fields": [{"key": "t", "label": "文", "type": "text", "pattern": pattern}]}
    began = time.monotonic()
    answer = api.raw("POST", "/forms", doc)
    if answer.status_code == 201:
        api.raw("POST", "/forms/slow/records", {"values": {"t": "a" * 400 + "!"}})
    assert time.monotonic() - began < 5
    assert answer.status_code in (201, 422)


def png_bomb(edge: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * 2_000_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def test_a_picture_of_too_many_pixels_is_not_opened(api: Api, client: Client) -> None:
    api.post(
        "/forms", {"key": "visit", "label": "拜访", "fields": [{"key": "photos", "label": "照片", "type": "images"}]}
    )
    sent = client.post("/forms/visit/fields/photos/files", data={"file": (io.BytesIO(png_bomb(60_000)), "bomb.png")})
    assert sent.status_code in (200, 201, 422)
    if sent.status_code != 422:
        began = time.monotonic()
        small = client.get(f"/uploads/{sent.get_json()['id']}?size=thumb")
        assert small.status_code in (302, 303) and time.monotonic() - began < 25


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(cli: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pack:
        pack.writestr("[Content_Types].xml", "<Types/>")
        pack.writestr("xl/worksheets/sheet1.xml", b" " * (1 << 20))
        # What it says of itself is enough to refuse it.
        pack.filelist[-1].file_size = 5 << 30
    done = cli("import", "customer", file, "--json")
    assert done.status == 1 and done.err.strip()


def test_a_file_of_entities_is_refused(cli: Callable[..., Any], tmp_path: Path) -> None:
    """Billion laughs and outside entities in the XML of a workbook."""
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9))
        + '<!ENTITY file SYSTEM "file:///etc/passwd">]><worksheet><sheetData><row><c t="inlineStr"><is><t>&j;&file;</t></is></c></row></sheetData></worksheet>'
    )
    file = tmp_path / "laughs.xlsx"
    with zipfile.ZipFile(file, "w") as pack:
        pack.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        pack.writestr(
            "xl/workbook.xml",
            '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        pack.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        pack.writestr("xl/worksheets/sheet1.xml", bomb)
    began = time.monotonic()
    done = cli("import", "customer", file, "--json")
    assert time.monotonic() - began < 40 and "root:" not in done.out + done.err


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x.png", "..\\..\\x.png", "/etc/passwd", "a\0b.png", "\u202egnp.exe", "con.png" * 60]
)
def test_a_file_name_is_only_a_name(api: Api, client: Client, name: str) -> None:
    api.post(
        "/forms",
        {"key": "visit", "label": "拜访", "fields": [{"key": "files", "label": "文件", "type": "attachments"}]},
    )
    sent = client.post("/forms/visit/fields/files/files", data={"file": (io.BytesIO(b"hello"), name)})
    assert sent.status_code in (200, 201, 400, 422)
    if sent.status_code < 300:
        kept = sent.get_json()["name"]
        assert "/" not in kept and "\\" not in kept and kept.isprintable() and len(kept) <= 200


def test_a_backup_is_named_never_pathed(client: Client) -> None:
    for name in ("../guke.db", "..%2fguke.key", "guke.key", "%2e%2e%2fguke.key", "guke-20260101-000000.db"):
        assert client.get(f"/admin/backups/{name}").status_code == 404


def test_a_backup_with_foreign_paths_unpacks_nothing_outside(
    tmp_path: Path, cli: Callable[..., Any], data: Path
) -> None:
    pack_file = tmp_path / "evil.zip"
    with zipfile.ZipFile(pack_file, "w") as pack:
        pack.writestr("../../evil.txt", "x")
        pack.writestr("guke.db", b"not a database")
        pack.writestr("guke.key", b"x")
    done = cli("restore", pack_file, "--force", "--data", tmp_path / "new")
    assert done.status == 1
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path.parent / "evil.txt").exists()


# -- what goes out ---------------------------------------------------------------------------------------------------

RISKY = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    '=HYPERLINK("http://evil")',
]


def cells(content: bytes, suffix: str) -> list[str]:
    """The cells that a spreadsheet would compute."""
    if suffix == "csv":
        import csv

        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        return [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
                and not re.fullmatch(r"[-+]?[\d.,]+%?", cell)]  # fmt: skip
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content))
    return [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_no_export_holds_a_formula(
    api: Api, client: Client, cli: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    for i, text in enumerate(RISKY):
        api.post(
            "/forms/customer/records", {"values": {"name": text, "remark": text, "city": text, "nickname": f"n{i}"}}
        )
    label = "=1+1"
    api.post("/forms", {"key": "evil", "label": label, "fields": [{"key": "name", "label": label, "type": "text"}]})
    api.post("/forms/evil/records", {"values": {"name": label}})
    for form in ("customer", "evil"):
        file = tmp_path / f"{form}.{suffix}"
        cli("export", form, file).ok()
        assert cells(file.read_bytes(), suffix) == [], "the command line"
        page = client.get(f"/forms/{form}/export?format={suffix}")
        assert page.status_code == 200 and cells(page.data, suffix) == [], "the list"
    client.post("/login", data={"login": label, "password": "x"})
    log = client.get(f"/settings/log/export.{suffix}")
    assert log.status_code == 200 and cells(log.data, suffix) == [], "the audit log"
    sent = {
        "label": label,
        "form": "customer",
        "measure": '{"agg": "count"}',
        "dimension": '{"field": "city"}',
        "chart": "bar",
    }
    key = client.post("/reports", data=sent).location.rsplit("/", 1)[1]
    report = client.get(f"/reports/{key}/export.{suffix}")
    if report.status_code == 404:
        report = client.get(f"/reports/{key}.{suffix}")
    assert report.status_code == 200 and cells(report.data, suffix) == [], "a report"
    if suffix == "xlsx":
        for form in ("customer", "evil"):
            found = [
                rule
                for rule in client.application.url_map.iter_rules()
                if rule.endpoint == "imports.template_file" or "template" in rule.endpoint
            ]
            for rule in found:
                if "<form_key>" in rule.rule and "GET" in (rule.methods or ()):
                    answer = client.get(rule.rule.replace("<form_key>", form))
                    if "spreadsheet" in answer.mimetype:
                        assert cells(answer.data, "xlsx") == [], "the template"


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_the_file_of_failed_rows_holds_no_formula(cli: Callable[..., Any], tmp_path: Path, suffix: str) -> None:
    from appliance.forms.importing import tables

    file = tmp_path / f"in.{suffix}"
    rows = [[text, "昨天以前"] for text in RISKY]
    tables.write_table(file, ["number", "paid_at"], rows)
    done = cli("import", "order", file, "--json").json
    assert done["failed"] >= len(RISKY) - 1
    made = Path(done["errors_file"])
    assert cells(made.read_bytes(), made.suffix.lstrip(".")) == []


def test_what_was_guarded_comes_back_as_it_was() -> None:
    from appliance.forms.importing import sources, tables

    for text in RISKY:
        assert sources.unwrap(tables.guarded(text)) == text


def test_the_log_of_a_server_holds_no_secret(server: Server, template: Any, data: Path) -> None:
    import urllib.request

    secrets = ["Top-secret-password-77", template.tokens["amy"], template.sessions["amy"]]

    def ask(path: str, headers: dict[str, str], body: bytes | None = None) -> int:
        request = urllib.request.Request(server.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    bearer = {"Authorization": f"Bearer {template.tokens['amy']}", "Content-Type": "application/json"}
    assert ask("/api/v1/forms", bearer) == 200
    assert (
        ask(
            "/api/v1/forms/customer/records",
            bearer,
            json.dumps({"values": {"name": "某某", "phone": "13800138000"}}).encode(),
        )
        == 201
    )
    ask("/api/v1/forms/customer/records", bearer, b"{")
    ask("/login", {}, f"login=amy&password={secrets[0]}".encode())
    assert ask("/", {"Cookie": f"guke_session={template.sessions['amy']}"}) == 200
    server.stop()
    text = server.output()
    for secret in (*secrets, "13800138000", "某某", (data / "guke.key").read_text().strip()):
        assert secret not in text
