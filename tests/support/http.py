"""Clients for the front door: a browser-like one that carries the CSRF token, and a JSON one for the API."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.accounts import sessions

from .people import Person

SAFE = {"GET", "HEAD", "OPTIONS"}


class Client(FlaskClient):
    """Flask's test client that behaves as the page's own script does: every write carries the CSRF token.

    ``client.post(url, data=…, csrf=False)`` leaves it out, ``client.get(url, htmx=True)`` asks as htmx would.
    """

    def open(self, *args: Any, csrf: bool = True, htmx: bool = False, **kwargs: Any) -> TestResponse:
        if kwargs.get("method", "GET") not in SAFE or htmx:
            headers = dict(kwargs.pop("headers", None) or {})
            if kwargs.get("method", "GET") not in SAFE and csrf:
                headers["X-CSRF-Token"] = self.csrf_token()
            if htmx:
                headers["HX-Request"] = "true"
            kwargs["headers"] = headers
        return super().open(*args, **kwargs)

    def csrf_token(self) -> str:
        """The token that pages carry in ``<meta name="csrf-token">`` for this browser's cookie."""
        for name in (sessions.COOKIE, sessions.VISIT_COOKIE):
            if cookie := self.get_cookie(name):
                return sessions.csrf_token(cookie.value)
        self.set_cookie(sessions.VISIT_COOKIE, "a-visit")
        return sessions.csrf_token("a-visit")

    def login(self, person: Person, password: str | None = None) -> TestResponse:
        """Signs in through the form. The answer is a redirect when it went well."""
        return self.post("/login", data={"login": person.login, "password": password or person.password})

    def use_session(self, cookie: str) -> Client:
        self.set_cookie(sessions.COOKIE, cookie)
        return self


class Api:
    """The REST API with a bearer token. Paths are relative to /api/v1; answers are checked and parsed JSON."""

    def __init__(self, client: FlaskClient, token: str | None) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Any:
        response = self.raw(method, path, body, headers=headers, **query)
        wanted = (expect,) if expect else (200, 201, 202, 204)
        assert response.status_code in wanted, f"{method} {path}: {response.status_code} {response.text[:2000]}"
        return response.get_json(silent=True)

    def raw(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> TestResponse:
        options: dict[str, Any] = {"headers": {**self.headers, **(headers or {})}, "query_string": query}
        if body is not None:
            options["json"] = body
        return FlaskClient.open(self.client, f"/api/v1{path}", method=method, **options)

    def get(self, path: str, *, expect: int | None = None, **query: Any) -> Any:
        return self.call("GET", path, expect=expect, **query)

    def post(self, path: str, body: Any = None, *, expect: int | None = None, **options: Any) -> Any:
        return self.call("POST", path, body if body is not None else {}, expect=expect, **options)

    def patch(self, path: str, body: Any, *, expect: int | None = None, **options: Any) -> Any:
        return self.call("PATCH", path, body, expect=expect, **options)

    def put(self, path: str, body: Any, *, expect: int | None = None, **options: Any) -> Any:
        return self.call("PUT", path, body, expect=expect, **options)

    def delete(self, path: str, *, expect: int | None = None, **options: Any) -> Any:
        return self.call("DELETE", path, expect=expect, **options)
