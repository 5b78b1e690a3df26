"""Quick search: Chinese names by any part, pinyin or initials; phones and numbers by their first or last digits.

Full-text engines find nothing in one or two Chinese characters, so the tokens are made here: pairs of characters,
pinyin from each syllable on, initials, and numbers forwards and backwards (a prefix of the reversed number is the
number's last digits).
"""

from __future__ import annotations

import os
import re
from functools import cache, lru_cache, reduce
from operator import or_
from typing import Any

import peewee
from flask_babel import lazy_gettext as _l
from peewee import fn

from ..core import dialect, jobs
from ..core.db import PARAM, db, in_write, write
from .catalog import Form
from .models import SearchDirty

INLINE = 50
"""Writes of up to so many records index them in their own transaction; larger ones leave it to a job."""
CHUNK = 2_000
CJK = re.compile(r"[\u3400-\u9fff]+")
WORD = re.compile(r"[\u3400-\u9fff]+|[a-z0-9]+")


@cache
def _readings() -> dict[str, tuple[str, ...]]:
    """Character → its toneless readings, most usual first (at most two)."""
    # The phrase dictionary costs 30 MB and does nothing for names.
    os.environ["PYPINYIN_NO_PHRASES"] = "true"
    from pypinyin.contrib.tone_convert import to_normal
    from pypinyin.pinyin_dict import pinyin_dict

    plain = cache(to_normal)
    out: dict[str, tuple[str, ...]] = {}
    for code, text in pinyin_dict.items():
        if 0x4E00 <= code <= 0x9FFF:
            found = dict.fromkeys(plain(part).replace("ü", "v") for part in text.split(","))
            out[chr(code)] = tuple(found)[:2]
    plain.cache_clear()
    return out


def reading(character: str) -> str:
    """The pinyin of one character, without its tone."""
    return _readings().get(character, (character,))[0]


def _pinyin_tokens(run: str) -> list[str]:
    table = _readings()
    sounds = [table.get(ch, (ch,)) for ch in run]
    first = [s[0] for s in sounds]
    out = []
    for start in range(len(first)):
        tail = first[start:]
        out.append("".join(tail))
        if len(tail) > 1:
            out.append("".join(s[0] for s in tail))
    # A surname has a reading of its own (曾 zeng, 单 shan): take the second reading of the first character too.
    if len(sounds[0]) > 1:
        other = [sounds[0][1], *first[1:]]
        out += ["".join(other), "".join(s[0] for s in other)]
    return out


@lru_cache(maxsize=4096)
def tokens(text: str) -> str:
    """The tokens of a stored text, separated by blanks."""
    out: list[str] = []
    for word in WORD.findall(text.lower()):
        if CJK.match(word):
            word = word[:20]
            out += [word[i : i + 2] for i in range(len(word))]
            out += _pinyin_tokens(word)
        else:
            out.append(word)
            if any(ch.isdigit() for ch in word):
                out.append("r" + word[::-1])
    return " ".join(dict.fromkeys(out))


def query_groups(text: str) -> list[list[list[str]]]:
    """For each word that was typed its alternatives, each a list of token prefixes that must all be there."""
    groups: list[list[list[str]]] = []
    for word in WORD.findall(text.lower())[:8]:
        if CJK.match(word):
            pairs = [word[i : i + 2] for i in range(max(1, len(word) - 1))]
            groups.append([pairs[:10]])
        elif word.isdigit():
            groups.append([[word], ["r" + word[::-1]]])
        else:
            groups.append([[word]])
    return groups


def match(form: Form, text: str, visible: list[str]) -> Any:
    """An expression over the form's table: records that the text finds in the ``visible`` search fields."""
    columns = [form.fields[k] for k in visible if k in form.columns]
    tests = [_indexed(form, text, visible), *(f.sought(form.col(f.key), text) for f in columns)]
    found = [test for test in tests if test is not None]
    return reduce(or_, found) if found else peewee.Value(1) == 0


def _indexed(form: Form, text: str, visible: list[str]) -> Any:
    keys = [k for k in form.search_fields if k in visible]
    groups = query_groups(text)
    if not keys or not groups:
        return None
    index = peewee.Table(form.search_table).bind(db)
    rowid = peewee.Column(index, "rowid")
    result: Any = None
    for alternatives in groups:
        found: Any = None
        for prefixes in alternatives:
            rows = index.select(rowid).where(dialect.search_match(form.search_table, keys, prefixes))
            test = form.col("id").in_(rows)
            found = test if found is None else (found | test)
        result = found if result is None else (result & found)
    return result


def written(form: Form, ids: list[int], fields: set[str]) -> None:
    """Called by the write path in its transaction: keeps the index right, at once or by a job for large batches."""
    if not ids or not fields.intersection(form.search_fields):
        return
    assert in_write()
    if len(ids) <= INLINE:
        read = form.statement("search.read", lambda: _select(form).where(form.col("id") == PARAM))
        _store(form, [row for record_id in ids for row in read.execute(record_id).fetchall()])
        return
    SearchDirty.insert(form_id=form.id, first_id=min(ids), last_id=max(ids)).execute()
    jobs.enqueue("search.index", {}, unique="search.index")


def _select(form: Form) -> Any:
    return form.table.select(form.col("id"), *[form.col(key) for key in form.search_fields])


def _store(form: Form, rows: list[Any]) -> None:
    """Writes the search entries of the rows (id, then the search fields) anew."""
    if not rows:
        return
    keys = form.search_fields
    table = peewee.Table(form.search_table).bind(db)
    rowid = peewee.Column(table, "rowid")
    columns = [rowid, *[peewee.Column(table, key) for key in keys]]
    remove = form.statement("search.remove", lambda: table.delete().where(rowid == PARAM))
    add = form.statement(
        "search.add", lambda: peewee.Insert(table, insert=[tuple(PARAM for _ in columns)], columns=columns)
    )
    remove.executemany([(row[0],) for row in rows])
    add.executemany([(row[0], *[tokens(str(v)) if v is not None else "" for v in row[1:]]) for row in rows])


@jobs.handler("search.index", label=_l("更新搜索"))
def index_dirty(job: Any) -> None:
    """Indexes the ranges that large writes left, a chunk a transaction."""
    from . import catalog

    while True:
        with write():
            dirty = SearchDirty.select().order_by(SearchDirty.id).first()
            if dirty is None:
                return
            form = catalog.by_id(dirty.form_id)
            last = min(dirty.last_id, dirty.first_id + CHUNK - 1)
            if form is not None and form.search_fields:
                _store(
                    form, list(_select(form).where(form.col("id").between(dirty.first_id, last)).tuples().execute(db))
                )
            if last >= dirty.last_id or form is None:
                dirty.delete_instance()
            else:
                SearchDirty.update(first_id=last + 1).where(SearchDirty.id == dirty.id).execute()
        job.progress(0, 0)


def reshape(form: Form) -> None:
    """Makes the form's index hold its search fields; when they changed, the job ``search.index`` fills it again."""
    held = dialect.columns(db, form.search_table) if db.table_exists(form.search_table) else []
    if held == form.search_fields:
        return
    with write():
        dialect.drop_table(db, form.search_table)
        if not form.search_fields:
            return
        dialect.create_search_table(db, form.search_table, form.search_fields)
        top = form.table.select(fn.MAX(form.col("id"))).scalar(db)
        if top:
            SearchDirty.insert(form_id=form.id, first_id=1, last_id=top).execute()
            jobs.enqueue("search.index", {}, unique="search.index")
