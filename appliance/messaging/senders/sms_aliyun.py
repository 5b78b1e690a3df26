"""Text messages by Aliyun (阿里云短信).

Protocol: help.aliyun.com, Dysmsapi 2017-05-25, signed with ACS3-HMAC-SHA256 (V3 request structure and signature).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Base, Param, Secret
from ...core import clock, outbound
from ...core.errors import UserError
from .base import Limit, Message, Outcome, Receipt, Rejected, Reply
from .saying import HOUR, MINUTE, Said, document, failed, http_trouble, judge, later, refused, strange
from .sms import HEARS, HOOK, PRICE, TEMPLATE, Sms, mark_of, moment, number, said

NAME = _l("阿里云短信")
VERSION = "2017-05-25"

CODES: dict[Any, Said] = {
    "isv.BUSINESS_LIMIT_CONTROL": later(_l("这个号码收到的短信太多，运营商要求等一会儿。")),
    "isv.DAY_LIMIT_CONTROL": later(_l("今天的短信已达到阿里云后台设定的上限。"), clock.DAY),
    "isv.MONTH_LIMIT_CONTROL": failed(_l("这个月的短信已达到阿里云后台设定的上限。")),
    "isv.MOBILE_NUMBER_ILLEGAL": failed(_l("手机号码不对。")),
    "isv.MOBILE_COUNT_OVER_LIMIT": failed(_l("手机号码太多。")),
    "isv.AMOUNT_NOT_ENOUGH": refused(_l("阿里云账户余额不足，请充值。")),
    "isv.OUT_OF_SERVICE": refused(_l("阿里云账户欠费停机，请充值。")),
    "isv.ACCOUNT_ABNORMAL": refused(_l("阿里云账户异常，请到阿里云后台查看。")),
    "isv.SMS_SIGNATURE_ILLEGAL": refused(_l("短信签名不存在或没有通过审核，请核对连接里的签名。")),
    "isv.SMS_TEMPLATE_ILLEGAL": failed(_l("短信模板不存在或没有通过审核，请核对模板编号。")),
    "isv.TEMPLATE_MISSING_PARAMETERS": failed(_l("短信模板的变量没有填全，请核对消息模板里的变量名。")),
    "isv.INVALID_PARAMETERS": failed(_l("阿里云不接受这些参数。")),
    "isv.PARAM_LENGTH_LIMIT": failed(_l("短信模板的变量内容太长。")),
    "isv.BLACK_KEY_CONTROL_LIMIT": failed(_l("短信内容里有不允许的词。")),
    "isv.PRODUCT_UN_SUBSCRIPT": refused(_l("还没有开通阿里云短信服务。")),
    "isp.RAM_PERMISSION_DENY": refused(_l("这个 AccessKey 没有发短信的权限，请在阿里云 RAM 里授权。")),
    "isp.SYSTEM_ERROR": later(_l("阿里云短信出错，稍后再试。")),
    "Throttling.User": later(_l("调用太频繁，阿里云要求等一会儿。")),
    "Throttling": later(_l("调用太频繁，阿里云要求等一会儿。")),
    "ServiceUnavailable": later(_l("阿里云暂时不可用，稍后再试。")),
    "SignatureDoesNotMatch": refused(_l("AccessKey Secret 不对，请在连接里重新填写。")),
    "InvalidAccessKeyId.NotFound": refused(_l("AccessKey ID 不存在，请在连接里重新填写。")),
    "InvalidAccessKeyId.Inactive": refused(_l("AccessKey 已被禁用。")),
    "InvalidTimeStamp.Expired": refused(_l("服务器的时间不准，请校准后再试。")),
    "Forbidden.RAM": refused(_l("这个 AccessKey 没有发短信的权限，请在阿里云 RAM 里授权。")),
}

CONTROLS = (("天级", clock.DAY), ("小时级", HOUR), ("分钟级", MINUTE))
"""What the platform says of a number's limit, and how long it lasts."""


class AliyunSms(Kind):
    key = "sms_aliyun"
    label = NAME
    icon = "device-mobile"
    order = 40
    listens, hears = HOOK.key, HEARS
    about = _l("用阿里云的短信服务给客户发短信，按条收费。")
    params = (
        Param("access_key_id", "AccessKey ID", _l("阿里云 RAM 用户的，只授予短信权限。"), required=True, most=64),
        Secret("access_key_secret", "AccessKey Secret", _l("创建 AccessKey 时只显示一次。"), required=True),
        Param("sign", _l("短信签名"), _l("已通过审核的签名，不带【】。"), required=True, most=40),
        PRICE,
        TEMPLATE,
        Param(
            "text_param", _l("默认模板的变量"), _l("默认模板里放全文的变量名，例如 content。"), advanced=True, most=40
        ),
        Base("base", _l("接口地址"), _l("经代理访问时才改。"), default="https://dysmsapi.aliyuncs.com"),
        HOOK,
    )

    def test(self, connection: Connection) -> str:
        doc = _call(connection, "QuerySmsTemplateList", {"PageIndex": "1", "PageSize": "1"})
        if isinstance(doc, Outcome):
            raise Rejected(doc)
        return _("阿里云认可这个 AccessKey，账户里有 %(count)s 个短信模板。", count=doc.get("TotalCount", 0))


kinds.register(AliyunSms())


class AliyunTransport(Sms):
    kind = AliyunSms.key
    thanks: ClassVar[Mapping[str, Any]] = {"code": 0, "msg": "接收成功"}

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(50, clock.DAY, "address"), Limit(5_000, 1))

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        code, params = self.template(message, connection)
        query = {
            "PhoneNumbers": message.to.removeprefix("+86"),
            "SignName": connection.config["sign"],
            "TemplateCode": code,
            "OutId": mark_of(message.key),
        }
        if params:
            query["TemplateParam"] = json.dumps(params, ensure_ascii=False, separators=(",", ":"))
        doc = _call(connection, "SendSms", query)
        return doc if isinstance(doc, Outcome) else Outcome.delivered(doc.get("BizId"))

    def reported(self, row: dict[str, Any]) -> Receipt | Reply:
        """SmsReport and SmsUp of the HTTP push; both may come to one address."""
        address = number(row, "phone_number")
        if said(row, "biz_id", "out_id"):
            arrived = row.get("success") is True or str(row.get("success")).lower() == "true"
            why = _("%(words)s（%(code)s）", words=said(row, "err_msg"), code=said(row, "err_code"))
            return Receipt(said(row, "biz_id"), address, arrived, "" if arrived else why, said(row, "out_id"))
        if "content" in row:
            at = moment(row, "send_time")
            return Reply(address, said(row, "content"), said(row, "sequence_id") or f"{address}:{at}", at)
        raise UserError(_("看不懂这条回执：没有 biz_id，也没有 content。"))


def _call(connection: Connection, action: str, query: Mapping[str, str]) -> dict[str, Any] | Outcome:
    """The answer when all is well, else the outcome."""
    config = connection.config
    url = f"{config['base']}/?{canonical_query(query)}"
    when = dt.datetime.fromtimestamp(clock.now(), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "host": urlsplit(url).netloc,
        "x-acs-action": action,
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": when,
        "x-acs-signature-nonce": secrets.token_hex(16),
        "x-acs-version": VERSION,
    }
    headers["Authorization"] = authorization(config["access_key_id"], config["access_key_secret"], query, headers)
    answer = outbound.fetch(url, method="POST", headers=headers, body=b"", limit=256 * 1024)
    doc = document(answer)
    if doc is not None and doc.get("Code", "OK") != "OK":
        if answer.status >= 500 and doc["Code"] not in CODES:
            # A fault inside the platform: the message may be on its way, and is paid for then.
            return Outcome.unknown(judge(CODES, doc["Code"], NAME, str(doc.get("Message") or "")).error)
        return _said(str(doc["Code"]), str(doc.get("Message") or ""))
    if trouble := http_trouble(answer, NAME, paid=True):
        return trouble
    return strange(NAME) if doc is None or doc.get("Code") != "OK" else doc


def _said(code: str, message: str) -> Outcome:
    outcome = judge(CODES, code, NAME, message)
    if code == "isv.BUSINESS_LIMIT_CONTROL":
        after = next((seconds for word, seconds in CONTROLS if word in message), HOUR)
        return Outcome.retry(outcome.error, after)
    return outcome


def canonical_query(query: Mapping[str, str]) -> str:
    """RFC 3986, sorted by name."""
    return "&".join(f"{_encoded(key)}={_encoded(query[key])}" for key in sorted(query))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def canonical_request(
    query: Mapping[str, str], headers: Mapping[str, str], method: str = "POST", body: bytes = b""
) -> str:
    """``headers``: those that are signed, with names in lower case."""
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join([method, "/", canonical_query(query), lines, ";".join(sorted(headers)), digest])


def authorization(key_id: str, secret: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The ``Authorization`` header of a POST without a body."""
    request = canonical_request(query, headers)
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(sorted(headers))},Signature={signature}"
