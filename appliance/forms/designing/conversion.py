"""Giving a field another type: what its values become, counted beforehand and done in batches behind.

The new values are made in a column beside the old one; until the swap, one short transaction, the field is what it
was. Records written meanwhile are found by their Changes and converted again. What no value can be made of becomes
empty; a Change keeps it, and going back to the old type puts it back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import replace

from ...accounts.actor import SYSTEM, Actor
from ...core import dialect, jobs
from ...core.db import PARAM, Statement, db, read, write
from ...core.errors import Conflict, NotFound, UserError
from .. import catalog, hooks, query, records
from ..catalog import CONVERTING, RETYPED, Form
from ..conditions import Context
from ..fields import build, many
from ..fields.base import Field, Spec
from ..fields.link import LinkField
from ..hooks import Cause, Draft
from ..models import Change, FieldLink, FieldValue, FormRow, SearchDirty

BATCH = 2_000
INLINE = 2_000
"""Up to so many values are converted where the form is published; more by a job."""
SAMPLE = 200_000
SECONDS = 3.0
"""How long the preview may look at values before it goes by what it has seen."""
SHOWN = 20
KIND = "convert"


class Conversion(Struct):
    """What a change of type would do. ``ok`` and ``lost`` count records; ``samples``: old text and new text, or the
    sentence that says why there is none. ``estimated``: not every value was looked at."""

    ok: int = 0
    lost: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Those of the samples that cannot be converted, with why."""
    estimated: bool = False


# -- which types can become which ---------------------------------------------------------------------------------


def needed(old: Field, new: Field) -> bool:
    """Whether the values are stored differently."""
    return (old.type, old.column, getattr(old, "scale", 1)) != (new.type, new.column, getattr(new, "scale", 1))


def rules(f: Field) -> tuple[Any, ...]:
    """What values of the field are held to."""
    return tuple((name, str(f.options.get(name))) for name in (*f.rules, "min", "max", "max_length", "pattern"))


def impossible(old: Field, new: Field) -> str | None:
    """The sentence that says why a field of one type cannot become one of another; ``None``: it can."""
    if old.spec.system:
        return _("「%(field)s」是固客自带的字段，不能改类型。", field=old.label)
    fixed = next((f for f in (old, new) if f.computed or f.readonly or f.group in ("computed", "file")), None)
    fixed = fixed or next((f for f in (old, new) if f.only_forms is not None or not f.addable), None)
    if fixed is not None or not (_plain(old, new) or _same_targets(old, new)):
        return _(
            "「%(field)s」不能由%(old)s改为%(new)s。请新建一个字段。", field=old.label, old=old.name, new=new.name
        )  # fmt: skip
    return None


def _plain(old: Field, new: Field) -> bool:
    if not old.column and not new.column:
        return False
    linked = [f.group == "relation" for f in (old, new)]
    # A reference becomes the title of what it refers to; a title may be that of many.
    return not linked[1] and (not linked[0] or new.column == dialect.TEXT)


def _same_targets(old: Field, new: Field) -> bool:
    """Whether a value of one is a value of the other: an id of the same kind of thing, once or several times."""
    kinds = [_kind(f) for f in (old, new)]
    return kinds[0] is not None and kinds[0] == kinds[1] and bool(old.column or new.column)


def _kind(f: Field) -> Any:
    if f.type in ("relation", "relations"):
        return "relation", f.options.get("form")
    if f.group == "people":
        return f.value_input
    return None


class Converter(Struct, dict=True):
    """Old stored values → new ones, through the texts that people know the old ones by."""

    form: Form
    old: Field
    new: Field

    def __post_init__(self) -> None:
        self.same = _kind(self.old) is not None and _kind(self.old) == _kind(self.new)

    def convert(self, values: Sequence[Any]) -> tuple[list[Any], list[str | None]]:
        """The new values (``None``: there is none) and, for each, why it has none. Old values are never empty."""
        texts = self.texts(values)
        out: list[Any] = []
        why: list[str | None] = []
        for value, text in zip(values, texts, strict=True):
            new, error = self._one(value, text)
            out.append(new)
            why.append(error)
        return out, why

    def _one(self, value: Any, text: str) -> tuple[Any, str | None]:
        first: str | None = None
        for raw in self._candidates(value, text):
            try:
                new = self.new.parse(raw)
            except (ValueError, TypeError, AttributeError) as error:
                first = first or str(error)
                continue
            if new not in (None, [], {}):
                return new, None
        return None, first or _("没有可用的值。")

    def _candidates(self, value: Any, text: str) -> list[Any]:
        """What to try, the likeliest first."""
        if self.same:
            several = value if isinstance(value, list) else [value]
            if self.new.multiple:
                return [several]
            return several if len(several) == 1 else []
        if isinstance(value, list) and not self.new.multiple and self.new.column != dialect.TEXT:
            return []
        found = self._plain_candidates(value, text)
        return [*([one] for one in found), *found] if self.new.multiple else found

    def _plain_candidates(self, value: Any, text: str) -> list[Any]:
        if text == value:
            return [text]
        plain: list[Any] = [text, self.old.form_value(value)]
        api = self.old.to_api(value)
        plain += [api] if isinstance(api, (str, int, float, bool)) else []
        return list(dict.fromkeys(p for p in plain if p not in ("", None)))

    def texts(self, values: Sequence[Any]) -> list[str]:
        if self.old.group == "relation":
            return self._titles(values)
        return [self.old.format(value) for value in values]

    def _titles(self, values: Sequence[Any]) -> list[str]:
        target = catalog.all_forms().get(self.old.options.get("form", ""))
        lists = [value if isinstance(value, list) else [value] for value in values]
        ids = {one for several in lists for one in several}
        titles = query.titles(target, list(ids), SYSTEM) if target else {}
        return [_("、").join(str(titles.get(one, one)) for one in several) for several in lists]


def translated(form: Form, key: str, change_id: int, value: Any) -> Any:
    """What a Change says of a field (``[old, new]`` or ``{"add", "remove"}``) in values of the type it has now; ``None``
    when they say nothing in it."""
    then, now = form.field_at(key, change_id), form.fields.get(key)
    if then is None or now is None or then is now:
        return value
    sides = [value.get("remove"), value.get("add")] if isinstance(value, dict) else list(value)
    new = [_translate(Converter(form, then, now), side) for side in sides]
    if now.column:
        return new if isinstance(value, list) else None
    return {name: side for name, side in (("remove", new[0]), ("add", new[1])) if side}


def _translate(converter: Converter, value: Any) -> Any:
    return None if value in (None, [], {}) else converter.convert([value])[0][0]


def examine(form: Form, old: Field, new: Field, seconds: float = SECONDS) -> Conversion:
    """Converts each distinct value without keeping it: how many records would lose theirs, with examples."""
    converter = Converter(form, old, new)
    found = Conversion()
    before = (0, 0)
    with read():
        values = _distinct(form, old)
        # They come in order, and what cannot be converted stands together: seen by chance, they tell of the rest.
        random.Random(len(values)).shuffle(values)
        # What many records have is looked at for certain.
        values.sort(key=lambda row: -row[1])
        until = time.monotonic() + seconds
        for start in range(0, len(values), BATCH):
            if time.monotonic() > until:
                found.estimated = True
                break
            batch = values[start : start + BATCH]
            before = found.ok, found.lost
            _weigh(found, converter, batch)
        if len(values) == SAMPLE:
            found.estimated = True
        if found.estimated:
            _scale_up(found, before, catalog.filled(form, old.key))
    return found


def _distinct(form: Form, old: Field) -> list[tuple[Any, int]]:
    """``(value, records that have it)``."""
    if isinstance(old, LinkField):
        held = old.load(row[0] for row in form.table.select(form.col("id")).limit(SAMPLE).tuples().execute(db))
        return [(value, 1) for value in held.values() if value]
    column = form.col(old.key)
    rows = form.table.select(column, peewee.fn.COUNT(peewee.SQL("*"))).where(column.is_null(False))
    return [(row[0], int(row[1])) for row in rows.group_by(column).limit(SAMPLE).tuples().execute(db)]


def _weigh(found: Conversion, converter: Converter, batch: list[tuple[Any, int]]) -> None:
    values = [value for value, _count in batch]
    new, why = converter.convert(values)
    enough = len(found.samples) >= SHOWN and len(found.failures) >= SHOWN
    texts = converter.texts(values) if not enough else [""] * len(values)
    for (_value, count), text, value, error in zip(batch, texts, new, why, strict=True):
        if error is None:
            found.ok += count
            if len(found.samples) < SHOWN:
                found.samples.append((text, _shown(converter.new, value)))
        else:
            found.lost += count
            if len(found.failures) < SHOWN:
                found.failures.append((text, error))


def _shown(new: Field, value: Any) -> str:
    return str(value) if new.group == "relation" else new.format(value)


def _scale_up(found: Conversion, before: tuple[int, int], total: int) -> None:
    """The rest is taken to be like the last batch; ``before``: the counts without that."""
    ok, lost = found.ok - before[0], found.lost - before[1]
    unseen = total - found.ok - found.lost
    if ok + lost and unseen > 0:
        more = round(unseen * lost / (ok + lost))
        found.lost += more
        found.ok += unseen - more


# -- doing it -----------------------------------------------------------------------------------------------------


def start(form: Form, key: str, spec: Spec, actor: Actor) -> int | None:
    """Gives a field the definition ``spec``, at once when few values have to be converted, else by a job whose id it
    returns. Raises Conflict while another conversion of the field goes on, UserError when it cannot be."""
    old, new = form.fields[key], build(spec)
    if why := impossible(old, new):
        raise UserError(why, key)
    if running(form, key):
        raise Conflict(_("「%(field)s」正在转换，请等它完成或取消它。", field=old.label))
    with catalog.editing(form.key, actor):
        _tidy(form, key)
        mark = records.latest_change()
        doc = spec.document()
        if catalog.filled(form, key) <= INLINE:
            work = _Work(form, key, doc, actor, None, mark)
            work.prepare()
            while work.copy_batch():
                pass
            work.swap()
            return None
        payload = {"form": form.id, "field": key, "doc": doc, "actor": actor.id, "mark": mark}
        job_id = jobs.enqueue("forms.convert", payload, actor_id=actor.id, unique=_one_at_a_time(form, key))
        catalog.set_option(form.id, CONVERTING, form.converting | {key: job_id})
        return job_id


def running(form: Form, key: str) -> bool:
    """Whether the field is being converted at present."""
    job_id = form.converting.get(key)
    if job_id is None:
        return False
    try:
        return not jobs.get(job_id).finished
    except NotFound:
        return False


def cancel(form: Form, key: str, actor: Actor) -> None:
    """Stops a conversion: everything is as it was. Raises NotFound when there is none."""
    job_id = form.converting.get(key)
    if job_id is None:
        raise NotFound(_("「%(key)s」没有在转换。", key=key))
    with write():
        jobs.cancel(job_id)
        # It runs when the cancelled one has ended, however that ends.
        jobs.enqueue("forms.unconvert", {"form": form.id, "field": key}, unique=_one_at_a_time(form, key))


def _one_at_a_time(form: Form, key: str) -> str:
    return f"forms.convert:{form.id}:{key}"


def _tidy(form: Form, key: str) -> None:
    """Takes away what an ended conversion left."""
    if _shadow(key) in dialect.columns(db, form.table_name):
        catalog.set_aside(form, _shadow(key))
    if key in form.converting:
        left = {k: job for k, job in form.converting.items() if k != key}
        catalog.set_option(form.id, CONVERTING, left or None)


def _shadow(key: str) -> str:
    """The column in which the new values are made. No field's key begins with a line."""
    return f"_new_{key}"


@jobs.handler("forms.convert", heavy=True, label=_l("转换字段类型"))
def convert(job: jobs.Job) -> dict[str, Any]:
    payload = job.payload
    # What the person was allowed when asking is done to the end; versions and the audit log name them.
    actor = SYSTEM if payload["actor"] is None else replace(SYSTEM, id=payload["actor"])
    form, key = catalog.by_id(payload["form"]), payload["field"]
    if form is None or key not in form.fields or form.converting.get(key) != job.id:
        # Done before a crash, or the form or the field went to the recycle bin.
        return {}
    work = _Work(form, key, payload["doc"], actor, job, payload["mark"])
    try:
        work.run()
    except (jobs.JobCancelled, UserError):
        with write():
            jobs.enqueue("forms.unconvert", {"form": form.id, "field": key})
        raise
    return {"converted": work.done}


class _Work:
    """One conversion. Its progress is the job's state: ``after``, the last record copied, and ``mark``, the last Change
    taken into account."""

    def __init__(
        self, form: Form, key: str, doc: dict[str, Any], actor: Actor, job: jobs.Job | None, mark: int
    ) -> None:
        self.form, self.key, self.actor, self.job = form, key, actor, job
        state = job.state if job and job.state else {"after": 0, "mark": mark, "ready": False}
        self.after, self.mark, self.ready = state["after"], state["mark"], state["ready"]
        self.done = 0
        self.old = form.fields[key]
        spec = Spec.read(doc)
        spec.id, spec.position = self.old.spec.id, self.old.spec.position
        self.new = build(spec)
        self.new.bind(form, catalog.all_forms())
        self.converter = Converter(form, self.old, self.new)
        self.shadow = peewee.Column(form.table, _shadow(key))
        self.update = Statement(peewee.Update(form.table, {self.shadow: PARAM}).where(form.col("id") == PARAM))

    def run(self) -> None:
        assert self.job is not None
        total = catalog.filled(self.form, self.key)
        if not self.ready:
            with write():
                self.prepare()
                self._save()
        more = True
        while more:
            with write():
                more = self.copy_batch()
                self._save()
            self.job.progress(min(self.done, total), total)
        while self._behind() > BATCH:
            with write():
                self.copy_changed()
                self._save()
            self.job.progress(total, total)
        self.job.check()
        with write():
            self.swap()
            self.job.save_state({"after": self.after, "mark": self.mark, "ready": True})

    def _save(self) -> None:
        assert self.job is not None
        self.job.save_state({"after": self.after, "mark": self.mark, "ready": self.ready})

    def prepare(self) -> None:
        """Makes the place for the new values."""
        if self.new.column:
            dialect.add_column(db, self.form.table_name, _shadow(self.key), self.new.column)
        else:
            many.drop(_id(self.old))
        self.ready = True

    # -- values -----------------------------------------------------------------------------------------------------

    def copy_batch(self) -> bool:
        """Converts the next records. Whether there may be more."""
        rows = self._rows(self.form.col("id") > self.after, BATCH)
        if not rows:
            return False
        self.after = rows[-1][0]
        self._convert(rows)
        return True

    def _rows(self, where: Any, limit: int | None = None) -> list[tuple[int, Any]]:
        """``(id, old value)`` of records, in order of their ids."""
        select = self.form.table.select(self.form.col("id"), *([self.form.col(self.key)] if self.old.column else []))
        rows = list(select.where(where).order_by(self.form.col("id")).limit(limit).tuples().execute(db))
        if isinstance(self.old, LinkField):
            held = self.old.load([row[0] for row in rows])
            return [(row[0], held.get(row[0])) for row in rows]
        return rows

    def _convert(self, rows: list[tuple[int, Any]]) -> None:
        table: dict[Any, Any] = {}
        given = [(record_id, value) for record_id, value in rows if value not in (None, [], {})]
        keys = [_hashable(value) for _id, value in given]
        distinct = dict(zip(keys, (value for _id, value in given), strict=True))
        new, _why = self.converter.convert(list(distinct.values()))
        table = dict(zip(distinct, new, strict=True))
        made = {record_id: table[key] for (record_id, _v), key in zip(given, keys, strict=True)}
        self.done += len(made)
        if isinstance(self.new, LinkField):
            self.new.write({i: made.get(i) or [] for i, _v in rows}, self.actor.id, Cause(KIND))
        else:
            self.update.executemany((made.get(i), i) for i, _v in rows)

    def _behind(self) -> int:
        """How many Changes of the form came since the last look."""
        return Change.select().where(Change.form_id == self.form.id, Change.id > self.mark).count()

    def copy_changed(self) -> None:
        """Converts again what was written since."""
        last = records.latest_change()
        changed = (
            Change.select(Change.record_id)
            .where(Change.form_id == self.form.id, Change.id > self.mark, Change.record_id <= self.after)
            .distinct()
        )
        ids = [row[0] for row in changed.tuples()]
        newer = self.form.col("id") > self.after
        for start in range(0, len(ids), BATCH):
            self._convert(self._rows(dialect.among(self.form.col("id"), ids[start : start + BATCH])))
        rows = self._rows(newer)
        if rows:
            self.after = rows[-1][0]
            self._convert(rows)
        self.mark = last

    # -- the swap ---------------------------------------------------------------------------------------------------

    def swap(self) -> None:
        """From here on the field is of the new type. One transaction."""
        form, key = self.form, self.key
        with catalog.editing(form.key, self.actor):
            self.copy_changed()
            self._put_back()
            self._demand_unique()
            number = records.latest_change()
            self._log_lost(Cause(KIND, number))
            entry = [records.latest_change(), self.old.spec.document(), number]
            catalog.retype(form, key, self.new.spec, self._rename, entry)
            _tidy(catalog.get(form.key), key)
            hooks.run_retyped(form.key, key)
        if key in form.search_fields:
            SearchDirty.insert(form_id=form.id, first_id=1, last_id=max(self.after, 1)).execute()
            jobs.enqueue("search.index", {}, unique="search.index")

    def _rename(self) -> None:
        """The old values step aside (they go for good at night) and the new ones into their place."""
        table = self.form.table_name
        if self.old.column:
            catalog.set_aside(self.form, self.key)
        elif self.job:
            jobs.enqueue("forms.drop_links", {"form": self.form.id, "field": self.key})
        else:
            many.drop(_id(self.old))
        if self.new.column:
            dialect.rename_column(db, table, _shadow(self.key), self.key)

    def _demand_unique(self) -> None:
        if self.new.unique and self.new.column:
            shared = self.form.table.select(self.shadow).where(
                self.form.col("deleted_at").is_null(), self.shadow.is_null(False)
            )
            shared = shared.group_by(self.shadow).having(peewee.fn.COUNT(peewee.SQL("*")) > 1).limit(1)
            for (value,) in shared.tuples().execute(db):
                raise UserError(
                    _(
                        "转换后「%(field)s」有重复的值，例如「%(example)s」，不能设为唯一。",
                        field=self.new.label, example=self.new.format(value),
                    ),
                    "unique",
                )  # fmt: skip

    def _log_lost(self, cause: Cause) -> None:
        """A Change for each record whose value could not be converted, so that its history has it."""
        lost = self._has(self.old, self.key) & dialect.negate(self._has(self.new, _shadow(self.key)))
        if self.old.column:
            pairs = [(self.key, dialect.json_pair(self.form.col(self.key), peewee.Value(None)))]
            records.log_update(self.form, dialect.json_object(pairs), lost, self.actor, cause)
            return
        for record_id, value in self._rows(lost):
            told = peewee.Value(dialect.dumps({self.key: {"remove": value}}))
            records.log_update(self.form, told, self.form.col("id") == record_id, self.actor, cause)

    def _has(self, f: Field, column: str) -> Any:
        """Whether a record has a value: an expression."""
        if f.column:
            return peewee.Column(self.form.table, column).is_null(False)
        return f.compile(self.form.col("id"), "not_empty", None, Context(SYSTEM))

    def _put_back(self) -> None:
        """Going back to a type that the field had: what was lost on the way from it returns, where nothing took its place."""
        entries = self.form.options.get(RETYPED, {}).get(self.key, [])
        if not entries or not self.new.column:
            return
        _boundary, doc, number = entries[-1]
        if needed(build(Spec.read(doc)), self.new):
            return
        lost = Change.select(Change.record_id, Change.fields).where(
            Change.form_id == self.form.id, Change.cause_kind == KIND, Change.cause_id == number
        )
        values = {i: fields[self.key][0] for i, fields in lost.tuples() if isinstance(fields.get(self.key), list)}
        for start in range(0, len(values), BATCH):
            ids = list(values)[start : start + BATCH]
            empty = {i for i, value in self._rows(dialect.among(self.form.col("id"), ids)) if value in (None, [], {})}
            self.update.executemany((values[i], i) for i in ids if i in empty)


def _id(f: Field) -> int:
    assert f.spec.id is not None
    return f.spec.id


def _hashable(value: Any) -> Any:
    return dialect.dumps(value) if isinstance(value, (list, dict)) else value


@hooks.before_write("*")
def refuse_stale(draft: Draft) -> None:
    """Values that were read under a definition whose types have changed since are not stored: they mean another thing."""
    current = catalog.types_now(draft.form)
    if current is None:
        return
    for key in draft.columns:
        if current.get(key) != catalog.shape(draft.form.fields[key].spec):
            for i in range(draft.size):
                draft.fail(i, key, _("这个字段刚刚改了类型，请重新填写后再保存。"))


SMALL = 20_000
"""Up to so many records a column is dropped (that writes each row anew); in larger tables it stays, empty."""


@jobs.handler("forms.drop_old", label=_l("清理不再使用的列"))
def drop_old(job: jobs.Job) -> None:
    """Empties the columns that conversions and deleted fields left behind, a batch a transaction."""
    rows = FormRow.select()
    for form in [catalog.shell(row) for row in rows]:
        for name in dialect.columns(db, form.table_name):
            if name.startswith(catalog.ASIDE):
                _empty(job, form, name)


def _empty(job: jobs.Job, form: Form, name: str) -> None:
    column = peewee.Column(form.table, name)
    left = form.table.select(form.col("id")).where(column.is_null(False)).limit(BATCH)
    while ids := [row[0] for row in left.tuples().execute(db)]:
        with write():
            inside = form.col("id").between(min(ids), max(ids))
            peewee.Update(form.table, {column: None}).where(inside & column.is_null(False)).execute(db)
        left = left.where(form.col("id") > max(ids))
        job.check()
    if catalog.count(form, deleted=None) <= SMALL:
        with write():
            dialect.drop_column(db, form.table_name, name)


@jobs.handler("forms.unconvert", label=_l("取消转换字段类型"))
def unconvert(job: jobs.Job) -> None:
    """Takes away what a conversion that was cancelled or could not be finished has made."""
    form, key = catalog.by_id(job.payload["form"]), job.payload["field"]
    if form is None or key not in form.fields or running(form, key):
        return
    with write():
        _tidy(form, key)
        if form.fields[key].column:
            jobs.enqueue("forms.drop_links", {"form": form.id, "field": key})


@jobs.handler("forms.drop_links", label=_l("清理转换前的值"))
def drop_links(job: jobs.Job) -> None:
    """Deletes, a batch a transaction, the values that a field held in the link table before it became a column."""
    form = catalog.by_id(job.payload["form"])
    f = form.fields.get(job.payload["field"]) if form else None
    for model in (FieldValue, FieldLink):
        gone = 1
        while f is not None and f.column and gone:
            with write():
                some = model.select(model.record_id).where(model.field_id == f.spec.id).limit(BATCH)
                ids = {row[0] for row in some.tuples()}
                gone = model.delete().where(model.field_id == f.spec.id, dialect.among(model.record_id, ids)).execute()
            job.check()
