"""Invitations, deputies and sign-in sources through the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.support.http import Api


def test_a_program_invites_somebody_who_then_comes_in_once(api: Api, staff_api: Api, anon: Any) -> None:
    made = api.post("/invitations", {"name": "新人", "roles": ["staff"], "login": "xin"}, expect=201)
    assert made["state"] == "open" and made["roles"] == ["staff"]
    page = anon.get(urlsplit(made["link"]).path)
    assert page.status_code == 200 and "新人" in page.text
    listed = api.get("/invitations")["invitations"]
    assert [one["id"] for one in listed] == [made["id"]] and "link" not in listed[0]
    api.delete(f"/invitations/{made['id']}", expect=204)
    assert anon.get(urlsplit(made["link"]).path).status_code == 404
    api.delete(f"/invitations/{made['id']}", expect=404)
    assert api.post("/invitations", {"name": "", "roles": ["no-such"], "days": 99}, expect=422)["errors"][0]["field"]
    staff_api.get("/invitations", expect=403)
    staff_api.post("/invitations", {"name": "X", "roles": ["staff"]}, expect=403)


def test_a_person_names_a_deputy_for_themselves_and_ends_it(api: Api, staff_api: Api, clock: Any) -> None:
    clock.set("2026-06-01T10:00:00+08:00")
    days = {"since": "2026-06-01", "until": "2026-06-05"}
    made = staff_api.post("/deputies", {"deputy": "cy", **days, "note": "休假"}, expect=201)
    assert made | {"id": 0} == {"id": 0, "user": "bo", "deputy": "cy", **days, "note": "休假", "state": "now"}
    assert api.get("/deputies")["deputies"] == [made]
    staff_api.post("/deputies", {"user": "cy", "deputy": "bo", **days}, expect=403)
    wrong = staff_api.post("/deputies", {"deputy": "cy", "since": "tomorrow", "until": "2026-06-05"}, expect=422)
    assert wrong["errors"][0]["field"] == "since"
    staff_api.delete(f"/deputies/{made['id']}", expect=204)
    assert staff_api.get("/deputies")["deputies"] == []


def test_a_sign_in_source_is_set_and_its_secret_never_comes_back(api: Api, staff_api: Api, data: Any) -> None:
    options = {"host": "ldap.example.com", "base": "ou=people,dc=example,dc=com", "role": "staff"}
    told = api.patch("/sign-in-sources/ldap", {"enabled": True, "options": options, "secret": "very-secret-word"})
    assert told["enabled"] and told["has_secret"] and told["options"]["host"] == "ldap.example.com"
    assert "very-secret-word" not in str(api.get("/sign-in-sources"))
    assert b"very-secret-word" not in (data / "guke.db").read_bytes() + (data / "guke.db-wal").read_bytes()
    wrong = api.patch("/sign-in-sources/ldap", {"options": {"host": "ldap://x y"}}, expect=422)
    assert wrong["errors"][0]["field"] == "host"
    assert api.patch("/sign-in-sources/ldap", {"options": {"port": "636"}}, expect=422)["errors"]
    assert api.patch("/sign-in-sources/ldap", {"enabled": False})["options"]["host"] == "ldap.example.com"
    api.patch("/sign-in-sources/saml", {"enabled": True}, expect=404)
    staff_api.get("/sign-in-sources", expect=403)
