"""What people and programs see when something cannot be done or went wrong."""

from __future__ import annotations

import logging
import secrets as random
from typing import cast

from flask import Flask, Response, g, make_response, render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from ..core import http
from ..core.errors import UserError

log = logging.getLogger(__name__)

TITLES = {
    400: _l("这个请求无法处理"),
    401: _l("请先登录"),
    403: _l("没有权限"),
    404: _l("没有找到"),
    405: _l("这里不支持这种操作"),
    409: _l("内容已被别人修改"),
    413: _l("文件太大"),
    415: _l("不支持这种格式"),
    422: _l("有内容需要修改"),
    429: _l("操作太频繁"),
    500: _l("出了点问题"),
    503: _l("暂时不可用"),
}

ADVICE = {
    400: _l("请返回上一页，刷新后再试一次。"),
    404: _l("网址可能有误，内容可能已被删除，或您没有权限查看。"),
    405: _l("请返回上一页再试。"),
    413: _l("请拆成几个较小的文件再上传。"),
    429: _l("请稍等片刻再试。"),
}

ICONS = {403: "lock", 404: "search", 409: "users", 413: "file-alert", 429: "hourglass", 500: "bug"}


def init_app(app: Flask) -> None:
    app.register_error_handler(UserError, user_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(RecursionError, too_deep)
    app.register_error_handler(Exception, unexpected)


def user_error(error: UserError) -> AnyResponse:
    """A refusal in words for the person."""
    response = answer(error.status, error.message, errors=error.errors)
    seconds = getattr(error, "seconds", None)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


def http_error(error: HTTPException) -> AnyResponse:
    """What Flask or ``abort()`` raised. Its English default text is not for people."""
    if error.response is not None:
        return cast(AnyResponse, error.response)
    status = error.code or 500
    default = type(error).description
    said = error.description if error.description and error.description != default else None
    response = answer(status, said or ADVICE.get(status))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After", "WWW-Authenticate"):
            response.headers[name] = value
    return response


def too_deep(error: RecursionError) -> AnyResponse:
    """Something sent was nested deeper than anything of ours ever is."""
    log.warning("nested too deep", exc_info=error)
    return answer(400, _("发来的内容嵌套太深，无法处理。"))


def unexpected(error: Exception) -> AnyResponse:
    """A fault of ours: the log has the trace, the person the id to tell."""
    incident = random.token_hex(4)
    log.exception("error %s", incident, exc_info=error)
    message = _("已记录这个问题，编号 %(id)s。请把编号告诉管理员；日志里有详情。", id=incident)
    return answer(500, message, incident=incident)


def answer(
    status: int, message: object = None, *, errors: dict[str, str] | None = None, incident: str | None = None
) -> AnyResponse:
    """One error in the shape the asker reads: problem+json, a notice for htmx, or a page."""
    title = str(TITLES.get(status) or TITLES[500 if status >= 500 else 400])
    text = str(message) if message else ""
    if http.wants_json():
        return http.problem(status, title, text or None, errors, **({"id": incident} if incident else {}))
    if http.is_htmx():
        response: AnyResponse = Response(status=status)
        return http.toast(response, text or title, kind="error")
    # The shell asks the database, which may be what is broken.
    shell = status < 500 and getattr(g, "actor", None) is not None
    page = render_template(
        "errors/error.html",
        layout="base.html" if shell else "bare.html",
        status=status,
        title=title,
        message=text,
        icon=ICONS.get(status, "alert-circle"),
    )
    return make_response(page, status)
