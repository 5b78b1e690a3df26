"""Files: sent ahead of their record, fetched from it."""

from __future__ import annotations

from flask import Response, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from ..core.errors import Forbidden, UserError
from ..forms import catalog, file_views, query, uploads
from . import answers
from .records import ID
from .views import bp


class NotMultipart(UserError):
    status = 415


@bp.post("/files")
@requires_login
def create_file() -> Response:
    """Takes one file (``multipart/form-data``, part ``file``); a record names it by its id within a day."""
    actor = current_actor()
    if not any(permissions.can(actor, verb) for verb in ("create", "edit")):
        raise Forbidden(_("您没有这项权限，请联系管理员。"))
    if request.mimetype != "multipart/form-data":
        raise NotMultipart(_("请用 multipart/form-data 发送文件，部分名为 file。"))
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise UserError(_("请选择一个文件。"), "file")
    file = uploads.hold(sent.stream, sent.filename, actor)
    return answers.made({"id": file.id, "name": file.name, "size": file.size, "type": file.mime})


@bp.get(f"/forms/<form_key>/records/{ID}/files/<int(max=9007199254740991):file_id>")
@requires_login
def get_file(form_key: str, record_id: int, file_id: int) -> AnyResponse:
    """A file of a record, as far as the asker sees the record and the field that holds it."""
    actor = current_actor()
    record = query.get(catalog.get(form_key), record_id, actor)
    file, name = file_views.of_record(record, file_id, actor)
    return file_views.answer(file, name, download=True)
