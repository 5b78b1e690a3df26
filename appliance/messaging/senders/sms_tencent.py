"""Text messages by Tencent Cloud (腾讯云短信).

Protocol: cloud.tencent.com, SendSms 2021-01-11 (documents 382/55981, 382/59177), signed with TC3-HMAC-SHA256 (362/4208).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Base, Param, Secret
from ...core import clock, outbound
from ...core.errors import UserError
from .base import Limit, Message, Outcome, Receipt, Rejected, Reply
from .saying import HOUR, Said, document, failed, http_trouble, judge, later, refused, strange
from .sms import HEARS, HOOK, PRICE, TEMPLATE, Sms, mark_of, moment, number, said

NAME = _l("腾讯云短信")
VERSION = "2021-01-11"
TYPE = "application/json; charset=utf-8"

CODES: dict[Any, Said] = {
    "AuthFailure.SecretIdNotFound": refused(_l("SecretId 不存在，请在连接里重新填写。")),
    "AuthFailure.SignatureExpire": refused(_l("服务器的时间不准（相差超过 5 分钟），请校准后再试。")),
    "AuthFailure.SignatureFailure": refused(_l("SecretKey 不对，请在连接里重新填写。")),
    "AuthFailure.UnauthorizedOperation": refused(_l("这个密钥没有发短信的权限，请在腾讯云访问管理里授权。")),
    "UnauthorizedOperation": refused(_l("这个密钥没有发短信的权限，请在腾讯云访问管理里授权。")),
    "UnauthorizedOperation.SmsSdkAppIdVerifyFail": refused(_l("应用 SDK AppID 不对，请在连接里重新填写。")),
    "FailedOperation.InsufficientBalanceInSmsPackage": refused(_l("腾讯云的短信套餐包用完了，请购买。")),
    "FailedOperation.SignatureIncorrectOrUnapproved": refused(_l("短信签名不存在或没有通过审核，请核对连接里的签名。")),
    "FailedOperation.TemplateIncorrectOrUnapproved": failed(_l("短信模板不存在或没有通过审核，请核对模板编号。")),
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": failed(
        _l("短信模板的变量个数不对，请核对消息模板里的变量。")
    ),
    "FailedOperation.ContainSensitiveWord": failed(_l("短信内容里有不允许的词。")),
    "FailedOperation.PhoneNumberInBlacklist": failed(_l("这个号码退订过或在黑名单里。")),
    "InvalidParameterValue.IncorrectPhoneNumber": failed(_l("手机号码不对。")),
    "InvalidParameterValue.TemplateParameterLengthLimit": failed(_l("短信模板的变量内容太长。")),
    "RequestLimitExceeded": later(_l("调用太频繁，腾讯云要求等一会儿。")),
    "LimitExceeded.PhoneNumberThirtySecondLimit": later(_l("同一号码 30 秒内只能收一条。"), 30),
    "LimitExceeded.PhoneNumberOneHourLimit": later(_l("这个号码一小时内收到的短信已到上限。"), HOUR),
    "LimitExceeded.PhoneNumberDailyLimit": later(_l("这个号码今天收到的短信已到上限。"), clock.DAY),
    "LimitExceeded.PhoneNumberSameContentDailyLimit": failed(_l("同样的内容今天已经发给这个号码。")),
    "LimitExceeded.DeliveryFrequencyLimit": later(_l("这个号码收到的短信太多，稍后再试。")),
    "LimitExceeded.AppDailyLimit": later(_l("今天的短信已达到腾讯云后台设定的上限。"), clock.DAY),
    "LimitExceeded.PhoneNumberCountLimit": failed(_l("手机号码太多。")),
    "InternalError": Said("unknown", _l("腾讯云出错，不知道是否已经发出。")),
    "InternalError.Timeout": Said("unknown", _l("腾讯云没有及时处理，不知道是否已经发出。")),
}


class TencentSms(Kind):
    key = "sms_tencent"
    label = NAME
    icon = "device-mobile"
    order = 41
    listens, hears = HOOK.key, HEARS
    about = _l("用腾讯云的短信服务给客户发短信，按条收费。")
    params = (
        Param("secret_id", "SecretId", _l("腾讯云访问管理里子用户的密钥，只授予短信权限。"), required=True, most=64),
        Secret("secret_key", "SecretKey", _l("创建密钥时只显示一次。"), required=True),
        Param("app_id", "SDK AppID", _l("短信控制台「应用管理」里，以 14 开头的数字。"), required=True, most=20),
        Param("sign", _l("短信签名"), _l("已通过审核的签名，不带【】。"), required=True, most=40),
        PRICE,
        TEMPLATE,
        Param("region", _l("地域"), default="ap-guangzhou", advanced=True, most=30),
        Base("base", _l("接口地址"), _l("经代理访问时才改。"), default="https://sms.tencentcloudapi.com"),
        HOOK,
    )

    def test(self, connection: Connection) -> str:
        doc = _call(connection, "DescribeSmsTemplateList", {"International": 0, "Limit": 1, "Offset": 0})
        if isinstance(doc, Outcome):
            raise Rejected(doc)
        return _("腾讯云认可这个密钥。收到第一条短信才说明 AppID、签名和模板也对。")


kinds.register(TencentSms())


class TencentTransport(Sms):
    kind = TencentSms.key
    thanks: ClassVar[Mapping[str, Any]] = {"result": 0, "errmsg": "OK"}

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(1, 30, "address"), Limit(3_000, 1))

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        config = connection.config
        code, params = self.template(message, connection)
        doc = _call(
            connection,
            "SendSms",
            {
                "PhoneNumberSet": [message.to if message.to.startswith("+") else f"+86{message.to}"],
                "SmsSdkAppId": config["app_id"],
                "SignName": config["sign"],
                "TemplateId": code,
                "TemplateParamSet": list(params.values()),
                "SessionContext": mark_of(message.key),
            },
        )
        if isinstance(doc, Outcome):
            return doc
        status = (doc.get("SendStatusSet") or [{}])[0]
        if status.get("Code") == "Ok":
            return Outcome.delivered(status.get("SerialNo"))
        return _said(str(status.get("Code") or "?"), str(status.get("Message") or ""))

    def reported(self, row: dict[str, Any]) -> Receipt | Reply:
        """The status callback (document 382/43547) and the reply callback (382/43548)."""
        address = number(row, "mobile")
        if sid := said(row, "sid"):
            arrived = said(row, "report_status") == "SUCCESS"
            why = _("%(words)s（%(code)s）", words=said(row, "description"), code=said(row, "errmsg"))
            return Receipt(sid, address, arrived, "" if arrived else why)
        if "text" in row:
            at = moment(row, "time")
            return Reply(address, said(row, "text"), f"{address}:{said(row, 'time')}", at)
        raise UserError(_("看不懂这条回执：没有 sid，也没有 text。"))


def _said(code: str, message: str) -> Outcome:
    outcome = judge(CODES, code, NAME, message)
    # A fault inside the platform, whichever it names: the message may be on its way, and is paid for then.
    return Outcome.unknown(outcome.error) if code.startswith("InternalError") else outcome


def _call(connection: Connection, action: str, doc: dict[str, Any]) -> dict[str, Any] | Outcome:
    """The ``Response`` when all is well, else the outcome."""
    config, now = connection.config, clock.now()
    payload = json.dumps(doc, ensure_ascii=False, separators=(",", ":")).encode()
    host = urlsplit(config["base"]).netloc
    headers = {
        "Content-Type": TYPE,
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Version": VERSION,
        "X-TC-Timestamp": str(now),
        "X-TC-Region": config["region"],
        "Authorization": authorization(config["secret_id"], config["secret_key"], host, payload, now),
    }
    answer = outbound.fetch(f"{config['base']}/", method="POST", headers=headers, body=payload, limit=256 * 1024)
    response = (document(answer) or {}).get("Response")
    if isinstance(response, dict) and (error := response.get("Error")):
        return _said(str(error.get("Code")), str(error.get("Message") or ""))
    if trouble := http_trouble(answer, NAME, paid=True):
        return trouble
    return response if isinstance(response, dict) else strange(NAME)


def canonical_request(payload: bytes, headers: dict[str, str]) -> str:
    """``headers``: those that are signed, with names in lower case."""
    lines = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in sorted(headers))
    return "\n".join(["POST", "/", "", lines, ";".join(sorted(headers)), hashlib.sha256(payload).hexdigest()])


def signature(secret: str, service: str, request: str, seconds: int) -> str:
    date = _date(seconds)
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{seconds}\n{date}/{service}/tc3_request\n{digest}"
    key = f"TC3{secret}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _date(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d")


def authorization(secret_id: str, secret: str, host: str, payload: bytes, seconds: int) -> str:
    headers = {"content-type": TYPE, "host": host}
    sealed = signature(secret, "sms", canonical_request(payload, headers), seconds)
    scope = f"{_date(seconds)}/sms/tc3_request"
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders=content-type;host, Signature={sealed}"
