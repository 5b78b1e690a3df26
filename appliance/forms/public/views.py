"""The pages of public forms: the company's settings, and what a stranger with the link sees."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from msgspec.structs import asdict
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from ...accounts import permissions
from ...accounts.actor import current_actor
from ...accounts.guards import public, requires
from ...core import http
from ...core.errors import FieldErrors, UserError
from .. import catalog, causes
from ..catalog import SYSTEM_FIELDS, Form
from . import answering, pages
from .answering import Closed, TooMany
from .models import PublicPage
from .pages import Chosen, Wanted

bp = Blueprint("public_pages", __name__)

MAX_BODY = 256 * 1024
_YEAR = 365 * 86_400


causes.label("public", lazy_pgettext("one", "公开表单"))


@causes.names("public")
def _name(page_id: int) -> str:
    page = PublicPage.get_or_none(PublicPage.id == page_id)
    return page.title if page else ""


# -- the company's side -----------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/public")
@requires("design")
def index(form_key: str) -> Response:
    form = catalog.get(form_key)
    return http.render("forms/public/index.html", form=form, pages=pages.of(form.key), address=_address, state=_state)


def _address(page: PublicPage) -> str:
    return pages.address(page, request.url_root)


def _state(page: PublicPage) -> tuple[str, str]:
    """Whether the page takes answers, as a word and its colour."""
    try:
        answering.check_open(page)
    except Closed as why:
        return (_("未开放"), "neutral") if not page.active else (why.message, "amber")
    return _("开放中"), "green"


@bp.post("/forms/<form_key>/public")
@requires("design")
def create(form_key: str) -> AnyResponse:
    page = pages.start(catalog.get(form_key), current_actor())
    return http.go(url_for("public_pages.edit", form_key=form_key, page_id=page.id))


@bp.get("/forms/<form_key>/public/<int:page_id>")
@requires("design")
def edit(form_key: str, page_id: int) -> Response:
    form = catalog.get(form_key)
    return _edit_page(form, pages.get(form_key, page_id))


def _edit_page(
    form: Form, page: PublicPage, wanted: Wanted | None = None, errors: dict[str, str] | None = None
) -> Response:
    wanted = wanted or _saved(page, form)
    named = {one.key: one for one in wanted.fields}
    rest = [Chosen(f.key, shown=False) for f in pages.usable(form) if f.key not in named]
    return http.render(
        "forms/public/edit.html", form=form, page=page, wanted=wanted, errors=errors or {}, rows=[*wanted.fields, *rest],
        named=named, address=_address(page), consents=_offered(form), state=_state(page), status=422 if errors else 200,
    )  # fmt: skip


def _offered(form: Form) -> tuple[dict[str, str], dict[str, str]] | None:
    keeper = pages.consents(form)
    return keeper.offered() if keeper else None


def _saved(page: PublicPage, form: Form) -> Wanted:
    moment = SYSTEM_FIELDS["created_at"].form_value
    return Wanted(
        page.title, page.intro, page.thanks, pages.chosen(page, form), page.active, moment(page.opens_at),
        moment(page.closes_at), str(page.most or ""), page.once, page.on_known,
    )  # fmt: skip


@bp.post("/forms/<form_key>/public/<int:page_id>")
@requires("design")
def save(form_key: str, page_id: int) -> AnyResponse:
    form, page = catalog.get(form_key), pages.get(form_key, page_id)
    wanted = _wanted(request.form)
    try:
        pages.save(page, form, wanted, current_actor())
    except FieldErrors as error:
        return _edit_page(form, page, wanted, error.errors)
    response = http.go(url_for("public_pages.edit", form_key=form_key, page_id=page_id))
    return http.toast(response, _("已保存"))


def _consent(sent: MultiDict[str, str], key: str) -> dict[str, Any] | None:
    purpose, channels = sent.get(f"purpose-{key}", ""), sent.getlist(f"channels-{key}")
    return {"purpose": purpose, "channels": channels} if purpose else None


def _wanted(sent: MultiDict[str, str]) -> Wanted:
    """``field``: the keys in the order of the page; of each ``shown-``, ``required-``, ``linked-`` and ``value-``."""
    fields = [
        Chosen(
            key,
            f"shown-{key}" in sent,
            f"required-{key}" in sent,
            f"linked-{key}" in sent,
            sent.get(f"value-{key}", "").strip()[:500],
            _consent(sent, key),
        )
        for key in dict.fromkeys(sent.getlist("field"))
    ]
    return Wanted(
        sent.get("title", ""), sent.get("intro", ""), sent.get("thanks", ""),
        [one for one in fields if one.shown or one.value or one.linked], "active" in sent, sent.get("opens_at", ""),
        sent.get("closes_at", ""), sent.get("most", ""), "once" in sent, sent.get("on_known", "refuse"),
    )  # fmt: skip


@bp.post("/forms/<form_key>/public/<int:page_id>/delete")
@requires("design")
def delete(form_key: str, page_id: int) -> AnyResponse:
    page = pages.get(form_key, page_id)
    pages.delete(page, current_actor())
    undo = url_for("public_pages.restore", form_key=form_key, page_id=page_id)
    return http.toast(
        http.go(url_for("public_pages.index", form_key=form_key)),
        _("已删除公开表单「%(title)s」", title=page.title),
        undo,
    )


@bp.post("/forms/<form_key>/public/<int:page_id>/restore")
@requires("design")
def restore(form_key: str, page_id: int) -> AnyResponse:
    pages.restore(form_key, page_id, current_actor())
    return http.go(url_for("public_pages.index", form_key=form_key))


@bp.post("/forms/<form_key>/public/<int:page_id>/renew")
@requires("design")
def renew(form_key: str, page_id: int) -> AnyResponse:
    pages.renew(pages.get(form_key, page_id), current_actor())
    response = http.go(url_for("public_pages.edit", form_key=form_key, page_id=page_id))
    return http.toast(response, _("链接已更换，旧链接和旧二维码不再有效。"))


@bp.get("/forms/<form_key>/public/<int:page_id>/qr.<kind>")
@requires("design")
def qr(form_key: str, page_id: int, kind: str) -> AnyResponse:
    """The link as a QR code: ``svg`` to show, ``png`` to print."""
    import segno

    page, out = pages.get(form_key, page_id), BytesIO()
    code = segno.make_qr(_address(page), error="m")
    if kind == "png":
        code.save(out, kind="png", scale=16, border=4)
        response = Response(out.getvalue(), mimetype="image/png")
        response.headers.set("Content-Disposition", "attachment", filename=f"{page.title}.png")
        return response
    code.save(out, kind="svg", scale=4, border=2, xmldecl=False, svgns=True)
    return Response(out.getvalue(), mimetype="image/svg+xml")


# -- the stranger's side ----------------------------------------------------------------------------------------------


def _cookie(page: PublicPage) -> str:
    return f"guke_p{page.id}"


@bp.get("/p/<token>")
@public
def show(token: str) -> AnyResponse:
    """The page as anybody with the link sees it. A designer may look at it before it opens (``preview=1``)."""
    page = pages.by_token(token)
    try:
        if not _previews(page):
            answering.check_open(page)
    except Closed as why:
        return _message(page, why.message, 410)
    if page.once and request.cookies.get(_cookie(page)) == page.token:
        return _message(page, _("您已经填写过了，谢谢。"), 200)
    return _sheet(answering.sheet(page, request.args))


def _previews(page: PublicPage) -> bool:
    from ...accounts.actor import maybe_actor

    actor = maybe_actor()
    return bool("preview" in request.args and actor and permissions.can(actor, "design", page.form))


def _sheet(found: answering.Sheet, status: int = 200) -> AnyResponse:
    response = make_response(
        render_template("forms/public/page.html", sheet=found, page=found.page, form=found.form), status
    )
    return _quiet(response)


def _message(page: PublicPage, text: str, status: int, again: str | None = None) -> AnyResponse:
    response = make_response(
        render_template("forms/public/message.html", page=page, text=text, done=status == 200, again=again), status
    )
    return _quiet(response)


def _quiet(response: Response) -> Response:
    """Search engines and other sites have no business here; the link's words do not travel on."""
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/p/<token>")
@public
def send(token: str) -> AnyResponse:
    page = pages.by_token(token)
    request.max_content_length = MAX_BODY
    try:
        answering.answer(page, request.form, request.remote_addr or "")
    except Closed as why:
        return _message(page, why.message, 410)
    except TooMany as error:
        response = _sheet(answering.sheet(page, request.args, _typed(page), {"": error.message}), 429)
        response.headers["Retry-After"] = str(error.seconds)
        return response
    except UserError as error:
        errors = error.errors or {"": error.message}
        return _sheet(answering.sheet(page, request.args, _typed(page), errors), 422)
    again = None if page.once else f"{request.path}?{request.query_string.decode()}".rstrip("?")
    response = _message(page, page.thanks or _("提交成功，谢谢！"), 200, again)
    if page.once:
        response.set_cookie(
            _cookie(page), page.token, max_age=_YEAR, httponly=True, samesite="Lax", secure=request.is_secure,
            path=url_for("public_pages.show", token=token),
        )  # fmt: skip
    return response


def _typed(page: PublicPage) -> dict[str, Any]:
    typed, _errors = answering.values(page, catalog.get(page.form), request.form)
    return typed


@bp.post("/p/<token>/live")
@public
def live(token: str) -> Response:
    """Which fields are asked for and needed, for what is typed so far; nothing else is said."""
    page = pages.by_token(token)
    request.max_content_length = MAX_BODY
    found = answering.states(page, request.form)
    return jsonify({"states": {key: asdict(state) for key, state in found.items()}, "values": {}})
