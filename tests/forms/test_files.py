"""Files in records: sent ahead, held by one record field, seen by those who see it, never run by a browser."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts import permissions, tokens, users
from appliance.accounts.actor import SYSTEM
from tests.support.http import Api, Client
from tests.support.people import BO

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


def png(width: int = 40, height: int = 20) -> bytes:
    """A plain red picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * width) * height
    head = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def photo_with_place() -> bytes:
    """A JPEG whose EXIF says where it was taken."""
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (64, 64), "navy")
    exif = picture.getexif()
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (30.0, 15.0, 0.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.fixture
def form(api: Api) -> str:
    fields = [
        {"key": "name", "label": "名称", "type": "text"},
        {"key": "papers", "label": "资料", "type": "attachments", "max_files": 3},
        {"key": "pictures", "label": "照片", "type": "images"},
        {"key": "sign", "label": "签名", "type": "signature"},
    ]
    api.post("/forms", {"key": "visit", "label": "拜访", "title_field": "name", "fields": fields})
    return "visit"


def send(api: Api, name: str, content: bytes, expect: int = 201) -> Any:
    answer = api.client.open(
        "/api/v1/files", method="POST", headers=api.headers, data={"file": (io.BytesIO(content), name)}
    )
    assert answer.status_code == expect, answer.text
    return answer.get_json()


def fetch(api: Api, record_id: int, file_id: int, form: str = "visit") -> Any:
    return api.raw("GET", f"/forms/{form}/records/{record_id}/files/{file_id}")


def test_files_are_sent_first_and_named_by_their_ids(api: Api, form: str) -> None:
    first, second = send(api, "合同.pdf", b"%PDF-1.7 text"), send(api, "b.txt", b"hello")
    assert first == {"id": first["id"], "name": "合同.pdf", "size": 13, "type": "application/pdf"}
    made = api.post("/forms/visit/records", {"values": {"papers": [first["id"], {"id": second["id"]}]}})
    assert [f["name"] for f in made["values"]["papers"]] == ["合同.pdf", "b.txt"]
    assert made["values"]["pictures"] == [] and made["values"]["sign"] is None
    got = fetch(api, made["id"], first["id"])
    assert got.data == b"%PDF-1.7 text"
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert "%E5%90%88%E5%90%8C.pdf" in got.headers["Content-Disposition"]
    turned = api.patch(f"/forms/visit/records/{made['id']}", {"values": {"papers": [second["id"]]}})
    assert [f["id"] for f in turned["values"]["papers"]] == [second["id"]]
    assert fetch(api, made["id"], first["id"]).status_code == 404


def test_a_file_that_was_taken_out_can_be_put_back(api: Api, form: str) -> None:
    file = send(api, "a.txt", b"hello")
    made = api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})
    path = f"/forms/visit/records/{made['id']}"
    assert api.patch(path, {"values": {"papers": None}})["values"]["papers"] == []
    again = api.patch(path, {"values": {"papers": [file["id"]]}})
    assert [f["name"] for f in again["values"]["papers"]] == ["a.txt"]
    changes = api.get(f"{path}/changes")["changes"]
    assert [list(c["fields"]["papers"]) for c in changes[:2]] == [["add"], ["remove"]]


@pytest.mark.parametrize(("name", "content"), [("a.png", SVG), ("b.jpg", HTML), ("c.svg", SVG), ("d.html", HTML)])
def test_what_is_no_picture_is_never_shown_by_the_browser(
    api: Api, client: Client, form: str, name: str, content: bytes
) -> None:
    file = send(api, name, content)
    assert api.post("/forms/visit/records", {"values": {"pictures": [file["id"]]}}, expect=422)["errors"]
    made = api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})
    for query in ("", "?size=thumb", "?size=preview"):
        got = client.get(f"/forms/visit/records/{made['id']}/files/papers/{file['id']}{query}")
        assert got.headers["Content-Disposition"].startswith("attachment"), query
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in got.headers["Content-Security-Policy"]
        assert got.mimetype == "application/octet-stream"


def test_pictures_have_small_copies_without_the_place_they_were_taken(api: Api, client: Client, form: str) -> None:
    photo = photo_with_place()
    assert b"SECRETCAMERA" in photo
    file = send(api, "photo.jpg", photo)
    made = api.post("/forms/visit/records", {"values": {"pictures": [file["id"]]}})
    url = f"/forms/visit/records/{made['id']}/files/pictures/{file['id']}"
    small = client.get(f"{url}?size=thumb")
    assert small.mimetype == "image/webp" and small.data[:4] == b"RIFF"
    assert b"SECRETCAMERA" not in small.data and b"EXIF" not in small.data
    assert client.get(url, headers={"If-None-Match": small.headers["ETag"]}).status_code == 200
    assert client.get(f"{url}?size=thumb", headers={"If-None-Match": small.headers["ETag"]}).status_code == 304
    page = client.get(f"/forms/visit/records/{made['id']}").text
    assert f"{url}?size=thumb" in page
    assert f"{url}?size=thumb" in client.get("/forms/visit?cols=pictures").text


def test_a_picture_that_cannot_be_read_has_a_stand_in(api: Api, client: Client, form: str) -> None:
    broken = send(api, "x.png", b"\x89PNG\r\n\x1a\nnonsense")
    huge = send(api, "y.png", png(3, 3).replace(struct.pack("!II", 3, 3), struct.pack("!II", 60_000, 60_000), 1))
    made = api.post("/forms/visit/records", {"values": {"pictures": [broken["id"], huge["id"]]}})
    for file in (broken, huge):
        got = client.get(f"/forms/visit/records/{made['id']}/files/pictures/{file['id']}?size=thumb")
        assert got.status_code == 302 and "no-picture.svg" in got.location


def test_a_signature_is_one_picture(api: Api, client: Client, form: str) -> None:
    file = send(api, "s.png", png())
    made = api.post("/forms/visit/records", {"values": {"sign": file["id"]}})
    assert made["values"]["sign"]["id"] == file["id"]
    api.patch(f"/forms/visit/records/{made['id']}", {"values": {"sign": [file["id"], file["id"] + 1]}}, expect=422)
    assert "data-signature" in client.get(f"/forms/visit/records/{made['id']}/edit").text
    assert api.patch(f"/forms/visit/records/{made['id']}", {"values": {"sign": None}})["values"]["sign"] is None


@pytest.mark.parametrize("bad", [[999], ["x"], [{"name": "a"}], [True], 1.5, [1, 2, 3, 4]])
def test_what_was_not_uploaded_is_refused(api: Api, form: str, bad: Any) -> None:
    problem = api.post("/forms/visit/records", {"values": {"papers": bad}}, expect=422)
    assert problem["errors"][0]["field"] == "papers"


def test_limits_are_kept(api: Api, form: str, client: Client, app: Any) -> None:
    from appliance.core import settings

    api.patch("/forms/visit/fields/papers", {"accept": "pdf, docx", "max_mb": 1})
    send(api, "empty.txt", b"", expect=422)
    text, big = send(api, "a.txt", b"hello"), send(api, "big.pdf", b"%PDF-" + b"x" * (1 << 20))
    for file in (text, big):
        api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}}, expect=422)
    route = "/forms/visit/fields/papers/files"
    assert client.post(route, data={"file": (io.BytesIO(b"hi"), "a.txt")}).status_code == 422
    assert client.post(route, data={"file": (io.BytesIO(b"%PDF-"), "a.pdf")}).get_json()["name"] == "a.pdf"
    assert client.post(route, data={}).status_code == 422
    with app.app_context():
        settings.set("company.file_limit_mb", 1, SYSTEM)
    send(api, "big.bin", b"x" * (1 << 20) + b"more", expect=422)


def test_what_waits_is_its_senders_alone(
    api: Api, staff_api: Api, staff_client: Client, client: Client, form: str
) -> None:
    file = send(api, "mine.png", png())
    assert client.get(f"/uploads/{file['id']}").status_code == 200
    assert staff_client.get(f"/uploads/{file['id']}").status_code == 404
    staff_api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}}, expect=422)
    made = api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})
    copied = staff_api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})
    assert copied["values"]["papers"] == made["values"]["papers"], "who sees it in a record may copy the record"


@pytest.mark.parametrize("access", ["hidden", "masked"])
def test_a_field_that_is_not_shown_gives_no_file_away(
    app: Any, api: Api, staff_client: Client, form: str, access: str
) -> None:
    file = send(api, "SECRETNAME.pdf", b"%PDF-SECRETBODY")
    made = api.post("/forms/visit/records", {"values": {"name": "访客", "papers": [file["id"]]}})
    rights = {"forms": {"*": {"verbs": list(permissions.VERBS), "fields": {"papers": access}}}}
    users.add_role("narrow", access, permissions.Rights.open(rights))
    bo = users.by_login(BO.login)
    users.update(bo.id, SYSTEM, role="narrow")
    narrow = Api(app.test_client(), tokens.create(bo.id, "narrow"))
    assert fetch(narrow, made["id"], file["id"]).status_code == 404
    path = f"/forms/visit/records/{made['id']}"
    for exit_ in (
        path,
        f"{path}/edit",
        f"{path}/history",
        f"{path}/files/papers/{file['id']}",
        "/forms/visit?cols=papers",
    ):
        assert "SECRET" not in staff_client.get(exit_).text, exit_
    assert "SECRET" not in json.dumps([narrow.get(path), narrow.get(f"{path}/changes")])
    narrow.post("/forms/visit/records", {"values": {"papers": [file["id"]]}}, expect=422)
    narrow.post("/forms/visit/records", {"values": {"pictures": [file["id"]]}}, expect=422)


def test_records_out_of_reach_give_no_file_away(api: Api, form: str) -> None:
    file = send(api, "a.txt", b"hello")
    one = api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})
    other = api.post("/forms/visit/records", {"values": {}})
    assert fetch(api, other["id"], file["id"]).status_code == 404
    assert fetch(api, 999, file["id"]).status_code == 404
    api.delete(f"/forms/visit/records/{one['id']}")
    assert fetch(api, one["id"], file["id"]).status_code == 404
    api.post(f"/forms/visit/records/{one['id']}:restore")
    assert fetch(api, one["id"], file["id"]).status_code == 200


def test_what_nobody_saved_goes_after_a_day(api: Api, clock: Any, work: Callable[[], Any], form: str, app: Any) -> None:
    from appliance.core import files
    from appliance.core.errors import NotFound

    left, kept = send(api, "left.txt", b"left"), send(api, "kept.txt", b"kept")
    made = api.post("/forms/visit/records", {"values": {"papers": [kept["id"]]}})
    clock.move(days=3)
    work()
    with app.app_context(), pytest.raises(NotFound):
        files.get(left["id"])
    assert fetch(api, made["id"], kept["id"]).data == b"kept"
    api.patch(f"/forms/visit/records/{made['id']}", {"values": {"papers": []}})
    clock.move(days=40)
    work()
    with app.app_context(), pytest.raises(NotFound):
        files.get(kept["id"])


def test_they_are_found_by_whether_there_are_any(api: Api, form: str) -> None:
    file = send(api, "a.txt", b"hello")
    one = api.post("/forms/visit/records", {"values": {"papers": [file["id"]]}})["id"]
    none = api.post("/forms/visit/records", {"values": {}})["id"]
    for op, wanted in (("not_empty", [one]), ("empty", [none])):
        found = api.post("/forms/visit/query", {"where": {"field": "papers", "op": op}})["records"]
        assert [r["id"] for r in found] == wanted
    api.post("/forms/visit/query", {"where": {"field": "papers", "op": "eq", "value": 1}}, expect=422)
    api.get("/forms/visit/records", sort="papers", expect=422)


def test_an_export_gives_their_names(api: Api, cli: Any, form: str, tmp_path: Any) -> None:
    file = send(api, "合同.pdf", b"%PDF-")
    api.post("/forms/visit/records", {"values": {"name": "a", "papers": [file["id"]], "sign": None}})
    cli("export", "visit", tmp_path / "out.csv").ok()
    assert "合同.pdf" in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")


def test_the_edit_page_keeps_what_was_uploaded_when_something_else_is_wrong(
    client: Client, api: Api, form: str
) -> None:
    api.patch("/forms/visit/fields/name", {"required": True})
    sent = client.post("/forms/visit/fields/papers/files", data={"file": (io.BytesIO(b"hi"), "held.txt")}).get_json()
    page = client.post("/forms/visit/new", data={"name": "", "papers": str(sent["id"])})
    assert page.status_code == 422 and "held.txt" in page.text
    done = client.post("/forms/visit/new", data={"name": "x", "papers": str(sent["id"])})
    assert done.status_code == 303 and "held.txt" in client.get(done.location).text


def test_the_description_of_the_api_knows_files(api: Api, form: str) -> None:
    doc = api.get("/openapi.json")
    assert "/files" in doc["paths"] and "/forms/visit/records/{id}/files/{file_id}" in doc["paths"]
