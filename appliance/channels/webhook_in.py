"""The kind of connection by which other systems call us: who may call, how the call is signed, what it becomes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..connections import kinds
from ..connections.kinds import Connection, Kind
from ..connections.params import Choice, Lines, Number, Param, Secret
from ..core import clock
from ..core.errors import UserError
from . import calls, mapping, paths

KEY = "webhook_in"
WINDOW = 300

Check = Callable[[str, bytes, str], str]


def _stamped(secret: str, body: bytes, stamp: str) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def _body(secret: str, body: bytes, stamp: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _body_sha1(secret: str, body: bytes, stamp: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


class Signing(Struct, frozen=True):
    """A way to sign a call. ``stamped``: the moment is signed too, and must not be long ago."""

    label: Any
    sign: Check
    stamped: bool = False


SIGNING: dict[str, Signing] = {
    "stamped": Signing(_l("HMAC-SHA256，签「时间戳.内容」（固客自己的方式）"), _stamped, True),
    "body": Signing(_l("HMAC-SHA256，签内容"), _body),
    "body_sha1": Signing(_l("HMAC-SHA1，签内容"), _body_sha1),
}


class MappingParam(Param, frozen=True):
    """Which value of a call fills which field; edited on its own page."""

    input: ClassVar[str] = "none"
    default: Any = None

    def read(self, raw: Any) -> Any:
        if not raw:
            return None
        if not isinstance(raw, Mapping):
            raise ValueError(_("对应关系要是一个 JSON 对象。"))
        try:
            return mapping.Mapping.open(raw).checked().document()
        except UserError as error:
            raise ValueError(error.message) from error


class Json(Lines, frozen=True):
    """A JSON document as text."""

    def read(self, raw: Any) -> Any:
        text = str(super().read(raw))
        try:
            json.loads(text or "{}")
        except ValueError:
            raise ValueError(_('这里要写 JSON，例如 {"code": 0}。')) from None
        return text


class WebhookIn(Kind):
    key = KEY
    label = _l("接收推送（Webhook）")
    icon = "inbox"
    order = 200
    group = "in"
    about = _l("别的系统有新线索、新订单时调用固客，内容自动成为记录。")
    page = "webhooks.show"
    params = (
        Secret("token", _l("令牌"), _l("带在调用地址里。在「收到的调用」页面可以自动生成。"), most=200),
        Secret("secret", _l("签名密钥"), _l("对方支持签名时填写，与对方保持一致。"), most=200),
        Choice(
            "signing",
            _l("签名方式"),
            _l("填了签名密钥才用。"),
            default="stamped",
            options={key: one.label for key, one in SIGNING.items()},
        ),
        Param("signature_header", _l("签名所在的请求头"), default="X-Guke-Signature", advanced=True, most=60),
        Param("timestamp_header", _l("时间戳所在的请求头"), default="X-Guke-Timestamp", advanced=True, most=60),
        Number(
            "window",
            _l("时间戳最多相差几秒"),
            _l("超过的调用不接受，防止有人重放旧的调用。"),
            default=WINDOW,
            least=10,
            greatest=86_400,
            advanced=True,
        ),
        Param(
            "id_path",
            _l("调用编号的路径"),
            _l("对方重复推送同一条时用它认出来，例如 data.id；留空就比较整个内容。"),
            advanced=True,
            most=200,
        ),
        Json(
            "answer",
            _l("回答的内容"),
            _l("有的平台要求回答固定的 JSON。"),
            default='{"code": 0, "msg": "success"}',
            advanced=True,
            most=500,
        ),
        Number("per_minute", _l("每分钟最多几次"), default=6_000, least=1, greatest=1_000_000, advanced=True),
        MappingParam("mapping", _l("对应关系")),
    )

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        if config.get("id_path"):
            try:
                if paths.list_of(paths.parse(config["id_path"])) is not None:
                    raise UserError(_("调用编号的路径里不能有 []。"))
            except UserError as error:
                return {"id_path": error.message}
        return {}

    def test(self, connection: Connection) -> str:
        config = connection.config
        if not config.get("token") and not config.get("secret"):
            raise UserError(_("还没有令牌，也没有签名密钥：所有调用都会被拒绝。请在「收到的调用」页面生成地址。"))
        last = calls.last(connection.id) if connection.id else None
        if last is None:
            raise UserError(_("还没有收到过调用。请在对方系统里填好地址，再让它推送一次。"))
        return _("可以接收，最近一次调用在 %(when)s。", when=calls.moment(last.at))


kinds.register(WebhookIn())


def new_token() -> str:
    return secrets.token_urlsafe(24)


def admits(connection: Connection, headers: Mapping[str, str], given: str, body: bytes) -> str | None:
    """Why a call is turned away; ``None``: it may come in. ``given``: the token of the URL or a header."""
    config = connection.config
    token, secret = config.get("token") or "", config.get("secret") or ""
    if not token and not secret:
        return _("连接还没有设置令牌或签名密钥。")
    if token and not hmac.compare_digest(token.encode(), given.encode()):
        return _("令牌不对。")
    if not secret:
        return None
    signing = SIGNING[config.get("signing") or "stamped"]
    stamp = headers.get(config["timestamp_header"], "").strip()
    if signing.stamped and not _is_now(stamp, int(config.get("window") or WINDOW)):
        return _("时间戳不对，或者相差太多。")
    said = headers.get(config["signature_header"], "").strip().lower().rpartition("=")[2]
    wanted = signing.sign(secret, body, stamp)
    return None if hmac.compare_digest(wanted.encode(), said.encode()) else _("签名不对。")


def _is_now(stamp: str, window: int) -> bool:
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 13:
        return False
    seconds = int(stamp) // 1_000 if len(stamp) > 11 else int(stamp)
    return abs(clock.now() - seconds) <= window
