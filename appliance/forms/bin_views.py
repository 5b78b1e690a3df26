"""Deleting for good, from the recycle bin."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core import http
from . import purging, query
from .blueprint import bp, open_form
from .catalog import Form


def word() -> str:
    """What has to be typed before anything goes for good."""
    return _("彻底删除")


@bp.app_template_global("bin_days_left")
def bin_days_left(deleted_at: int) -> int:
    return purging.days_left(deleted_at)


def _ids() -> list[int]:
    return http.ids(request.values.get("ids", ""))[:1000]


def _dialog(form: Form, ids: list[int], error: str = "") -> AnyResponse:
    found = query.Query(form, current_actor(), deleted=True)
    titles = [record.title for record in found.get_many(ids[:5], [])]
    body = render_template(
        "forms/_purge.html", form=form, ids=ids, titles=titles, count=len(ids) or found.count(10_000), word=word(),
        error=error,
    )  # fmt: skip
    return make_response(body, 422 if error else 200)


@bp.get("/forms/<form_key>/bin/purge")
@requires("purge")
def ask_purge(form_key: str) -> AnyResponse:
    """Asks for the word. ``ids``: which records; none: everything in the bin."""
    return _dialog(open_form(form_key), _ids())


@bp.post("/forms/<form_key>/bin/purge")
@requires("purge")
def purge_records(form_key: str) -> AnyResponse:
    form, actor, ids = open_form(form_key), current_actor(), _ids()
    if request.form.get("word", "").strip() != word():
        return _dialog(form, ids, _("请输入「%(word)s」。", word=word()))
    if ids:
        gone = purging.purge(form, ids, actor)
        message = ngettext("已彻底删除 %(num)d 条记录", "已彻底删除 %(num)d 条记录", gone)
    else:
        purging.empty(form, actor)
        message = _("正在清空回收站…")
    response = http.trigger(http.toast(Response(status=204), message), "guke:refresh")
    return http.trigger(response, "guke:done")
