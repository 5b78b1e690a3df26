"""A signature drawn by hand: one picture, kept like any other file of a record."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from .attachments import Images
from .base import Setting


class Signature(Images):
    """The API prints ``{"id", "name", "size", "type"}`` or null and takes the id of an uploaded picture."""

    type = "signature"
    name = _l("手写签名")
    icon = "signature"
    single = True
    input_template = "forms/fields/signature.html"
    written = False
    scripts = ("signature.js",)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return ()

    def to_api(self, value: Any) -> Any:
        return next(iter(super().to_api(value)), None)

    def format(self, value: Any) -> str:
        return _("已签名") if value else ""

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value or record is None:
            return Markup("")
        return Markup('<span class="files-cell signed" data-gallery>{}</span>').format(
            self._picture(value[0] | {"name": self.label}, record, "thumb")
        )

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        if not value or record is None:
            return Markup("")
        return Markup('<div class="signed" data-gallery>{}</div>').format(
            self._picture(value[0] | {"name": self.label}, record, "preview")
        )

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "object", "null"], "description": "The id of a picture that POST /files gave."}
