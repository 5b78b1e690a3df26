"""The platforms that messages go through, on loopback: one HTTP server that checks tokens and signatures as they do, and
speaks their errors. ``mode`` says what the next send meets: ok, credentials, busy, broken, silent, refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

SECRET = "SEC0123456789abcdef-very-secret"
"""The one secret of every platform here."""


@dataclass
class Platforms:
    """``sent``: what was taken, newest last: (platform, document). ``calls``: every path that was asked for."""

    base: str = ""
    mode: str = "ok"
    sent: list[tuple[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    tokens: int = 0
    stale: set[str] = field(default_factory=set)
    """Tokens that are over."""
    results: dict[str, Any] = field(default_factory=dict)
    """What DingTalk tells of a task."""

    def answer(self, ask: Ask) -> tuple[int, Any, dict[str, str]] | None:
        """Status, document and headers; ``None``: the line is cut without a word."""
        self.calls.append(ask.path)
        self.headers = ask.headers
        for prefix, platform in PATHS.items():
            if ask.path.startswith(prefix):
                said = platform(self, ask)
                return said if said is None or len(said) == 3 else (*said, {})
        return (404, {"error": ask.path}, {})


@dataclass
class Ask:
    method: str
    path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def doc(self) -> Any:
        return json.loads(self.body)


def _trouble(p: Platforms, said: dict[str, Any]) -> Any:
    """What every platform does alike: it breaks, or says nothing."""
    if p.mode == "silent":
        return None
    if p.mode == "broken":
        return (500, {"oops": True})
    return (200, said[p.mode])


def _token(p: Platforms) -> Any:
    p.tokens += 1
    return (200, {"errcode": 0, "errmsg": "ok", "access_token": f"token-{p.tokens}", "expires_in": 7200})


def wecom_token(p: Platforms, ask: Ask) -> Any:
    if p.mode == "credentials" or ask.query.get("corpsecret") != SECRET:
        return (200, {"errcode": 40091, "errmsg": "secret is invalid"})
    return _token(p)


def _stale(p: Platforms, ask: Ask) -> bool:
    token = ask.query.get("access_token", "")
    return not token.startswith("token-") or token in p.stale


def wecom_agent(p: Platforms, ask: Ask) -> Any:
    if _stale(p, ask):
        return (200, {"errcode": 40014, "errmsg": "invalid access_token"})
    return (200, {"errcode": 0, "errmsg": "ok", "agentid": int(ask.query["agentid"]), "name": "固客通知"})


def wecom_send(p: Platforms, ask: Ask) -> Any:
    if _stale(p, ask):
        return (200, {"errcode": 42001, "errmsg": "access_token expired"})
    if p.mode == "ok":
        p.sent.append(("wecom_app", ask.doc))
    return _trouble(
        p,
        {
            "ok": {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": "m-1"},
            "busy": {"errcode": 45009, "errmsg": "api freq out of limit"},
            "refused": {"errcode": 0, "errmsg": "ok", "invaliduser": str(ask.doc["touser"]), "msgid": "m-1"},
        },
    )


def wecom_robot(p: Platforms, ask: Ask) -> Any:
    if p.mode == "credentials" or ask.query.get("key") != SECRET:
        return (200, {"errcode": 93000, "errmsg": "invalid webhook url"})
    if p.mode == "ok":
        p.sent.append(("wecom_robot", ask.doc))
    return _trouble(
        p,
        {
            "ok": {"errcode": 0, "errmsg": "ok"},
            "busy": {"errcode": 45009, "errmsg": "api freq out of limit"},
            "refused": {"errcode": 40008, "errmsg": "invalid message type"},
        },
    )


def dingtalk_robot(p: Platforms, ask: Ask) -> Any:
    stamp = ask.query.get("timestamp", "0")
    mac = hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
    fresh = abs(int(stamp) / 1000 - _now(p)) < 3600
    if p.mode == "credentials" or ask.query.get("sign") != base64.b64encode(mac).decode() or not fresh:
        return (200, {"errcode": 310000, "errmsg": "sign not match"})
    if p.mode == "ok":
        p.sent.append(("dingtalk_robot", ask.doc))
    return _trouble(
        p,
        {
            "ok": {"errcode": 0, "errmsg": "ok"},
            "busy": {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"},
            "refused": {"errcode": 430101, "errmsg": "the content is not proper"},
        },
    )


def dingtalk_token(p: Platforms, ask: Ask) -> Any:
    if p.mode == "credentials" or ask.query.get("appsecret") != SECRET:
        return (200, {"errcode": 40089, "errmsg": "不合法的corpid或corpsecret"})
    return _token(p)


def dingtalk_send(p: Platforms, ask: Ask) -> Any:
    if _stale(p, ask):
        return (200, {"errcode": 40014, "errmsg": "不合法的access_token"})
    if p.mode == "ok":
        p.sent.append(("dingtalk_work", ask.doc))
    return _trouble(
        p,
        {
            "ok": {"errcode": 0, "errmsg": "ok", "task_id": 256271667526, "request_id": "r"},
            "busy": {"errcode": 143103, "errmsg": "每分钟发送上限"},
            "refused": {"errcode": 33012, "errmsg": "无效的USERID"},
        },
    )


def dingtalk_result(p: Platforms, ask: Ask) -> Any:
    return (200, {"errcode": 0, "errmsg": "ok", "send_result": p.results})


def feishu(p: Platforms, ask: Ask) -> Any:
    key = f"{ask.doc.get('timestamp')}\n{SECRET}".encode()
    sign = base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    fresh = abs(int(ask.doc.get("timestamp", 0)) - _now(p)) < 3600
    if p.mode == "credentials" or ask.doc.get("sign") != sign or not fresh:
        return (200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"})
    if p.mode == "ok":
        p.sent.append(("feishu_robot", ask.doc))
    return _trouble(
        p,
        {
            "ok": {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"},
            "busy": {"code": 11232, "msg": "frequency limited"},
            "refused": {"code": 9499, "msg": "Bad Request"},
        },
    )


def sms(p: Platforms, ask: Ask) -> Any:
    return _tencent(p, ask) if "x-tc-action" in ask.headers else _aliyun(p, ask)


def _aliyun(p: Platforms, ask: Ask) -> Any:
    given = ask.headers.get("authorization", "")
    parts = dict(part.split("=", 1) for part in given.removeprefix("ACS3-HMAC-SHA256 ").split(","))
    names = parts.get("SignedHeaders", "").split(";")
    lines = "".join(f"{name}:{ask.headers.get(name, '').strip()}\n" for name in names)
    request = "\n".join(["POST", "/", ask.raw_query, lines, ";".join(names), hashlib.sha256(ask.body).hexdigest()])
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    wanted = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    whole = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"} <= set(names)
    ordered = ask.raw_query.split("&") == sorted(ask.raw_query.split("&"))
    if p.mode == "credentials" or parts.get("Signature") != wanted or not whole or not ordered:
        return (
            400,
            {"Code": "SignatureDoesNotMatch", "Message": "Specified signature is not matched.", "RequestId": "r"},
        )
    if ask.headers["x-acs-action"] != "SendSms":
        return (200, {"Code": "OK", "Message": "OK", "TotalCount": 3, "SmsTemplateList": []})
    if p.mode == "ok":
        p.sent.append(("sms_aliyun", {key: unquote_plus(value) for key, value in ask.query.items()}))
    return _trouble(
        p,
        {
            "ok": {"Code": "OK", "Message": "OK", "BizId": "biz-1", "RequestId": "r"},
            "busy": {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控Permits:1", "RequestId": "r"},
            "refused": {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "手机号错误", "RequestId": "r"},
        },
    )


def _tencent(p: Platforms, ask: Ask) -> Any:
    stamp = ask.headers["x-tc-timestamp"]
    date = time.strftime("%Y-%m-%d", time.gmtime(int(stamp)))
    request = (
        f"POST\n/\n\ncontent-type:{ask.headers['content-type']}\nhost:{ask.headers['host']}\n\ncontent-type;host\n"
        + hashlib.sha256(ask.body).hexdigest()
    )
    to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{date}/sms/tc3_request\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("TC3" + SECRET).encode()
    for part in (date, "sms", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    wanted = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    if p.mode == "credentials" or not ask.headers.get("authorization", "").endswith(f"Signature={wanted}"):
        return (
            200,
            {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "no"}, "RequestId": "r"}},
        )
    if ask.headers["x-tc-action"] != "SendSms":
        return (200, {"Response": {"DescribeTemplateStatusSet": [], "RequestId": "r"}})
    if p.mode == "ok":
        p.sent.append(("sms_tencent", ask.doc))

    def status(code: str, message: str) -> Any:
        return {"Response": {"SendStatusSet": [{"SerialNo": "s-1", "Fee": 1, "Code": code, "Message": message}]}}

    return _trouble(
        p,
        {
            "ok": status("Ok", "send success"),
            "busy": status("LimitExceeded.PhoneNumberThirtySecondLimit", "the number of sms messages exceeds"),
            "refused": status("InvalidParameterValue.IncorrectPhoneNumber", "incorrect phone number"),
        },
    )


def hook(p: Platforms, ask: Ask) -> Any:
    signed = f"{ask.headers.get('x-guke-timestamp')}.".encode() + ask.body
    wanted = "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    if p.mode == "credentials" or not hmac.compare_digest(ask.headers.get("x-guke-signature", ""), wanted):
        return (401, {"error": "signature"})
    if p.mode == "busy":
        return (429, {}, {"Retry-After": "90"})
    if p.mode == "refused":
        return (422, {"error": "no such order"})
    if p.mode == "ok":
        p.sent.append(("webhook_out", ask.doc))
    return _trouble(p, {"ok": {"ok": True}})


PATHS: dict[str, Any] = {
    "/cgi-bin/gettoken": wecom_token,
    "/cgi-bin/agent/get": wecom_agent,
    "/cgi-bin/message/send": wecom_send,
    "/cgi-bin/webhook/send": wecom_robot,
    "/robot/send": dingtalk_robot,
    "/gettoken": dingtalk_token,
    "/topapi/message/corpconversation/asyncsend_v2": dingtalk_send,
    "/topapi/message/corpconversation/getsendresult": dingtalk_result,
    "/open-apis/bot/v2/hook/": feishu,
    "/our/hook": hook,
    "/": sms,
}


def _now(p: Platforms) -> float:
    from appliance.core import clock

    return clock.now()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    platforms: Platforms

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        said = self.platforms.answer(Ask(self.command, parts.path, parts.query, query, headers, body))
        self.close_connection = True
        if said is None:
            return
        status, doc, more = said
        raw = json.dumps(doc, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _serve

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Platforms]:
    platforms = Platforms()
    handler = type("Handler", (_Handler,), {"platforms": platforms})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    platforms.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield platforms
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def connection(p: Platforms, kind: str) -> dict[str, Any]:
    """What the API is sent to make a connection of a kind to these platforms."""
    params: dict[str, dict[str, Any]] = {
        "wecom_app": {"corpid": "ww1", "agentid": 1000002, "secret": SECRET, "base": p.base},
        "wecom_robot": {"url": f"{p.base}/cgi-bin/webhook/send?key={SECRET}"},
        "dingtalk_robot": {"url": f"{p.base}/robot/send?access_token=t", "secret": SECRET},
        "dingtalk_work": {"appkey": "ding1", "appsecret": SECRET, "agent_id": 123, "base": p.base},
        "feishu_robot": {"url": f"{p.base}/open-apis/bot/v2/hook/abc", "secret": SECRET},
        "sms_aliyun": {
            "access_key_id": "LTAI1", "access_key_secret": SECRET, "sign": "固客", "base": p.base, "price": "0.045",
        },
        "sms_tencent": {
            "secret_id": "AKID1", "secret_key": SECRET, "sign": "固客", "app_id": "1400006666", "base": p.base,
            "price": "0.05",
        },
        "webhook_out": {"url": f"{p.base}/our/hook", "secret": SECRET, "timeout": 5},
    }  # fmt: skip
    return {"kind": kind, "label": f"测试 {kind}", "params": params[kind]}
