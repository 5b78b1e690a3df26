"""The key file and what it protects: platform tokens in the database, cookies, one-time links.

The key lies beside the database, not in it: a copy of the database alone opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path
from typing import Any

import peewee
from flask_babel import gettext as _

from . import folder
from .errors import UserError

_PREFIX = "v1."
_KEY_BYTES = 32
_NONCE_BYTES = 12

_loaded: tuple[Path, bytes] | None = None


def make_key(data: Path) -> None:
    """Writes a new key file, readable by its owner only, unless there is one."""
    try:
        handle = os.open(data / folder.KEY_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    forget()


def parse_key(content: bytes) -> bytes:
    """The 32 key bytes of a key file's content. Raises :class:`UserError`."""
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise UserError(_("密钥文件已损坏，请从备份恢复 %(name)s。", name=folder.KEY_NAME))
    return key


def forget() -> None:
    """Reads the key file anew at the next use (it was replaced)."""
    global _loaded
    _loaded = None


def _key() -> bytes:
    global _loaded
    data = folder.path()
    if _loaded is None or _loaded[0] != data:
        try:
            content = (data / folder.KEY_NAME).read_bytes()
        except FileNotFoundError:
            raise UserError(_("数据目录中没有密钥文件 %(name)s，请从备份恢复后重试。", name=folder.KEY_NAME)) from None
        _loaded = (data, parse_key(content))
    return _loaded[1]


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
