"""Files and pictures in a record. They lie in the database; ``record_file`` says which record holds them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import clock, dialect
from ...core.db import PARAM, Statement
from ...core.filetypes import RASTER
from ..file_models import RecordFile
from ..hooks import UNSET
from .base import FieldError, Setting, Spec
from .link import LinkField

if TYPE_CHECKING:
    from ...accounts.actor import Actor
    from ...core.files import File
    from ..conditions import Context
    from ..hooks import Cause, Draft

MOST = 100
"""Files that one field of one record can hold."""
IN_CELL = 3
SUFFIX = re.compile(r"[a-z0-9]{1,10}")

_HELD = Statement(
    RecordFile.select(RecordFile.record_id, RecordFile.file_id, RecordFile.name, RecordFile.size, RecordFile.mime)
    .where(
        RecordFile.field_id == PARAM,
        dialect.any_of(RecordFile.record_id, PARAM),
        RecordFile.removed_at.is_null(),
    )
    .order_by(RecordFile.record_id, RecordFile.position, RecordFile.file_id)
)


def size_words(size: int) -> str:
    """``340 KB``, ``2.1 MB``."""
    if size < 1 << 20:
        return f"{max(1, round(size / 1024))} KB"
    return f"{size / (1 << 20):.1f} MB"


class Attachments(LinkField):
    """A stored value is a list of ``{"id", "name", "size", "mime"}``. Written as a list of ids of files that were uploaded
    before (or are in the record already); ``{"id": 5}`` does too."""

    type = "attachments"
    name = _l("附件")
    icon = "paperclip"
    group = "file"
    operators = ("empty", "not_empty")
    value_input = "none"
    input_template = "forms/fields/files.html"
    written = False
    scripts = ("files.js",)
    can_be_unique = False
    can_be_indexed = False
    single: ClassVar[bool] = False
    moves_along = True

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("max_files", "number", _l("最多几个"), start=20),
            Setting("max_mb", "number", _l("每个最大（MB）"), help=_l("留空时按公司的上限。")),
            Setting("accept", "text", _l("只收这些类型"), help=_l("用逗号隔开的扩展名，例如 pdf, docx, xlsx。留空时都可以。")),
        )  # fmt: skip

    def __init__(self, spec: Spec) -> None:
        self.field_id = spec.id or 0
        super().__init__(spec)

    def check_options(self) -> None:
        self.most = self._whole("max_files", 1 if self.single else 20, MOST)
        self.max_mb = self._whole("max_mb", None, 200)
        accept = self.options.get("accept") or []
        names = re.split(r"[\s,，、;；]+", accept) if isinstance(accept, str) else accept
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise FieldError(_("「%(field)s」的文件类型要写成扩展名，例如 pdf, docx。", field=self.label))
        self.accept = tuple(dict.fromkeys(n.lower().lstrip("*").lstrip(".") for n in names if n.strip()))
        if not all(SUFFIX.fullmatch(n) for n in self.accept):
            raise FieldError(_("「%(field)s」的文件类型要写成扩展名，例如 pdf, docx。", field=self.label))

    def _whole(self, key: str, start: int | None, most: int) -> Any:
        value = self.options.get(key)
        if value in (None, ""):
            return start
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise FieldError(_("「%(field)s」的数量和大小要是 1 到 %(max)d 的整数。", field=self.label, max=most))
        return value

    def accepts(self, name: str, mime: str) -> str:
        """The sentence for a file that the field does not take, else nothing."""
        suffix = name.rpartition(".")[2].lower() if "." in name else ""
        if self.accept and suffix not in self.accept:
            return _("“%(name)s”不是这里能放的文件，只收 %(types)s。", name=name, types=", ".join(self.accept))
        return ""

    @property
    def accept_attribute(self) -> str:
        """What the browser's file dialog offers."""
        return ",".join(f".{one}" for one in self.accept)

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> list[dict[str, Any]]:
        if raw is None or raw == "" or raw == {}:
            return []
        if isinstance(raw, str):
            raw = [part for part in raw.replace("，", ",").split(",") if part.strip()]
        elif not isinstance(raw, (list, tuple)):
            raw = [raw]
        found = dict.fromkeys(self._id(one) for one in raw)
        if len(found) > self.most:
            raise FieldError(_("最多 %(max)d 个文件，现在有 %(now)d 个。", max=self.most, now=len(found)))
        return [{"id": file_id} for file_id in found]

    def _id(self, raw: Any) -> int:
        if isinstance(raw, dict):
            raw = raw.get("id")
        if isinstance(raw, str) and raw.strip().isdecimal() and len(raw.strip()) < 16:
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int) or not 0 < raw < 2**53:
            raise FieldError(_("文件要先上传，这里填它的编号。"))
        return raw

    def to_api(self, value: Any) -> Any:
        return [{"id": f["id"], "name": f["name"], "size": f["size"], "type": f["mime"]} for f in value or []]

    def format(self, value: Any) -> str:
        return _("、").join(f.get("name", str(f["id"])) for f in value or [])

    def form_value(self, value: Any) -> str:
        return ",".join(str(f["id"]) for f in value or [])

    def from_form(self, given: Any) -> Any:
        return given.get(self.key, "")

    def schema(self) -> dict[str, Any]:
        shape = {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string"},
                "size": {"type": "integer"},
                "type": {"type": "string"},
            },
            "required": ["id"],
        }
        return {
            "type": ["array", "null"], "items": {"anyOf": [{"type": "integer"}, shape]}, "maxItems": self.most,
            "description": "Ids of files that POST /files gave.",
        }  # fmt: skip

    # -- on pages -----------------------------------------------------------------------------------------------

    def render(self, value: Any, record: Any = None) -> Markup:
        """A few small pictures, or the first file and how many there are."""
        if not value or record is None:
            return Markup("")
        pictures = [f for f in value if f["mime"] in RASTER]
        if len(pictures) == len(value):
            parts = [self._picture(f, record, "thumb") for f in value[:IN_CELL]]
            rest = len(value) - IN_CELL
        else:
            parts = [self._link(value[0], record)]
            rest = len(value) - 1
        if rest > 0:
            parts.append(Markup('<span class="files-more num">+{}</span>').format(rest))
        return Markup('<span class="files-cell" data-gallery>{}</span>').format(Markup("").join(parts))

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        """Every file: pictures as a gallery, the others as a list."""
        if not value or record is None:
            return Markup("")
        pictures = [self._picture(f, record, "thumb") for f in value if f["mime"] in RASTER]
        others = [
            Markup("<li>{} <small>{}</small></li>").format(self._link(f, record), size_words(f["size"]))
            for f in value
            if f["mime"] not in RASTER
        ]
        out = Markup("")
        if pictures:
            out += Markup('<div class="files-gallery" data-gallery>{}</div>').format(Markup("").join(pictures))
        if others:
            out += Markup('<ul class="files-links">{}</ul>').format(Markup("").join(others))
        return out

    def url(self, record: Any, file: dict[str, Any]) -> str:
        return f"/forms/{record.form.key}/records/{record.id}/files/{self.key}/{file['id']}"

    def _picture(self, file: dict[str, Any], record: Any, size: str) -> Markup:
        url = self.url(record, file)
        return Markup(
            '<a class="file-picture" href="{0}" data-preview="{0}?size=preview" title="{1}">'
            '<img src="{0}?size={2}" alt="{1}" loading="lazy"></a>'
        ).format(url, file["name"], size)

    def _link(self, file: dict[str, Any], record: Any) -> Markup:
        return Markup('<a class="file-link" href="{}" download="{}">{}</a>').format(
            self.url(record, file), file["name"], file["name"]
        )

    def entries(self, typed: Any, stored: Any) -> list[dict[str, Any]]:
        """The files that an input holds, with what is known of them; ``typed`` may be what was refused."""
        from ...accounts.actor import current_actor
        from .. import uploads

        try:
            ids = [f["id"] for f in self.parse(typed)]
        except FieldError:
            ids = []
        known = {f["id"]: f for f in stored or [] if "name" in f}
        fresh = uploads.of_owner([i for i in ids if i not in known], current_actor())
        return [
            known[i] if i in known else described(fresh[i]) | {"fresh": True} for i in ids if i in known or i in fresh
        ]

    # -- conditions ---------------------------------------------------------------------------------------------

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "empty":
            return dialect.negate(self.compile_positive(column, "not_empty", value, ctx))
        return super().compile(column, op, value, ctx)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        held = RecordFile.alias("held")
        mine = (held.field_id == self.field_id) & held.removed_at.is_null()
        if ctx.whole:
            return column.in_(held.select(held.record_id).where(mine))
        return peewee.fn.EXISTS(held.select(peewee.Value(1)).where((held.record_id == column) & mine))

    # -- storage ------------------------------------------------------------------------------------------------

    def check(self, draft: Draft, values: list[Any]) -> None:
        """Puts what is known of each file into the values. One that is neither the actor's upload, nor was in the record,
        nor stands in another record that the actor sees, does not exist."""
        from .. import uploads

        named = {i: [f["id"] for f in value] for i, value in enumerate(values) if value and value is not UNSET}
        if not named:
            return
        wanted = {file_id for ids in named.values() for file_id in ids}
        fresh = {i: described(f) for i, f in uploads.of_owner(wanted, draft.actor).items()}
        held = _known(wanted - set(fresh))
        shared: dict[int, dict[str, Any]] | None = None
        for i, ids in named.items():
            mine = held.get((self.field_id, (draft.ids or [0] * draft.size)[i]), {})
            found = []
            for file_id in ids:
                file = mine.get(file_id) or fresh.get(file_id)
                if file is None:
                    if shared is None:
                        shared = _seen_elsewhere(wanted - set(fresh), draft.actor)
                    file = shared.get(file_id)
                if file is None:
                    draft.fail(i, self.key, _("没有编号为 %(id)s 的文件，请重新上传。", id=file_id))
                    continue
                if file_id not in mine and (why := self._refusal(file)):
                    draft.fail(i, self.key, why)
                found.append(file)
            values[i] = found

    def _refusal(self, file: dict[str, Any]) -> str:
        if self.max_mb and file["size"] > self.max_mb << 20:
            return _("“%(name)s”超过了 %(max)d MB。", name=file["name"], max=self.max_mb)
        return self.accepts(file["name"], file["mime"])

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        found: dict[int, list[Any]] = defaultdict(list)
        for record_id, file_id, name, size, mime in _HELD.execute(self.field_id, dialect.dumps(list(ids))):
            found[record_id].append({"id": file_id, "name": name, "size": size, "mime": mime})
        return dict(found)

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        from .. import uploads

        held = self.load(values)
        deltas: dict[int, Any] = {}
        for record_id, value in values.items():
            old, new = held.get(record_id, []), value or []
            before, after = [f["id"] for f in old], [f["id"] for f in new]
            if before == after:
                continue
            delta = {
                "add": [f for f in new if f["id"] not in before],
                "remove": [f for f in old if f["id"] not in after],
            }
            if delta["add"] or delta["remove"]:
                deltas[record_id] = {key: some for key, some in delta.items() if some}
            self._put(record_id, new, [f["id"] for f in delta["remove"]])
            uploads.taken(f["id"] for f in delta["add"])
        return deltas

    def _put(self, record_id: int, files: list[dict[str, Any]], gone: list[int]) -> None:
        mine = (RecordFile.field_id == self.field_id) & (RecordFile.record_id == record_id)
        if gone:
            out = mine & RecordFile.file_id.in_(gone)
            RecordFile.update(removed_at=clock.now()).where(out).execute()
        for position, f in enumerate(files):
            RecordFile.insert(
                field_id=self.field_id, record_id=record_id, file_id=f["id"], name=f["name"], size=f["size"],
                mime=f["mime"], position=position, removed_at=None,
            ).on_conflict(
                conflict_target=[RecordFile.field_id, RecordFile.record_id, RecordFile.file_id],
                update={RecordFile.removed_at: None, RecordFile.position: position},
            ).execute()  # fmt: skip

    def created(self, record_id: Any) -> Any:
        held = RecordFile.alias("held")
        columns = [(name, getattr(held, key)) for name, key in (
            ("id", "file_id"), ("name", "name"), ("size", "size"), ("mime", "mime"),
        )]  # fmt: skip
        mine = held.select(dialect.json_list(dialect.json_object(columns))).where(
            (held.field_id == self.field_id) & (held.record_id == record_id) & held.removed_at.is_null()
        )
        return dialect.as_json(mine)

    def purged(self, ids: list[int]) -> None:
        """The records are gone for good: so are the files that no other record holds."""
        from .. import uploads

        uploads.forget((RecordFile.field_id == self.field_id) & dialect.among(RecordFile.record_id, ids))


class Images(Attachments):
    """Pictures only, by what they are and not by what they are called."""

    type = "images"
    name = _l("图片")
    icon = "photo"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return tuple(one for one in super().settings() if one.key != "accept")

    @property
    def wide(self) -> bool:
        return not self.single

    def accepts(self, name: str, mime: str) -> str:
        if mime not in RASTER:
            return _("“%(name)s”不是图片，请用 JPG、PNG、GIF、WebP、AVIF 或 BMP。", name=name)
        return ""

    @property
    def accept_attribute(self) -> str:
        return ",".join(RASTER)


def described(file: File) -> dict[str, Any]:
    return {"id": file.id, "name": file.name, "size": file.size, "mime": file.mime}


def _known(file_ids: set[int]) -> dict[tuple[int, int], dict[int, dict[str, Any]]]:
    """The files of records (those taken out lately too), by field and record."""
    found: dict[tuple[int, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    if file_ids:
        for row in RecordFile.select().where(dialect.among(RecordFile.file_id, file_ids)):
            file = {"id": row.file_id, "name": row.name, "size": row.size, "mime": row.mime}
            found[row.field_id, row.record_id][row.file_id] = file
    return found


def _seen_elsewhere(file_ids: set[int], actor: Actor) -> dict[int, dict[str, Any]]:
    """Files in other records whose field the actor sees: copying a record copies them."""
    from .. import catalog, query

    fields = {
        f.spec.id: (form, f) for form in catalog.all() for f in form.fields.values() if isinstance(f, Attachments)
    }
    found: dict[int, dict[str, Any]] = {}
    for (field_id, record_id), files in _known(file_ids).items():
        if field_id not in fields:
            continue
        form, f = fields[field_id]
        if f.key in query.clear(form, actor) and query.visible_ids(form.key, [record_id], actor):
            shown = {file["id"] for file in f.load([record_id]).get(record_id, [])}
            found |= {file_id: file for file_id, file in files.items() if file_id in shown}
    return found
