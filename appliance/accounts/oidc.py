"""Signing in at the company's provider: OpenID Connect, authorization code with PKCE, state and nonce.

Authlib builds the requests and checks the ID token; it is loaded when somebody signs in this way, never before. Every
fetch goes through :mod:`core.outbound`, so a provider inside the company must be among the allowed hosts.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets as random
from typing import Any
from urllib.parse import urlsplit

from flask_babel import gettext as _
from msgspec import Struct

from ..core import clock, outbound, secrets
from ..core.errors import UserError
from . import sources
from .cache import Cache
from .sources import Oidc, Vouched

log = logging.getLogger(__name__)

COOKIE = "guke_oidc"
PENDING = 600
"""Seconds that somebody may take at the provider."""
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key only: ``none`` and shared secrets are not among them."""
LEEWAY = 60
TIMEOUT = 8.0


class Start(Struct, frozen=True):
    """Where to send the browser, and the cookie that it must bring back."""

    url: str
    cookie: str


_known: Cache[dict[str, Any]] = Cache()


def begin(redirect_uri: str, where: str) -> Start:
    """Starts at the provider; ``where``: the page to land on. Raises :class:`UserError`."""
    from authlib.oauth2.client import OAuth2Client

    options = _options()
    state, nonce, verifier = (random.token_urlsafe(32) for _i in range(3))
    provider = _provider(options)
    client = OAuth2Client(
        None, client_id=options.client_id, scope=options.scopes, redirect_uri=redirect_uri, code_challenge_method="S256"
    )
    url, _state = client.create_authorization_url(
        provider["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
    )
    kept = {"s": state, "n": nonce, "v": verifier, "w": where, "r": redirect_uri, "t": clock.now() + PENDING}
    return Start(url, secrets.seal(json.dumps(kept)))


def finish(cookie: str | None, args: Any) -> tuple[int, str]:
    """Who came back, and the page they wanted. Raises :class:`UserError`."""
    kept = _kept(cookie)
    if not hmac.compare_digest(str(kept["s"]).encode(), args.get("state", "").encode()):
        raise _stale()
    options = _options()
    if args.get("error") or not args.get("code"):
        log.info("the provider refused: %s", args.get("error", "")[:100])
        raise UserError(_("登录服务没有放行。请再试一次，或联系管理员。"))
    provider = _provider(options)
    if args.get("iss") and args["iss"] != provider["issuer"]:
        raise _stale()
    token = _exchange(options, provider, args["code"], kept)
    claims = _claims(options, provider, token, kept["n"])
    who = _vouched(options, _with_userinfo(options, provider, token, claims))
    return sources.admit("oidc", who), str(kept["w"])


def test(options: Oidc) -> str:
    """Fetches what the provider says of itself; says in a sentence how it went. Raises :class:`UserError`."""
    keys = _keys(_discover(options))
    count = len(keys.keys)
    return _("连接成功：登录服务回答正常，有 %(n)s 把签名公钥。客户端密钥在第一次登录时才用到。", n=count)


def _options() -> Oidc:
    source = sources.get("oidc")
    if not source.enabled:
        raise UserError(_("没有启用统一登录，请用登录名和密码登录。"))
    options: Oidc = source.options
    return options


def _stale() -> UserError:
    return UserError(_("这次登录已经过期或不是从这个浏览器开始的，请再试一次。"))


def _kept(cookie: str | None) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(secrets.unseal(cookie or ""))
    except (UserError, ValueError):
        raise _stale() from None
    if kept["t"] < clock.now():
        raise _stale()
    return kept


def _provider(options: Oidc) -> dict[str, Any]:
    return _known.get(options.issuer, lambda: _discover(options))


def _discover(options: Oidc) -> dict[str, Any]:
    found = _get(f"{options.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer", "").rstrip("/") != options.issuer.rstrip("/"):
        raise UserError(
            _("登录服务自称 %(issuer)s，与填写的发行者网址不一致。", issuer=str(found.get("issuer", ""))[:100]),
            "issuer",
        )
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        url = urlsplit(str(found.get(name, "")))
        if url.scheme != "https" and not (url.scheme == "http" and options.issuer.startswith("http://")):
            raise UserError(_("登录服务没有给出可用的 %(name)s。", name=name), "issuer")
    return found


def _get(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = outbound.fetch(url, headers={"Accept": "application/json", **(headers or {})}, timeout=TIMEOUT)
    try:
        found = answer.json() if answer.status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(
            _("%(url)s 没有给出登录服务的说明（状态 %(status)s）。", url=url, status=answer.status), "issuer"
        )
    return found


def _keys(provider: dict[str, Any]) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        return KeySet.import_key_set(_get(provider["jwks_uri"]))  # type: ignore[arg-type]
    except (JoseError, KeyError, TypeError, ValueError) as error:
        raise UserError(_("登录服务的签名公钥读不出来。"), "issuer") from error


def _exchange(options: Oidc, provider: dict[str, Any], code: str, kept: dict[str, Any]) -> dict[str, Any]:
    """The provider's tokens for the code; with the client secret, the same redirect address and the PKCE verifier."""
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    body = prepare_token_request("authorization_code", "", kept["r"], code=code, code_verifier=kept["v"])
    secret = sources.secret("oidc")
    ways = provider.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    way = next((w for w in ("client_secret_basic", "client_secret_post") if w in ways), "none") if secret else "none"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    url, headers, body = ClientAuth(options.client_id, secret, way).prepare(
        "POST", provider["token_endpoint"], headers, body
    )
    answer = outbound.fetch(url, method="POST", headers=headers, body=body.encode(), timeout=TIMEOUT)
    try:
        token = answer.json()
    except ValueError:
        token = None
    if answer.status != 200 or not isinstance(token, dict) or not isinstance(token.get("id_token"), str):
        log.warning("the provider gave no token: status %s", answer.status)
        raise UserError(_("登录服务不接受这次登录。请再试一次；一直不行时请管理员核对客户端 ID 和密钥。"))
    return token


def _claims(options: Oidc, provider: dict[str, Any], token: dict[str, Any], nonce: str) -> dict[str, Any]:
    """The ID token's claims: signed by the provider, for us, for this sign-in, not over."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError

    said = token["id_token"]
    try:
        if said.count(".") != 2:
            raise ValueError("not a signed token")
        signed = jwt.decode(said, _keys(provider), algorithms=ALGORITHMS)
        wanted = {
            "iss": {"essential": True, "value": provider["issuer"]},
            "aud": {"essential": True, "value": options.client_id},
            "exp": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": options.client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(signed.claims, signed.header, wanted, params)
        claims.validate(now=clock.now(), leeway=LEEWAY)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        log.warning("the provider's ID token is not good: %s", error)
        raise UserError(_("登录服务给的凭证没有通过检查，请联系管理员。")) from error
    return dict(claims)


def _with_userinfo(
    options: Oidc, provider: dict[str, Any], token: dict[str, Any], claims: dict[str, Any]
) -> dict[str, Any]:
    """Some providers say name and e-mail only here."""
    missing = not claims.get(options.email_from) or not claims.get(options.login_from)
    if not missing or not provider.get("userinfo_endpoint") or not token.get("access_token"):
        return claims
    more = _get(provider["userinfo_endpoint"], {"Authorization": f"Bearer {token['access_token']}"})
    if more.get("sub") != claims["sub"]:
        raise UserError(_("登录服务给的凭证没有通过检查，请联系管理员。"))
    return more | claims


def _vouched(options: Oidc, claims: dict[str, Any]) -> Vouched:
    email = _text(claims, options.email_from)
    verified = claims.get("email_verified", True) in (True, "true")
    domains = options.allowed_domains
    if domains and not (verified and email.casefold().rpartition("@")[2] in domains):
        raise UserError(_("这个账号不属于公司，不能登录。"))
    groups = claims.get(options.groups_from) if options.groups_from else None
    return Vouched(
        subject=f"{claims['iss']}|{claims['sub']}",
        login=_text(claims, options.login_from) or (email if verified else ""),
        name=_text(claims, options.name_from),
        email=email,
        department=_text(claims, options.department_from),
        groups=tuple(str(group) for group in groups) if isinstance(groups, list) else (),
    )


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name) if name else None
    return value.strip() if isinstance(value, str) else ""
