"""Chinese is the language of the sources; English is whole, in step, and neither leaks into the other's pages."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from flask import Flask
from werkzeug.exceptions import HTTPException

ROOT = Path(__file__).resolve().parents[2]
PO = ROOT / "appliance/translations/en/LC_MESSAGES/messages.po"
CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%")

NAMES_IN_ENGLISH = ("中文", "杭州", "退订", "【】")
"""Chinese that may stand in English texts: the language's own name, examples, what carriers ask for."""

TAGS = ("预流失", "快过生日", "陈", "李", "王")
"""Names of tags that ready-made rules give, and of the test's people: data of the company."""

WORDS_IN_CHINESE = """
Amy Bo Cy amy bo cy Ann Bell Hangzhou Order number Amount paid abc orders csv tests
api API CSV ERP Excel GB GBK HTTP ID IP JSON KB MB OpenAPI REST RFM ROI SKU UID UnionID UTF VIP kB xls xlsx zip
Asia Shanghai UTC English Ctrl Enter Esc cron guke backups
Active Connect DN Directory LDAP LDAPS OpenID PEM StartTLS back com company dc example http https ldap localhost login oidc
openid ou people realms sAMAccountName sales sign staff
ASVS Authenticator Google Markdown Microsoft NPS OWASP Shift Werkzeug ZIP erp local
AgentId SMTP Secret UserID Webhook bin cgi crm key name nickname or qq qyapi record replay send surname webhook weixin
"""
"""Latin words that may stand in Chinese pages: terms, commands, names, the test's own data."""


@pytest.fixture(scope="module")
def translate() -> Iterator[ModuleType]:
    """packaging/translate.py, which is a script and no package."""
    folder = str(ROOT / "packaging")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("guke_translate", f"{folder}/translate.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def english() -> Catalog:
    with PO.open("rb") as source:
        return read_po(source, locale="en")


def pairs(catalog: Catalog) -> list[tuple[str, str]]:
    """Each text with its translation; a plural's both forms count as translations of the one text."""
    found = []
    for message in catalog:
        if message.id:
            sources = message.id if isinstance(message.id, tuple) else (message.id,)
            strings = message.string if isinstance(message.string, tuple) else (message.string,)
            found += [(sources[0], string) for string in strings]
    return found


def test_every_text_of_the_sources_is_in_english(translate: ModuleType, english: Catalog) -> None:
    wanted = {(m.context, m.id) for m in translate.texts() if m.id}
    there = {(m.context, m.id) for m in english if m.id}
    assert wanted - there == set(), "run: python packaging/translate.py extract, then translate"
    assert there - wanted == set(), "run: python packaging/translate.py extract"
    assert [text for text, string in pairs(english) if not string] == []


def test_english_texts_hold_no_chinese(english: Catalog) -> None:
    assert [string for _text, string in pairs(english) if CJK.search(without(string, NAMES_IN_ENGLISH))] == []


def test_english_texts_keep_the_placeholders(english: Catalog) -> None:
    def used(text: str) -> Counter[str]:
        return Counter(PLACEHOLDER.findall(text))

    assert [text for text, string in pairs(english) if used(text) != used(string)] == []


def test_no_translation_is_a_guess(english: Catalog) -> None:
    assert [m.id for m in english if m.fuzzy and m.id] == []


def test_the_compiled_translations_are_in_step(translate: ModuleType) -> None:
    from compile_translations import compiled  # type: ignore[import-not-found]

    assert PO.with_suffix(".mo").read_bytes() == compiled(PO), "run: python packaging/translate.py compile"


class Texts(HTMLParser):
    """What a person reads on a page, and where its links lead."""

    UNREAD = ("script", "style", "code", "pre", "kbd")
    SHOWN = ("title", "placeholder", "aria-label", "alt", "data-title", "data-confirm")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {k: v for k, v in attrs if v}
        self.silent += tag in self.UNREAD
        self.texts += [found[k] for k in self.SHOWN if k in found]
        if (tag in ("a", "form") and found.get("method", "get") == "get") or "hx-get" in found:
            self.links += [found[k] for k in ("href", "hx-get", "action") if k in found]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in self.UNREAD

    def handle_data(self, data: str) -> None:
        if not self.silent and data.strip():
            self.texts.append(data.strip())


def without(text: str, names: tuple[str, ...]) -> str:
    for name in names:
        text = text.replace(name, "")
    return text


def pages(app: Flask, client: Any, also: list[str], a_kind: int = 2) -> Iterator[tuple[str, list[str]]]:
    """Walks the pages by their links, ``a_kind`` of each view: the address and the texts of each."""
    urls = app.url_map.bind("localhost")
    waiting = [r.rule for r in app.url_map.iter_rules() if "GET" in r.methods and not r.arguments]
    waiting += ["/forms/customer", "/forms/order", *also]
    seen: Counter[str] = Counter()
    asked = set()
    while waiting:
        url = waiting.pop(0)
        path = urlsplit(url).path
        try:
            endpoint, _arguments = urls.match(path, method="GET")
        except HTTPException:
            continue
        if url in asked or path.startswith(("/api/", "/static/")) or seen[endpoint] >= a_kind:
            continue
        asked.add(url)
        seen[endpoint] += 1
        answer = client.get(url)
        if answer.mimetype == "text/html" and answer.status_code == 200:
            page = Texts(answer.text)
            yield url, page.texts
            waiting += [urljoin(url, link) for link in page.links if not link.startswith(("#", "http"))]
        answer.close()


@pytest.fixture
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def texts(app: Flask, client: Any, api: Any, work: Any, language: str) -> dict[str, list[str]]:
    """The texts of the pages for a person who reads ``language``: a few records, an import with a failed row, a draft."""
    client.set_cookie("guke_lang", language)
    ann = {"name": "Ann Bell", "phone": "13800000001", "city": "Hangzhou"}
    buyer = api.post("/forms/customer/records", {"values": ann})["id"]
    order = {"number": "A-1", "customer": buyer, "amount": 129, "paid_at": "2026-01-05T10:00:00+08:00"}
    api.post("/forms/order/records", {"values": order})
    for step in ("import", "check"):
        file = (BytesIO(b"Order number,Amount paid\nB-1,10\nB-1,20\nB-2,abc\n"), "orders.csv")
        where = client.post("/forms/order/import", data={"file": file}).headers["Location"]
        if step == "import":
            client.post(f"{where}/options", data={"key": "number", "on_duplicate": "update", "start": "1"})
        else:
            client.get(f"{where}/preview")
        work()
    return dict(pages(app, client, [f"{where}/preview", f"{where}/check"]))


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_english_pages_hold_no_chinese(texts: dict[str, list[str]]) -> None:
    from appliance.automation.ready_made import TAG_GROUPS

    ready_made = [tag["name"] for group in TAG_GROUPS.values() for tag in group["tags"]]
    known = (*NAMES_IN_ENGLISH, *TAGS, *ready_made)
    leaks = {url: sorted({t[:120] for t in found if CJK.search(without(t, known))}) for url, found in texts.items()}
    assert len(texts) > 40
    assert "\n".join(f"{url}: {bad}" for url, bad in leaks.items() if bad) == ""


@pytest.mark.parametrize("language", ["zh"], indirect=True)
def test_chinese_pages_hold_no_english(texts: dict[str, list[str]]) -> None:
    allowed = set(WORDS_IN_CHINESE.split())
    words = {url: {w for t in found for w in re.findall(r"\w{2,}", t, re.ASCII)} for url, found in texts.items()}
    leaks = {url: sorted(w for w in found if w.isalpha() and w not in allowed) for url, found in words.items()}
    assert len(texts) > 40
    assert "\n".join(f"{url}: {bad}" for url, bad in leaks.items() if bad) == ""


@pytest.mark.parametrize(
    ("where", "english", "chinese"),
    [
        ({"field": "city", "op": "eq", "value": "杭州"}, "City is 杭州", "城市 是 杭州"),
        (
            {"all": [{"field": "total_paid", "op": "gte", "value": 2000}, {"field": "phone", "op": "empty"}]},
            "Total paid is at least ¥2,000.00 and Phone is empty",
            "累计消费 不低于 ¥2,000.00 且 手机 为空",
        ),
        (
            {"field": "last_paid_at", "op": "not_within", "value": {"days": 1}},
            "Last paid is not within the last 1 day",
            "最近付款 不在最近 1 天 内",
        ),
        (
            {
                "related": "order",
                "agg": "sum",
                "of": "amount",
                "op": "between",
                "value": [1, 2],
                "within": {"weeks": 2},
            },
            "Sum of Amount paid of Orders in the last 2 weeks is between ¥1.00 and ¥2.00",
            "最近 2 周 订单 实付金额 合计 介于 ¥1.00 ~ ¥2.00",
        ),
        (
            {"not": {"any": [{"tag": "VIP"}, {"field": "channel", "op": "in", "value": ["douyin", "wechat"]}]}},
            'not (has the tag "VIP" or Channel is one of Douyin, WeChat)',
            "不满足（有标签「VIP」 或 渠道 是其中之一 抖音、微信）",
        ),
    ],
)
def test_conditions_read_as_sentences_in_both_languages(client: Any, where: Any, english: str, chinese: str) -> None:
    said = {}
    for language in ("en", "zh"):
        client.set_cookie("guke_lang", language)
        said[language] = client.post("/forms/customer/conditions/words", json={"where": where}).get_json()["words"]
    assert said == {"en": english, "zh": chinese}
