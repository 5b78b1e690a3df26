"""The history of the records as a chain of sealed blocks: whoever edits the file can neither change, insert nor take out a
Change unnoticed.

A block's digest covers what its Changes say, its seal (an HMAC under the key that is not in the database) covers digest, place
and the seal of the block before; one more row says where the blocks end. Sealing comes a few minutes behind the writes, so that
writing costs nothing. ``guke check`` asks :func:`problems`.

The law makes holes in the history: an erasure, a record or a form that goes for good. Such writes stand inside :func:`opened`,
which seals the touched blocks anew if they were whole until then. What was damaged stays damaged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import jobs, schema, secrets
from ..core.db import PARAM, Statement, db, read, write
from .models import Change
from .sealing_models import ChangeAnchor, ChangeBlock

SIZE = 500
"""Changes in a full block; the last one grows until it is full."""
BEGINNING = -(1 << 62)
"""What the first block comes after: no number is below it."""
KIND = "changes.seal"

_ROWS = Statement(
    Change.select(
        Change.id, Change.at, Change.form_id, Change.record_id, Change.action, Change.fields.cast("TEXT"),
        Change.actor_id, Change.cause_kind, Change.cause_id, Change.depth,
    )
    .where((Change.id > PARAM) & (Change.id <= PARAM))
    .order_by(Change.id)
)  # fmt: skip
_RESEAL = Statement(
    ChangeBlock.update({ChangeBlock.count: PARAM, ChangeBlock.digest: PARAM, ChangeBlock.mac: PARAM}).where(
        ChangeBlock.number == PARAM
    )
)


@schema.seed
def timer() -> None:
    jobs.schedule(KIND, "*/15 * * * *", KIND)


@jobs.handler(KIND, label=_l("封存修改历史"))
def seal(job: jobs.Job) -> dict[str, Any] | None:
    """Seals what was written since, a block a transaction."""
    while True:
        with write():
            if not _seal_next():
                return None
        job.check()


def _seal_next() -> bool:
    """Fills the last block or begins one; ``False`` when everything is sealed or the blocks are not whole."""
    anchor = _anchor()
    if anchor is not None and not _is_sound(anchor):
        return False
    last = _block(anchor.last_number) if anchor is not None and anchor.last_number else None
    before = _block(last.number - 1) if last is not None else None
    if last is not None and last.count < SIZE and _is_whole(last, before):
        # Its seal is renewed over what it holds already and what is added.
        number, (start, prev) = last.number, _end(before)
    else:
        number, (start, prev) = (last.number if last else 0) + 1, _end(last)
    ids = [i for (i,) in Change.select(Change.id).where(Change.id > start).order_by(Change.id).limit(SIZE).tuples()]
    if not ids or (last is not None and ids[-1] <= last.last_id):
        return False
    count, digest = _digest(start, ids[-1])
    block = ChangeBlock(number=number, last_id=ids[-1], count=count, digest=digest)
    block.mac = _mac(block, prev)
    ChangeBlock.replace(block.__data__).execute()
    _put_anchor(number, str(block.mac))
    return True


@contextmanager
def opened(which: Any) -> Iterator[None]:
    """Around a write that takes something out of the Changes that ``which`` (an expression) picks; inside ``write()``."""
    ids = [i for (i,) in Change.select(Change.id).where(which).order_by(Change.id).tuples()]
    blocks = list(ChangeBlock.select().order_by(ChangeBlock.number)) if ids else []
    ends = [block.last_id for block in blocks]
    places = sorted({place for i in ids if (place := bisect_left(ends, i)) < len(blocks)})
    anchor = _anchor()
    sound = anchor is not None and _is_sound(anchor) and _links(blocks) and _ends(anchor, blocks)
    whole = [p for p in places if _holds(blocks[p], ends[p - 1] if p else BEGINNING)] if sound else []
    yield
    for place in whole:
        blocks[place].count, blocks[place].digest = _digest(ends[place - 1] if place else BEGINNING, ends[place])
    if whole:
        _chain(blocks, whole[0])


def reseal() -> int:
    """Seals the history as it stands, under the key in use; returns how many Changes. Inside ``write()``."""
    ChangeBlock.delete().execute()
    ChangeAnchor.delete().execute()
    while _seal_next():
        pass
    return int(Change.select().count())


def foreign() -> bool:
    """Whether the history was sealed under another key file."""
    anchor = _anchor()
    return anchor is not None and anchor.key_mark != _key_mark()


def problems() -> Iterator[str]:
    """A sentence for each block that is not as it was sealed."""
    with read():
        anchor, blocks = _anchor(), ChangeBlock.select().order_by(ChangeBlock.number)
        if anchor is None:
            if blocks.exists():
                yield _("修改历史的封条不见了，无法确认历史是否完整。请与备份核对，然后运行 guke audit reseal。")
            return
        if anchor.key_mark != _key_mark():
            yield _(
                "修改历史是用另一个密钥文件封存的，无法核对。请恢复原来的密钥文件；找不回来时，运行 guke audit reseal。"
            )
            return
        number, after, prev = 0, BEGINNING, ""
        for block in blocks.iterator():
            if block.number != number + 1 or not hmac.compare_digest(str(block.mac), _mac(block, prev)):
                yield _("修改历史的第 %(number)s 个封条被改过，或者它前面缺了封条。", number=block.number)
            elif not _holds(block, after):
                yield _(
                    "修改历史第 %(first)s 到 %(last)s 条之间有内容被改过、插入或删除。",
                    first=max(after + 1, 1), last=block.last_id,
                )  # fmt: skip
            number, after, prev = block.number, block.last_id, str(block.mac)
        if not _is_sound(anchor) or (number, prev) != (anchor.last_number, anchor.last_mac):
            yield _("修改历史的末尾被改过或截断。请与备份核对，然后运行 guke audit reseal。")


def _digest(after: int, last: int) -> tuple[int, str]:
    """How many Changes there are with ids in (after, last], and the digest of what they say."""
    found, count = hashlib.sha256(), 0
    for row in _ROWS.execute(after, last):
        found.update(repr(tuple(row)).encode())
        count += 1
    return count, found.hexdigest()


def _holds(block: ChangeBlock, after: int) -> bool:
    return (block.count, block.digest) == _digest(after, int(block.last_id))


def _end(block: ChangeBlock | None) -> tuple[int, str]:
    """Where a block ends, and its seal; ``None`` stands before the first."""
    return (int(block.last_id), str(block.mac)) if block is not None else (BEGINNING, "")


def _is_whole(block: ChangeBlock, before: ChangeBlock | None) -> bool:
    after, prev = _end(before)
    return hmac.compare_digest(str(block.mac), _mac(block, prev)) and _holds(block, after)


def _links(blocks: Sequence[ChangeBlock]) -> bool:
    prev = ""
    for place, block in enumerate(blocks):
        if block.number != place + 1 or not hmac.compare_digest(str(block.mac), _mac(block, prev)):
            return False
        prev = str(block.mac)
    return True


def _ends(anchor: ChangeAnchor, blocks: Sequence[ChangeBlock]) -> bool:
    last = (blocks[-1].number, blocks[-1].mac) if blocks else (0, "")
    return last == (anchor.last_number, anchor.last_mac)


def _chain(blocks: Sequence[ChangeBlock], first: int) -> None:
    prev = str(blocks[first - 1].mac) if first else ""
    for block in blocks[first:]:
        block.mac = prev = _mac(block, prev)
    _RESEAL.executemany((b.count, b.digest, b.mac, b.number) for b in blocks[first:])
    _put_anchor(int(blocks[-1].number), prev)


def _block(number: int) -> ChangeBlock | None:
    return ChangeBlock.get_or_none(ChangeBlock.number == number)


def _mac(block: ChangeBlock, prev: str) -> str:
    said = json.dumps([block.number, block.last_id, block.count, block.digest, prev])
    return hmac.new(secrets.derive("changes"), said.encode(), hashlib.sha256).hexdigest()


def _key_mark() -> str:
    return hmac.new(secrets.derive("changes mark"), b"", hashlib.sha256).hexdigest()[:16]


def _anchor() -> ChangeAnchor | None:
    return ChangeAnchor.get_or_none() if db.table_exists(ChangeAnchor._meta.table_name) else None


def _anchor_seal(number: int, mac: str) -> str:
    return hmac.new(secrets.derive("changes anchor"), json.dumps([number, mac]).encode(), hashlib.sha256).hexdigest()


def _is_sound(anchor: ChangeAnchor) -> bool:
    return hmac.compare_digest(str(anchor.seal), _anchor_seal(int(anchor.last_number), str(anchor.last_mac)))


def _put_anchor(number: int, mac: str) -> None:
    ChangeAnchor.replace(
        id=1, last_number=number, last_mac=mac, key_mark=_key_mark(), seal=_anchor_seal(number, mac)
    ).execute()
