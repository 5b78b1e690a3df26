"""Records that may be the same thing twice.

While somebody types, :func:`similar` looks for records that hold the same unique value, the same phone or e-mail, or nearly
the same name: a few looks into indexes and the search table, however many records there are. :func:`find_all` (a job)
compares a whole form and keeps pairs for the page where people merge them or say "not the same".

Higher rooms add what they know a record by, in which other ways two of them look alike, and what speaks against it::

    @duplicates.known_by("customer")
    def identities(values: dict[str, Any]) -> dict[int, str]:      # record id → why, in words
        …

    duplicates.compare("customer", ("wechat",), 90)

    @duplicates.against("customer")
    def born_twice(pairs: list[tuple[Record, Record]]) -> list[list[str]]:      # of each pair, sentences
        …
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import fn

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, jobs, schema
from ..core.db import db, read, write
from ..core.errors import NotFound
from . import catalog, query, relations, search
from .catalog import Form
from .fields.base import Field
from .models import Duplicate

SHOWN = 3
CANDIDATES = 60
"""Records that one look into the search table brings at most."""
PAIRS = 8
ALIKE = 85
"""From this likeness on (of 100) two longer names count as similar; names of up to three characters must sound the same."""
EXACT = ("phone", "email", "url")
"""Types whose equal values say that two records are about the same."""
BESIDE = ("date", "phone", "email", "address", "id_card")
"""Types that, equal together with the title, say so too."""
MOST = 5_000
"""Pairs kept for one form."""
COMPANY = re.compile(r"(股份)?有限(责任)?公司$|集团$|公司$|\b(co|ltd|inc|llc|gmbh)\b\.?", re.IGNORECASE)

SURE = 90
"""From this likeness on a pair may be merged without looking at it, if nothing speaks against it."""
LATER = 7 * clock.DAY
"""So long "later" is."""

Known = Callable[[Mapping[str, Any]], dict[int, str]]
_known: dict[str, list[Known]] = {}
Against = Callable[[list[tuple[query.Record, query.Record]]], list[list[str]]]
_against: dict[str, list[Against]] = {}
_reasons: dict[str, Callable[[Form, str, Actor], str]] = {}


class Way(Struct, frozen=True):
    """Fields that, all equal, make two records alike. ``likeness``: 0 to 100; ``crowd``: as many records that share them are
    a habit and not a mistake."""

    keys: tuple[str, ...]
    likeness: int
    crowd: int = 6

    @property
    def why(self) -> str:
        return "+".join(self.keys)


_ways: dict[str, list[Way]] = {}


def compare(form_key: str, keys: tuple[str, ...], likeness: int, crowd: int = 6) -> None:
    """Registers a way in which records of a form are alike, besides those that follow from its fields' types."""
    _ways.setdefault(form_key, []).append(Way(keys, likeness, crowd))


def against(form_key: str) -> Callable[[Against], Against]:
    """Registers what speaks against pairs of a form being one: of each pair (both sides whole), sentences."""

    def add(fn: Against) -> Against:
        _against.setdefault(form_key, []).append(fn)
        return fn

    return add


def reason(kind: str) -> Callable[[Callable[[Form, str, Actor], str]], Callable[[Form, str, Actor], str]]:
    """Registers the words of a reason ``kind:detail``; empty for a reader who may not know it."""

    def add(fn: Callable[[Form, str, Actor], str]) -> Callable[[Form, str, Actor], str]:
        if kind in _reasons:
            raise ValueError(f"the reason {kind!r} has its words already")
        _reasons[kind] = fn
        return fn

    return add


def known_by(form_key: str) -> Callable[[Known], Known]:
    """Registers what else the records of a form are known by: stored values → record ids with the reason in words."""

    def add(fn: Known) -> Known:
        _known.setdefault(form_key, []).append(fn)
        return fn

    return add


class Hit(Struct, frozen=True):
    """A record that may be the one being typed. ``id`` is ``None`` for one that the person may not see."""

    id: int | None
    title: str
    why: str


# -- while typing ---------------------------------------------------------------------------------------------------


def similar(form: Form, values: Mapping[str, Any], actor: Actor, own: int | None = None) -> list[Hit]:
    """At most three records that the stored ``values`` may be a second copy of, surest first. ``own``: the record itself."""
    clear = query.clear(form, actor)
    taken = _taken(form, values)
    found: dict[int, str] = dict(taken)
    if not clear.keys().isdisjoint(values):
        for record_id, why in _same(form, {k: v for k, v in values.items() if k in clear}).items():
            found.setdefault(record_id, why)
    if form.title_field in clear and len(found) < SHOWN:
        for record_id, why in _named(form, values.get(form.title_field or "")).items():
            found.setdefault(record_id, why)
    found.pop(own or 0, None)
    titles = query.titles(form, found, actor)
    hits = [Hit(record_id, titles[record_id], why) for record_id, why in found.items() if record_id in titles]
    unseen = [why for record_id, why in taken.items() if record_id in found and record_id not in titles]
    hits = [Hit(None, "", why) for why in unseen[:1]] + hits
    return hits[:SHOWN]


def _taken(form: Form, values: Mapping[str, Any]) -> dict[int, str]:
    """Records that hold a unique value, alone or together with others."""
    found: dict[int, str] = {}
    for key, f in form.columns.items():
        value = values.get(key)
        if f.unique and value is not None:
            for _value, record_id in relations.lookup(form, key, [value]):
                found[record_id] = _("「%(field)s」相同", field=f.label)
    for keys in form.unique_sets:
        if all(values.get(key) is not None for key in keys):
            same = [form.col(key) == values[key] for key in keys]
            rows = form.table.select(form.col("id")).where(*same, form.col("deleted_at").is_null()).limit(1)
            joined = _("、").join(form.fields[key].label for key in keys)
            for (record_id,) in rows.tuples().execute(db):
                found.setdefault(record_id, _("「%(field)s」相同", field=joined))
    return found


def _same(form: Form, values: Mapping[str, Any]) -> dict[int, str]:
    """Records with the same phone, e-mail or whatever else the form is known by."""
    found: dict[int, str] = {}
    for known in _known.get(form.key, ()):
        found |= known(values)
    for key, f in form.columns.items():
        value = values.get(key)
        if f.unique or f.type not in EXACT or not value:
            continue
        for record_id in holders(form, f, value):
            found.setdefault(record_id, _("「%(field)s」相同", field=f.label))
    return found


def holders(form: Form, f: Field, value: Any) -> list[int]:
    """Some records that hold a value, where an index or the search table leads to them."""
    rows = form.table.select(form.col("id")).where(form.col(f.key) == value, form.col("deleted_at").is_null())
    if f.indexed:
        return [row[0] for row in rows.limit(SHOWN + 1).tuples().execute(db)]
    # The part before the @, a number as a whole: what follows the @ stands in too many records to look for.
    words = [word for word in search.WORD.findall(str(value).lower().split("@")[0]) if not search.CJK.match(word)]
    word = max(words, key=len, default="")
    if f.key not in form.search_fields or f.type == "url" or len(word) < 4:
        return []
    near = _found(form, f.key, [word])
    if not near:
        return []
    return [row[0] for row in rows.where(dialect.among(form.col("id"), near)).tuples().execute(db)]


def _named(form: Form, name: Any) -> dict[int, str]:
    """Records whose title is nearly ``name``."""
    key = form.title_field or ""
    if not isinstance(name, str) or len(plain(name)) < 2 or key not in form.search_fields:
        return {}
    near: dict[int, None] = {}
    for tokens in _looks(name):
        near |= dict.fromkeys(_found(form, key, tokens))
    column = form.col(key)
    rows = form.table.select(form.col("id"), column).where(
        dialect.among(form.col("id"), list(near)), form.col("deleted_at").is_null()
    )
    scored = [(likeness(name, str(title)), record_id) for record_id, title in rows.tuples().execute(db) if title]
    f = form.fields[key]
    same, close = _("「%(field)s」相同", field=f.label), _("「%(field)s」相近", field=f.label)
    best = sorted((pair for pair in scored if pair[0] >= ALIKE), reverse=True)[:SHOWN]
    return {record_id: same if score == 100 else close for score, record_id in best}


def _looks(name: str) -> list[list[str]]:
    """What to look for in the search table: all parts together, the sound of the whole, then one part after another."""
    # Chinese names are written without blanks; a single letter stands in too many names to look for.
    text = re.sub(r"(?<=[㐀-鿿]) (?=[㐀-鿿])", "", plain(name))
    words = [word for word in search.WORD.findall(text) if len(word) > 1 or search.CJK.match(word)]
    parts: list[str] = []
    looks: list[list[str]] = []
    for word in words:
        if search.CJK.match(word):
            parts += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            if len(word) > 1:
                looks.append([_sound(word)])
        else:
            parts.append(word)
    looks.insert(0, parts[:10])
    return looks + [[part] for part in parts[:PAIRS] if len(parts) > 1]


def _found(form: Form, key: str, tokens: list[str]) -> list[int]:
    """The latest records in whose ``key`` all the tokens stand."""
    if not tokens:
        return []
    index = peewee.Table(form.search_table).bind(db)
    rowid = peewee.Column(index, "rowid")
    rows = index.select(rowid).where(dialect.search_match(form.search_table, [key], tokens))
    return [row[0] for row in rows.order_by(rowid.desc()).limit(CANDIDATES).tuples().execute(db)]


def plain(name: str) -> str:
    """A name without what differs by habit: case, blanks, marks, the words for "company"."""
    text = "".join(re.findall(r"[\w㐀-鿿 ]+", COMPANY.sub("", name.strip().lower())))
    return re.sub(r"\s+", " ", text).strip()


def _sound(word: str) -> str:
    table = search._readings()
    return "".join(table.get(ch, (ch,))[0] for ch in word)


def likeness(one: str, other: str) -> int:
    """0 to 100. Names that sound the same are at least 90."""
    from rapidfuzz import fuzz

    a, b = plain(one).replace(" ", ""), plain(other).replace(" ", "")
    if not a or not b:
        return 0
    if a == b:
        return 100
    if search.CJK.fullmatch(a) and search.CJK.fullmatch(b) and _sound(a) == _sound(b):
        return 90
    if min(len(a), len(b)) <= 3:
        return 0
    return min(99, round(max(fuzz.ratio(a, b), fuzz.token_sort_ratio(plain(one), plain(other)))))


# -- the whole form -------------------------------------------------------------------------------------------------


class Pair(Struct, frozen=True):
    """Two records that may be one, with the reasons in words and what speaks against it. ``met``: data named both at once."""

    id: int
    one: query.Record
    other: query.Record
    why: str
    likeness: int = 0
    reasons: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    met: bool = False

    @property
    def sure(self) -> bool:
        """Whether they may be merged without looking at them."""
        return self.likeness >= SURE and not self.against


@schema.seed
def timer() -> None:
    jobs.schedule("forms.duplicates", "10 4 * * *", "forms.duplicates", {}, catch_up="skip")


def ask(form: Form, actor: Actor) -> int:
    """Looks through the whole form again; returns the job."""
    return jobs.enqueue(
        "forms.duplicates", {"form": form.key}, actor_id=actor.id, unique=f"forms.duplicates:{form.key}"
    )


@jobs.handler("forms.duplicates", label=_l("查找重复记录"))
def find_all(job: jobs.Job) -> dict[str, int]:
    """Keeps the pairs of a form (without one: of every form) that look alike; what was decided stays decided."""
    named = job.payload.get("form")
    forms = [catalog.get(named)] if named else catalog.all()
    total = 0
    for n, form in enumerate(forms):
        total += _keep(form, _pairs(form, job))
        job.progress(n + 1, len(forms))
    return {"pairs": total}


Found = dict[tuple[int, int], list[Way]]


def _pairs(form: Form, job: jobs.Job) -> Found:
    """``(lower id, higher id)`` → in which ways they are alike, the surest way first."""
    found: Found = {}
    for way in sorted(_all_ways(form), key=lambda way: -way.likeness):
        job.check()
        for ids in _groups(form, way):
            for a, b in pairwise(ids):
                pair = (min(a, b), max(a, b))
                if pair in found or len(found) < MOST:
                    found.setdefault(pair, []).append(way)
    return found


def _all_ways(form: Form) -> Iterable[Way]:
    for key, f in form.columns.items():
        if f.type in EXACT and not f.unique and not f.readonly:
            yield Way((key,), 90)
    for way in _ways.get(form.key, ()):
        if all(key in form.columns for key in way.keys):
            yield way
    title = form.title
    if title is None or title.type not in ("text", "person") or title.unique:
        return
    beside = [k for k, f in form.columns.items() if f.type in BESIDE and k != title.key and not f.readonly]
    # A name alone is shared by many; together with a birthday or an address it is somebody.
    for key in beside[:6]:
        yield Way((title.key, key), 92)


def together(ways: Iterable[int]) -> int:
    """The likeness of several ways that do not know of each other."""
    unlike = 1.0
    for likeness in ways:
        unlike *= 1 - likeness / 100
    return min(99, round(100 * (1 - unlike)))


def _groups(form: Form, way: Way) -> list[list[int]]:
    """The ids of records that hold the same values, for groups small enough to be mistakes and not a habit."""
    columns = [form.col(key) for key in way.keys]
    filled = [column.is_null(False) for column in columns]
    count = fn.COUNT(peewee.SQL("*"))
    rows = (
        form.table.select(dialect.json_list(form.col("id")))
        .where(form.col("deleted_at").is_null(), *filled)
        .group_by(*columns)
        .having((count > 1) & (count < way.crowd))
        .limit(MOST)
    )
    with read():
        return [sorted(json.loads(row[0])) for row in rows.tuples().execute(db)]


def _keep(form: Form, pairs: Found) -> int:
    now = clock.now()
    known = {(row.one_id, row.other_id): row for row in Duplicate.select().where(Duplicate.form_id == form.id)}
    gone = [row.id for key, row in known.items() if row.decided_at is None and not row.met and key not in pairs]
    rows = [
        {
            "form_id": form.id, "one_id": a, "other_id": b, "why": "|".join(way.why for way in ways),
            "likeness": together(way.likeness for way in ways), "found_at": now,
        }
        for (a, b), ways in pairs.items()
    ]  # fmt: skip
    new = [row for row in rows if (row["one_id"], row["other_id"]) not in known]
    other = [
        (row["why"], row["likeness"], old.id)
        for row in rows
        if (old := known.get((row["one_id"], row["other_id"])))
        and not old.met
        and (old.why, old.likeness) != (row["why"], row["likeness"])
    ]
    for start in range(0, len(gone), 500):
        with write():
            Duplicate.delete().where(Duplicate.id.in_(gone[start : start + 500])).execute()
    for start in range(0, len(new), 500):
        with write():
            Duplicate.insert_many(new[start : start + 500]).on_conflict_ignore().execute()
    for start in range(0, len(other), 500):
        with write():
            for why, likeness, pair_id in other[start : start + 500]:
                Duplicate.update(why=why, likeness=likeness).where(Duplicate.id == pair_id).execute()
    return len(pairs)


def met(form_id: int, pairs: Mapping[tuple[int, int], tuple[str, int]]) -> None:
    """Notes pairs that data which came in named at once: ids → reason and likeness. What was decided stays decided.

    Only inside ``write()``.
    """
    now = clock.now()
    rows = [
        {"form_id": form_id, "one_id": min(ids), "other_id": max(ids), "why": why, "likeness": likeness,
         "found_at": now, "met": True}
        for ids, (why, likeness) in pairs.items()
    ]  # fmt: skip
    for start in range(0, len(rows), 500):
        Duplicate.insert_many(rows[start : start + 500]).on_conflict(
            conflict_target=[Duplicate.form_id, Duplicate.one_id, Duplicate.other_id],
            preserve=[Duplicate.why, Duplicate.likeness, Duplicate.met],
            where=(Duplicate.decided_at.is_null()) & (Duplicate.met == False),  # noqa: E712
        ).execute()


# -- what waits for a person ------------------------------------------------------------------------------------------


def _waiting(form: Form) -> Any:
    return (
        (Duplicate.form_id == form.id)
        & Duplicate.decided_at.is_null()
        & (Duplicate.later_at.is_null() | (Duplicate.later_at <= clock.now()))
    )


def open_pairs(
    form: Form, actor: Actor, after: str = "", limit: int = 20, least: int = 0
) -> tuple[list[Pair], str | None]:
    """Pairs nobody has decided on, both of which the actor may see, the likeliest first; and where to go on from.

    ``least``: only pairs at least so alike.
    """
    out: list[Pair] = []
    likeness, last = _mark(after)
    while len(out) < limit:
        rows = list(
            Duplicate.select()
            .where(
                _waiting(form), Duplicate.likeness >= least,
                (Duplicate.likeness < likeness) | ((Duplicate.likeness == likeness) & (Duplicate.id > last)),
            )
            .order_by(Duplicate.likeness.desc(), Duplicate.id)
            .limit(100)
        )  # fmt: skip
        found = _read(form, rows, actor)
        for row in rows:
            likeness, last = row.likeness, row.id
            if row.id in found:
                out.append(found[row.id])
                if len(out) == limit:
                    return out, f"{likeness}.{last}"
        if len(rows) < 100:
            break
    return out, None


def _mark(after: str) -> tuple[int, int]:
    likeness, _dot, last = after.partition(".")
    return (int(likeness), int(last)) if likeness.isdecimal() and last.isdecimal() else (101, 0)


def _read(form: Form, rows: list[Any], actor: Actor) -> dict[int, Pair]:
    """Those of the rows of which the actor may see both records and a reason, by id."""
    ids = {i for row in rows for i in (row.one_id, row.other_id)}
    seen = {r.id: r for r in query.Query(form, actor).get_many(ids)}
    shown = [row for row in rows if row.one_id in seen and row.other_id in seen]
    spoken = _spoken(form, [(row.one_id, row.other_id) for row in shown], seen, actor)
    found = {}
    for row, contra in zip(shown, spoken, strict=True):
        reasons = [words for one in row.why.split("|") if (words := why_words(form, one, actor))]
        if reasons:
            found[row.id] = Pair(
                row.id, seen[row.one_id], seen[row.other_id], _("；").join(reasons), row.likeness, tuple(reasons),
                tuple(contra), row.met,
            )  # fmt: skip
    return found


def _spoken(form: Form, pairs: list[tuple[int, int]], seen: dict[int, query.Record], actor: Actor) -> list[list[str]]:
    """What speaks against each pair. It is weighed by what stands there, and told to those who may see all of that."""
    fns = _against.get(form.key, [])
    if not fns or not pairs:
        return [[] for _pair in pairs]
    whole = {r.id: r for r in query.Query(form, SYSTEM).get_many({i for pair in pairs for i in pair})}
    out: list[list[str]] = [[] for _pair in pairs]
    for fn_ in fns:
        for place, said in enumerate(fn_([(whole[a], whole[b]) for a, b in pairs])):
            out[place] += said
    if query.clear(form, actor) != form.fields:
        return [[_("有的内容不一致")] if said else [] for said in out]
    return out


def pair(form: Form, pair_id: int, actor: Actor) -> Pair:
    """Raises NotFound for a pair that is decided, gone, or not to be seen."""
    rows = list(
        Duplicate.select().where(
            Duplicate.id == pair_id, Duplicate.form_id == form.id, Duplicate.decided_at.is_null()
        )
    )  # fmt: skip
    found = _read(form, rows, actor)
    if pair_id not in found:
        raise NotFound()
    return found[pair_id]


def why_words(form: Form, why: str, actor: Actor) -> str:
    """One reason of a pair; empty for somebody who does not see the fields that are equal."""
    kind, colon, detail = why.partition(":")
    if colon:
        return _reasons[kind](form, detail, actor) if kind in _reasons else ""
    clear = query.clear(form, actor)
    keys = why.split("+")
    if not all(key in clear for key in keys):
        return ""
    return _("「%(field)s」相同", field=_("、").join(clear[key].label for key in keys))


def count(form: Form, actor: Actor, cap: int = 100) -> int:
    """How many wait for the actor; who sees everything costs one look into an index."""
    if actor.is_admin:
        inner = Duplicate.select(Duplicate.id).where(_waiting(form)).limit(cap)
        return int(inner.count())
    return len(open_pairs(form, actor, limit=cap)[0])


def sure_count(form: Form, actor: Actor, cap: int = 100) -> int:
    return sum(one.sure for one in open_pairs(form, actor, limit=cap, least=SURE)[0])


def dismiss(form: Form, pair_id: int, actor: Actor) -> None:
    """Remembers that two records are not the same. Raises NotFound."""
    _decide(form, pair_id, actor, {"decided_at": clock.now(), "decided_by": actor.id})


def later(form: Form, pair_id: int, actor: Actor) -> None:
    """Asks again in a week. Raises NotFound."""
    _decide(form, pair_id, actor, {"later_at": clock.now() + LATER})


def reopen(form: Form, pair_id: int, actor: Actor) -> None:
    """Takes :func:`dismiss` or :func:`later` back."""
    _decide(form, pair_id, actor, {"decided_at": None, "decided_by": None, "later_at": None})


def _decide(form: Form, pair_id: int, actor: Actor, values: dict[str, Any]) -> None:
    row = Duplicate.get_or_none(Duplicate.id == pair_id, Duplicate.form_id == form.id)
    ids = {row.one_id, row.other_id} if row else set()
    if not ids or query.visible_ids(form.key, ids, actor) != ids:
        raise NotFound()
    with write():
        Duplicate.update(**values).where(Duplicate.id == pair_id).execute()


# -- what becomes of pairs --------------------------------------------------------------------------------------------


def gone(form_id: int, ids: list[int]) -> None:
    """The records are gone for good. Only inside ``write()``."""
    Duplicate.delete().where(
        Duplicate.form_id == form_id, (Duplicate.one_id.in_(ids)) | (Duplicate.other_id.in_(ids))
    ).execute()


def merged(form_id: int, source: int, target: int) -> list[dict[str, Any]]:
    """The source is part of the target: whoever was not the same as it is not the same as the target. Returns the pairs that
    went. Only inside ``write()``."""
    mine = (Duplicate.form_id == form_id) & ((Duplicate.one_id == source) | (Duplicate.other_id == source))
    rows = list(Duplicate.select().where(mine).dicts())
    Duplicate.delete().where(mine).execute()
    for row in rows:
        third = row["one_id"] + row["other_id"] - source
        if third != target and row["decided_at"]:
            ids = {"one_id": min(third, target), "other_id": max(third, target)}
            Duplicate.insert({**row, **ids, "id": None}).on_conflict_ignore().execute()
    return rows


def parted(form_id: int, rows: list[dict[str, Any]], source: int, target: int, actor: Actor) -> None:
    """Takes :func:`merged` back; that the two are not the same is known now. Only inside ``write()``."""
    now = clock.now()
    for row in rows:
        if {row["one_id"], row["other_id"]} != {source, target}:
            Duplicate.insert({**row, "id": None}).on_conflict_ignore().execute()
    Duplicate.insert(
        form_id=form_id, one_id=min(source, target), other_id=max(source, target), why="", found_at=now, decided_at=now,
        decided_by=actor.id,
    ).on_conflict_ignore().execute()  # fmt: skip
