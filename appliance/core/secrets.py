"""The key file and what it protects: platform tokens in the database, cookies, one-time links.

The key lies beside the database, not in it: a copy of the database alone opens nothing.

The key file holds one key a line. There are two only while keys are changed (``ops.rotation``), or when that was
interrupted: then a mark in the database, written in the transaction that seals everything anew, says which one counts.
So at any moment, whatever happens, all of the database is sealed with one key and that key is in the file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import peewee
from flask_babel import gettext as _

from . import clock, folder
from .db import read
from .errors import UserError
from .models import Setting

_PREFIX = "v1."
_KEY_BYTES = 32
_NONCE_BYTES = 12

_MARK = "_key"

_loaded: tuple[tuple[Path, int, int], bytes] | None = None
_chosen: ContextVar[bytes | None] = ContextVar("key", default=None)


def make_key(data: Path) -> None:
    """Writes a new key file, readable by its owner only, unless there is one."""
    if not (data / folder.KEY_NAME).exists():
        _put(data, [new_key()], exclusive=True)
    forget()


def new_key() -> bytes:
    return os.urandom(_KEY_BYTES)


def parse_keys(content: bytes) -> list[bytes]:
    """The keys, of 32 bytes, in a key file's content. Raises :class:`UserError`."""
    try:
        keys = [base64.b64decode(line, validate=True) for line in content.split()]
    except ValueError:
        keys = []
    if not 1 <= len(keys) <= 2 or any(len(key) != _KEY_BYTES for key in keys):
        raise UserError(_("密钥文件已损坏，请从备份恢复 %(name)s。", name=folder.KEY_NAME))
    return keys


def stage(fresh: bytes) -> None:
    """Puts a key beside the one in use, before anything is sealed with it."""
    _put(folder.path(), [_key(), fresh])


def adopt(fresh: bytes) -> None:
    """Says in the database that ``fresh`` is the key in use; in the transaction that seals everything with it."""
    row = {"key": _MARK, "value": _mark(fresh), "updated_at": clock.now(), "updated_by": None}
    Setting.replace(row).execute()


def settle() -> bool:
    """Leaves only the key in use in the file; whether there was another one. Nobody else may be changing keys."""
    file = folder.path() / folder.KEY_NAME
    if not file.exists() or len(parse_keys(file.read_bytes())) == 1:
        return False
    _put(folder.path(), [_key()])
    return True


@contextmanager
def using(key: bytes) -> Iterator[None]:
    """Seals, opens and signs with ``key`` in the block."""
    token = _chosen.set(key)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_use() -> bytes:
    """The key that seals the open database."""
    return _key()


def forget() -> None:
    """Reads the key file anew at the next use (it was replaced)."""
    global _loaded
    _loaded = None


def _put(data: Path, keys: list[bytes], *, exclusive: bool = False) -> None:
    """Replaces the key file in one step that survives a power cut."""
    part = data / f".{folder.KEY_NAME}.{os.getpid()}.part"
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(base64.b64encode(key) + b"\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            # Two processes that start at once must end with the same key.
            with suppress(FileExistsError):
                os.link(part, data / folder.KEY_NAME)
        else:
            os.replace(part, data / folder.KEY_NAME)
    finally:
        part.unlink(missing_ok=True)
    folder.fsync(data)
    forget()


def _mark(key: bytes) -> str:
    """Tells keys apart, and says nothing about them."""
    return hmac.new(key, b"mark", hashlib.sha256).hexdigest()[:16]


def _key() -> bytes:
    global _loaded
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    file = folder.path() / folder.KEY_NAME
    try:
        known = file.stat()
        # Another process may have changed the keys.
        seen = (file, known.st_mtime_ns, known.st_ino)
        if _loaded is not None and _loaded[0] == seen:
            return _loaded[1]
        keys = parse_keys(file.read_bytes())
    except FileNotFoundError:
        raise UserError(_("数据目录中没有密钥文件 %(name)s，请从备份恢复后重试。", name=folder.KEY_NAME)) from None
    if len(keys) > 1:
        return _marked(keys)
    _loaded = (seen, keys[0])
    return keys[0]


def _marked(keys: list[bytes]) -> bytes:
    with read():
        mark = Setting.select(Setting.value).where(Setting.key == _MARK).scalar()
    return next((key for key in keys if _mark(key) == mark), keys[0])


def derive(purpose: str) -> bytes:
    """32 bytes that depend on the key and ``purpose``, e.g. Flask's SECRET_KEY."""
    return hmac.digest(_key(), purpose.encode(), hashlib.sha256)


def sign(text: str, purpose: str) -> str:
    """A hex signature of ``text``, valid for ``purpose`` only."""
    return hmac.new(derive(f"sign:{purpose}"), text.encode(), hashlib.sha256).hexdigest()


def verify(text: str, signature: str, purpose: str) -> bool:
    return hmac.compare_digest(sign(text, purpose).encode(), signature.encode())


def seal(text: str) -> str:
    """Encrypts (AES-256-GCM). Equal texts give different results."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(derive("seal")).encrypt(nonce, text.encode(), None)
    return _PREFIX + base64.b64encode(nonce + sealed).decode()


def unseal(sealed: str) -> str:
    """The text that :func:`seal` got. Raises :class:`UserError` when the key is another one or the text was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = base64.b64decode(sealed.removeprefix(_PREFIX), validate=True)
        return AESGCM(derive("seal")).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
    except (InvalidTag, ValueError):
        raise UserError(_("现有的密钥文件解不开已保存的密码或令牌，请重新填写，或恢复原来的密钥文件。")) from None


class SealedField(peewee.TextField):
    """A text column whose content is sealed; ``guke check`` tries to open every one of them."""

    def db_value(self, value: Any) -> Any:
        return None if value is None else seal(str(value))

    def python_value(self, value: Any) -> Any:
        return None if value is None else unseal(value)
