"""A small real OpenID Connect provider on loopback: discovery, keys, authorization code with PKCE, tokens, userinfo.

It checks what a good one checks: client and secret, registered redirect address, PKCE, a code used once. ``break_`` makes
it lie in one way, to see that the lie is found.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey


@dataclass
class Provider:
    """``claims``: who signs in next. ``refusals``: why the token endpoint said no."""

    issuer: str = ""
    client_id: str = "guke"
    client_secret: str = "client-secret-1"
    redirect_uri: str = "http://localhost/sign-in/oidc/back"
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    break_: str = ""
    refusals: list[str] = field(default_factory=list)
    authorized: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))

    def authorize(self, url: str) -> str:
        """What the browser does at the provider: signs in, and is sent back to the returned address."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?"), url
        assert asked["client_id"] == self.client_id and asked["response_type"] == "code"
        assert asked["redirect_uri"] == self.redirect_uri, asked["redirect_uri"]
        assert asked["code_challenge_method"] == "S256" and asked["state"] and asked["nonce"]
        assert "openid" in asked["scope"].split()
        self.authorized.append(asked)
        code = secrets.token_urlsafe(12)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode() if authorization else ""
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        problem = (
            "client" if unquote(given) != f"{self.client_id}:{self.client_secret}"
            else "grant" if form.get("grant_type") != "authorization_code"
            else "code" if asked is None
            else "redirect" if form.get("redirect_uri") != asked["redirect_uri"]
            else "pkce" if base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != asked["code_challenge"]
            else ""
        )  # fmt: skip
        if problem or asked is None:
            self.refusals.append(problem)
            return None
        return {"access_token": "at-1", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.claims,
        }
        lies: dict[str, dict[str, Any]] = {
            "issuer": {"iss": "https://evil.example"},
            "audience": {"aud": "another-client"},
            "over": {"iat": now - 900, "exp": now - 600},
            "nonce": {"nonce": "another"},
        }
        claims |= lies.get(self.break_, {})
        if self.break_ == "no-signature":
            head, body = (
                base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in ({"alg": "none"}, claims)
            )
            return f"{head.decode()}.{body.decode()}."
        if self.break_ == "shared-secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(self.client_secret.ljust(32, "x")))
        key = RSAKey.generate_key(2048, {"kid": "one"}) if self.break_ == "key" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        p, path = self.provider, urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self.say({
                "issuer": p.issuer if p.break_ != "discovery" else "https://evil.example",
                "authorization_endpoint": f"{p.issuer}/authorize",
                "token_endpoint": f"{p.issuer}/token",
                "jwks_uri": f"{p.issuer}/keys",
                "userinfo_endpoint": f"{p.issuer}/userinfo",
            })  # fmt: skip
        elif path == "/keys":
            self.say({"keys": [p.key.as_dict(private=False)]})
        elif path == "/userinfo" and self.headers.get("Authorization") == "Bearer at-1":
            self.say(p.userinfo)
        else:
            self.say({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        token = self.provider.exchange(form, self.headers.get("Authorization", ""))
        self.say(token or {"error": "invalid_grant"}, 200 if token else 400)

    def say(self, document: Any, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"provider": provider}))
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
