"""Everything the company holds about one customer, in one ZIP: a page to read, JSON for programs, and the files.

It goes through the query gate: whoever makes it gets what they may see. Higher rooms add their part::

    @personal_data.part("messages", _l("消息"))
    def messages(customer: Record, actor: Actor) -> list[dict[str, Any]]:
        return [{"at": …, "text": …}]
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from msgspec import Struct, field

from ..accounts import audit, permissions, users
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, files, i18n, jobs, settings
from ..core.db import read
from ..core.errors import Forbidden, NotFound, UserError
from ..forms import catalog, causes, comments, history, query
from ..forms.file_models import RecordFile
from ..forms.models import Change
from ..forms.query import Masked, Query, Record
from . import consents

KIND = "privacy.export"
KEPT_DAYS = 2
DEPTH = 2
"""An order and its items; what points at those says little more about the person."""

Part = Callable[[Record, Actor], list[dict[str, Any]]]
_parts: dict[str, tuple[Any, Part]] = {}


def part(key: str, label: Any) -> Callable[[Part], Part]:
    """Registers what else is held about a customer: a list of small documents. Raises on a key that is taken."""
    if key in _parts:
        raise ValueError(f"there is a part {key!r} already")

    def add(fn: Part) -> Part:
        _parts[key] = (label, fn)
        return fn

    return add


class Collected(Struct):
    """What was found: ``document`` for the JSON file, ``files``: id and name in the ZIP."""

    document: dict[str, Any]
    files: list[tuple[int, str]] = field(default_factory=list)


def collect(customer_id: int, actor: Actor) -> Collected:
    """Raises NotFound for a customer that the actor does not see, Forbidden without the right to export."""
    form = catalog.get("customer")
    if actor is not SYSTEM and not permissions.can(actor, "export", "customer"):
        raise Forbidden(_("您没有导出「%(form)s」的权限，请联系管理员。", form=form.label))
    record = query.get(form, customer_id, actor)
    found = Collected({"title": record.title, "id": record.id, "made_at": _time(clock.now())})
    found.document["customer"] = _record(record, actor, found)
    found.document["consents"] = [said.document() for said in consents.history(customer_id)]
    found.document["related"] = list(_related(record, actor, found, 1, {(form.key, record.id)}))
    for key, (label, fn) in _parts.items():
        found.document[key] = {"label": str(label), "entries": fn(record, actor)}
    return found


def _record(record: Record, actor: Actor, found: Collected) -> dict[str, Any]:
    clear = query.clear(record.form, actor)
    fields = []
    for key, f in query.readable(record.form, actor).items():
        value = record.values.get(key)
        if value is None or value in ("", [], {}):
            continue
        # A number that pages show one at a time, with a reason, leaves the house whole only by an administrator's hand.
        whole = f.reveal(value) if f.revealable and key in clear and actor.is_admin else None
        text = whole or record.text(key)
        exact = whole or (str(value) if isinstance(value, Masked) else f.to_api(value))
        fields.append({"key": key, "label": f.label, "text": text, "value": exact})
    return {
        "form": record.form.label, "id": record.id, "title": record.title, "created_at": _time(record.created_at),
        "fields": fields, "comments": _comments(record, actor), "history": _history(record, actor),
        "files": _files(record, clear, found),
    }  # fmt: skip


def _comments(record: Record, actor: Actor) -> list[dict[str, str]]:
    said: list[dict[str, str]] = []
    before: int | None = None
    while True:
        page, before = comments.of(record, actor, before)
        said += [{"at": _time(one.at), "by": one.author, "text": one.text} for one in page]
        if before is None:
            return said


def _history(record: Record, actor: Actor) -> list[dict[str, Any]]:
    with read():
        mine = (Change.form_id == record.form.id) & (Change.record_id == record.id)
        changes = list(Change.select().where(mine).order_by(Change.id))
    kinds = [change.cause_kind for change in changes]
    for change in changes:
        # Causes have links, which only pages know.
        change.cause_kind = "user"
    return [
        {
            "at": _time(entry.at), "by": entry.who, "what": entry.words, "through": causes.label_of(kind),
            "fields": [{"label": line.label, "old": line.whole_old, "new": line.whole_new} for line in entry.lines],
        }
        for entry, kind in zip(history.entries(record.form, changes, actor), kinds, strict=True)
    ]  # fmt: skip


def _files(record: Record, clear: dict[str, Any], found: Collected) -> list[dict[str, Any]]:
    ids = {f.spec.id: f.label for f in clear.values() if f.group == "file"}
    with read():
        rows = list(
            RecordFile.select().where(
                RecordFile.field_id.in_(list(ids)), RecordFile.record_id == record.id, RecordFile.removed_at.is_null()
            )
        )
    out = []
    for row in rows:
        name = f"files/{record.form.key}-{record.id}-{row.file_id}-{_plain(row.name)}"
        found.files.append((row.file_id, name))
        out.append({"field": ids[row.field_id], "name": row.name, "size": row.size, "file": name})
    return out


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)[-100:]


def _related(
    record: Record, actor: Actor, found: Collected, depth: int, seen: set[tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    """Records that point at this one. Other customers are other people."""
    for other, f in catalog.pointing(record.form):
        if other.key == "customer" or not permissions.can(actor, "see", other.key):
            continue
        if f.key not in query.clear(other, actor):
            continue
        records = []
        for one in Query(other, actor).where(f.naming(record.id)).each():
            if (other.key, one.id) in seen:
                continue
            seen.add((other.key, one.id))
            doc = _record(one, actor, found)
            below = list(_related(one, actor, found, depth + 1, seen)) if depth < DEPTH else []
            records.append(doc | ({"related": below} if below else {}))
        if records:
            yield {"form": other.key, "label": other.label, "records": records}


def _time(seconds: int) -> str:
    return clock.local(seconds, settings.tz()).strftime("%Y-%m-%d %H:%M:%S")


# -- the file -------------------------------------------------------------------------------------------------------


def write(customer_id: int, path: Path, actor: Actor, job: jobs.Job | None = None) -> int:
    """Makes the ZIP at ``path``; returns how many files are attached. The audit log says who made it."""
    found = collect(customer_id, actor)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("data.json", json.dumps(found.document, ensure_ascii=False, indent=2, default=str))
        out.writestr("index.html", page(found.document))
        for number, (file_id, name) in enumerate(found.files):
            if job:
                job.progress(number, len(found.files))
            try:
                with out.open(name, "w", force_zip64=True) as target:
                    for chunk in files.chunks(file_id):
                        target.write(chunk)
            except NotFound:
                continue
    audit.note("privacy.exported", {"record": customer_id}, actor, f"record:customer/{customer_id}")
    return len(found.files)


def file_name(customer_id: int) -> str:
    return f"customer-{customer_id}-{clock.today(settings.tz()):%Y%m%d}.zip"


def start(customer_id: int, actor: Actor) -> int:
    """Makes the ZIP in the background; returns the job. Raises NotFound, Forbidden."""
    form = catalog.get("customer")
    if not permissions.can(actor, "export", "customer"):
        raise Forbidden(_("您没有导出「%(form)s」的权限，请联系管理员。", form=form.label))
    query.get(form, customer_id, actor)
    payload = {"customer": customer_id, "locale": i18n.current()}
    return jobs.enqueue(KIND, payload, actor_id=actor.id, unique=f"{KIND}:{customer_id}:{actor.id}")


@jobs.handler(KIND, label=_l("导出客户的全部资料"))
def run(job: jobs.Job) -> dict[str, Any]:
    actor = users.actor_of(job.actor_id) if job.actor_id is not None else SYSTEM
    if actor is None:
        raise UserError(_("发起导出的人已停用。"))
    customer_id = job.payload["customer"]
    with i18n.speaking(job.payload.get("locale")), tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / "data.zip"
        write(customer_id, path, actor, job)
        with path.open("rb") as content:
            file_id = files.save(content, file_name(customer_id), actor_id=actor.id)
    return {"file_id": file_id}


def of_job(job_id: int, customer_id: int, actor: Actor) -> jobs.Job:
    """The job that makes the person's export of this customer. Raises NotFound."""
    job = jobs.get(job_id)
    if job.kind != KIND or job.actor_id != actor.id or job.payload["customer"] != customer_id:
        raise NotFound()
    return job


def ready(job: jobs.Job) -> int | None:
    """The file of a finished job while its link is valid."""
    if job.status != "done" or not job.result or (job.finished_at or 0) < clock.now() - KEPT_DAYS * clock.DAY:
        return None
    found: int | None = job.result.get("file_id")
    return found


# -- the page to read -----------------------------------------------------------------------------------------------

_STYLE = (
    "body{font:14px/1.6 system-ui,'PingFang SC','Microsoft YaHei',sans-serif;max-width:860px;margin:24px auto;padding:0 16px;color:#1b2422}"
    "h1{font-size:22px}h2{font-size:17px;margin:28px 0 8px;border-bottom:1px solid #dde3e1}h3{font-size:15px;margin:20px 0 4px}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #dde3e1;padding:4px 8px;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{width:180px;font-weight:400;color:#5a6663}.m{color:#5a6663}"
)


def page(doc: dict[str, Any]) -> str:
    """The export as one HTML page that needs nothing else."""
    body = [Markup("<h1>{}</h1><p class=m>{}</p>").format(doc["title"], _("导出于 %(at)s", at=doc["made_at"]))]
    body += _one(doc["customer"])
    if doc["consents"]:
        body.append(Markup("<h2>{}</h2>").format(_("同意与撤回")))
        body.append(_table((said["at"], _consent(said)) for said in doc["consents"]))
    body += _below(doc["related"], 2)
    for key in _parts:
        if doc[key]["entries"]:
            body.append(Markup("<h2>{}</h2>").format(doc[key]["label"]))
            body += [_table((k, str(v)) for k, v in entry.items()) for entry in doc[key]["entries"]]
    head = Markup(
        '<!doctype html><html lang="{}"><meta charset="utf-8"><title>{}</title><style>{}</style><body>'
    ).format(i18n.current(), doc["title"], Markup(_STYLE))  # nosec B704: ours
    return str(head + Markup("").join(body) + Markup("</body></html>"))


def _consent(said: dict[str, Any]) -> str:
    words = (
        consents.purpose_label(said["purpose"]), consents.channel_label(said["channel"]),
        str(consents.STATES[said["state"]]), consents.source_words(said["source"]), said["evidence"],
    )  # fmt: skip
    return " · ".join(word for word in words if word)


def _one(doc: dict[str, Any]) -> list[Markup]:
    out = [_table((one["label"], one["text"]) for one in doc["fields"])]
    if doc["files"]:
        out.append(Markup("<h3>{}</h3>").format(_("文件")))
        out += [Markup('<p><a href="{}">{}</a></p>').format(one["file"], one["name"]) for one in doc["files"]]
    if doc["comments"]:
        out.append(Markup("<h3>{}</h3>").format(_("评论")))
        out.append(_table((f"{one['at']} {one['by']}", one["text"]) for one in doc["comments"]))
    if doc["history"]:
        out.append(Markup("<h3>{}</h3>").format(_("变更历史")))
        out.append(_table((f"{one['at']} {one['by']}", _change(one)) for one in doc["history"]))
    return out


def _change(one: dict[str, Any]) -> str:
    parts = [
        f"{line['label']}: {line['old']} → {line['new']}" if line["old"] else f"{line['label']}: {line['new']}"
        for line in one["fields"]
    ]
    said = f"{one['what']} ({one['through']})" if one["through"] else one["what"]
    return "\n".join([said, *parts])


def _below(related: list[dict[str, Any]], level: int) -> list[Markup]:
    out: list[Markup] = []
    tag = Markup("h2") if level == 2 else Markup("h3")
    for group in related:
        out.append(Markup("<{0}>{1}</{0}>").format(tag, group["label"]))
        for doc in group["records"]:
            out.append(Markup("<h3>{}</h3>").format(doc["title"]))
            out += _one(doc)
            out += _below(doc.get("related", []), level + 1)
    return out


def _table(rows: Any) -> Markup:
    lines = [
        Markup("<tr><th>{}</th><td>{}</td></tr>").format(name, Markup("<br>").join(str(text).split("\n")))
        for name, text in rows
    ]
    return Markup("<table>{}</table>").format(Markup("").join(lines))
