"""Files: sent ahead of their record, and fetched through the query gate. Nothing but real pictures is shown in a page."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, jsonify, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_login
from ..core import files, thumbnails
from ..core.errors import Forbidden, NotFound, UserError
from ..core.filetypes import RASTER
from . import query, uploads
from .blueprint import bp, open_form, open_record
from .catalog import Form
from .fields.attachments import Attachments, size_words

INERT = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"


@bp.post("/forms/<form_key>/fields/<field_key>/files")
@requires("see")
def upload_file(form_key: str, field_key: str) -> Response:
    """Takes one file for a field; it waits for the record to be saved. Answers with what the input shows of it."""
    form, actor = open_form(form_key), current_actor()
    f = _writable(form, field_key, actor)
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise UserError(_("请选择一个文件。"), "file")
    file = uploads.hold(sent.stream, sent.filename, actor, f.max_mb)
    if why := f.accepts(file.name, file.mime):
        raise UserError(why, "file")
    picture = file.mime in RASTER
    return jsonify({
        "id": file.id, "name": file.name, "size": size_words(file.size),
        "picture": url_for("forms.own_upload", file_id=file.id, size="thumb") if picture else None,
    })  # fmt: skip


def _writable(form: Form, field_key: str, actor: Actor) -> Attachments:
    f = query.readable(form, actor).get(field_key)
    if not isinstance(f, Attachments):
        raise NotFound()
    may = any(permissions.can(actor, verb, form.key) for verb in ("create", "edit"))
    if not may or f.readonly or permissions.field_access(actor, form.key, field_key) != "edit":
        raise Forbidden(_("您不能修改「%(field)s」。", field=f.label))
    return f


@bp.get("/uploads/<int:file_id>")
@requires_login
def own_upload(file_id: int) -> AnyResponse:
    """A file that waits for its record, for who sent it."""
    file = uploads.get(file_id, current_actor())
    return answer(file, file.name, request.args.get("size", ""))


@bp.get("/forms/<form_key>/records/<int:record_id>/files/<field_key>/<int:file_id>")
@requires("see")
def record_file(form_key: str, record_id: int, field_key: str, file_id: int) -> AnyResponse:
    """A file of a record. ``size``: ``thumb`` or ``preview`` for a small copy of a picture."""
    record = open_record(form_key, record_id)
    file, name = of_record(record, file_id, current_actor(), field_key)
    return answer(file, name, request.args.get("size", ""), download=request.args.get("download") == "1")


def of_record(record: query.Record, file_id: int, actor: Actor, field_key: str | None = None) -> tuple[files.File, str]:
    """A file that the record holds in a field which the actor sees whole, with its name there. Raises NotFound."""
    for key, f in query.clear(record.form, actor).items():
        if isinstance(f, Attachments) and field_key in (None, key):
            for held in record.values.get(key) or []:
                if held["id"] == file_id:
                    return files.get(file_id), held["name"]
    raise NotFound()


def answer(file: files.File, name: str, size: str = "", *, download: bool = False) -> AnyResponse:
    """The file itself, or a small copy. Whatever is no picture is only ever saved, never opened by the browser."""
    picture = file.mime in RASTER
    if size in thumbnails.SIZES and picture:
        small = thumbnails.get(file.id, size)
        if small is None:
            return redirect(url_for("static", filename="img/no-picture.svg"))
        return _guarded(Response(small, mimetype=thumbnails.MIME), f"{file.sha256}-{size}", "inline", f"{name}.webp")
    body = Response(files.chunks(file.id), mimetype=file.mime)
    body.content_length = file.size
    return _guarded(body, file.sha256, "inline" if picture and not download else "attachment", name)


def _guarded(response: Response, tag: str, how: str, name: str) -> AnyResponse:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    response.headers["Content-Disposition"] = f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    response.headers["Content-Security-Policy"] = INERT
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Whether it may be seen is asked every time; what has not changed is not sent again.
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(tag)
    return response.make_conditional(request)
