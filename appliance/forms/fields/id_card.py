"""The number of a resident's identity card (GB 11643): stored sealed, shown masked.

The column holds ``<tail>.<sealed>``. ``sealed`` is the number under AES-SIV (RFC 5297) with a key that lies outside the
database: equal numbers give equal text, so that equality, uniqueness and upsert work on what is stored, and nobody without
the key can tell which number it is. ``tail`` is a keyed hash (HMAC) of the last four characters, so that these can be looked
for. Changes, exports, the API and backups hold the sealed form or the mask; the whole number is shown only on demand
(``forms.revealing``), and that is written to the audit log.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import clock, secrets, settings
from .. import regions
from ..parsing import narrow
from .base import Field, FieldError, Setting, raw_text

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..conditions import Context
    from ..hooks import Draft

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"
TAIL = re.compile(r"\d{3}[\dX]")
SEALED = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{46})")
TOKEN = re.compile(rf"(?<![\w-]){SEALED.pattern}(?![\w-])", re.ASCII)
"""A sealed number inside a longer text (a Change, a saved condition)."""
HIDDEN = "*" * 11
_SEX = {"male": ("男", "男性", "male", "m", "1"), "female": ("女", "女性", "female", "f", "2")}


def check_digit(body: str) -> str:
    """The 18th character that belongs to 17 digits (GB 11643-1999, ISO 7064 MOD 11-2)."""
    return CHECKS[sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True)) % 11]


def normal(raw: Any) -> str:
    """The 18 characters of a number that can exist. Raises :class:`FieldError` with a sentence."""
    text = re.sub(r"[\s-]", "", narrow(raw_text(raw))).upper()
    if "*" in text:
        raise FieldError(_("这是遮住的号码。请填完整的 18 位，或者不改它。"))
    if not re.fullmatch(r"\d{17}[\dX]", text, re.ASCII):
        raise FieldError(_("身份证号要是 18 位，最后一位可以是 X。"))
    if check_digit(text[:17]) != text[17]:
        raise FieldError(_("身份证号的校验位不对，请核对是否抄错。"))
    if birthday(text) is None:
        raise FieldError(_("身份证号里的出生日期不存在，请核对是否抄错。"))
    return text


def birthday(number: str) -> str | None:
    """The date of birth (ISO); ``None`` for a day that never was or is still to come."""
    try:
        day = dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None
    return day.isoformat() if dt.date(1860, 1, 1) <= day <= clock.today(settings.tz()) else None


def sex(number: str) -> str:
    """``male`` or ``female``."""
    return "male" if int(number[16]) % 2 else "female"


def region(number: str) -> str | None:
    """The code of the division that issued the first card, as far as it still exists; ``None`` for an unknown one."""
    for code in (number[:6], number[:4] + "00", number[:2] + "0000"):
        if regions.exists(code):
            return code
    return None


def mask(number: str) -> str:
    return number[:3] + HIDDEN + number[-4:]


def seal(number: str) -> str:
    """The stored form of a normal number."""
    sealed = base64.urlsafe_b64encode(_cipher().encrypt(number.encode(), None)).decode().rstrip("=")
    return f"{tail(number[-4:])}.{sealed}"


def unseal(stored: str) -> str | None:
    """The number; ``None`` for what this installation's key did not seal."""
    from cryptography.exceptions import InvalidTag

    found = SEALED.fullmatch(stored)
    if not found:
        return None
    try:
        return str(_cipher().decrypt(base64.urlsafe_b64decode(found[2] + "=="), None).decode())
    except (InvalidTag, ValueError):
        return None


def tail(last_four: str) -> str:
    """What is stored of the last four characters: 16 hexadecimal digits that only the key's holder can make."""
    return hmac.new(secrets.derive("id_card.tail"), last_four.encode(), hashlib.sha256).hexdigest()[:16]


def _cipher() -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    # AES-256-SIV takes two keys.
    return AESSIV(secrets.derive("id_card.mac") + secrets.derive("id_card.text"))


class IdCard(Field):
    """Given as 18 characters, or as the token that the API prints: ``{"masked": "330***********1234", "token": "…"}``.

    ``birthday``, ``sex`` and ``region``: keys of fields of the form that a new number fills in where they are empty.
    """

    type = "id_card"
    name = _l("身份证号")
    icon = "id"
    group = "contact"
    operators = ("eq", "ne", "in", "not_in", "ends_with", "empty", "not_empty")
    operator_words: ClassVar[dict[str, Any]] = {"ends_with": _l("最后四位是")}
    sortable = False
    searchable = False
    revealable = True
    formula_type = None
    # The key is not the reader process's to have.
    needs_database = True
    input_template = "forms/fields/id_card.html"
    scripts = ("id_card.js",)

    FILLS = ("birthday", "sex", "region")

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        note = _l("填好身份证号时，空着的这个字段会自动填上。")
        return (
            Setting("birthday", "field", _l("生日填到"), note),
            Setting("sex", "field", _l("性别填到"), note),
            Setting("region", "field", _l("籍贯地区填到"), note),
        )

    def check_options(self) -> None:
        for name in self.FILLS:
            if not isinstance(self.options.get(name) or "", str):
                raise FieldError(_("「%(name)s」要是本表单一个字段的键名。", name=name))

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, dict):
            raw = raw.get("token")
        if raw is None or raw == "":
            return None
        if isinstance(raw, (bool, float, list, dict)):
            raise FieldError(_("身份证号要是 18 位，最后一位可以是 X。"))
        if isinstance(raw, str) and SEALED.fullmatch(raw):
            # What another key sealed stays as it is, so that the rest of its record can still be edited.
            return raw
        text = raw_text(raw)
        return seal(normal(text)) if text else None

    def to_api(self, value: Any) -> Any:
        return None if value is None else {"masked": self.format(value), "token": value}

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        number = unseal(value)
        return mask(number) if number else "*" * 18

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup('<span class="num">{}</span>').format(self.format(value)) if value else Markup("")

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        """With a button that shows the whole number: only who sees the field unmasked gets here."""
        if value is None or record is None:
            return self.render(value, record)
        return self.sealed(self.render(value), record)

    def reveal(self, value: Any) -> str | None:
        """The whole value. The caller has checked the right to see it and writes the audit log."""
        return None if value is None else unseal(value)

    def form_value(self, value: Any) -> str:
        return value or ""

    def shown(self, typed: Any) -> str:
        """What the input shows: the mask of a stored number, else what was typed."""
        text = str(typed or "")
        return self.format(text) if SEALED.fullmatch(text) else text

    def from_form(self, given: MultiDict[str, str]) -> str:
        typed, kept = given.get(self.key, "").strip(), given.get(f"{self.key}.kept", "")
        return kept if kept and typed == self.format(kept) else typed

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op != "ends_with":
            return super().compile_positive(column, op, value, ctx)
        last = narrow(raw_text(value)).upper()
        if not TAIL.fullmatch(last):
            raise FieldError(_("请给出「%(field)s」的最后四位。", field=self.label))
        return self._ending(column, last)

    @staticmethod
    def _ending(column: Any, last: str) -> Any:
        start = tail(last)
        return column.between(f"{start}.", f"{start}/")

    def sought(self, column: Any, text: str) -> Any:
        """By the whole number or its last four characters, without opening what is sealed."""
        typed = re.sub(r"[\s-]", "", narrow(text)).upper()
        if TAIL.fullmatch(typed):
            return self._ending(column, typed)
        try:
            return column == seal(normal(typed)) if len(typed) == 18 else None
        except FieldError:
            return None

    def operand_words(self, op: str, value: Any) -> str:
        return str(value) if op == "ends_with" else super().operand_words(op, value)

    def _word(self, value: Any) -> str:
        try:
            return self.format(self.parse(value))
        except ValueError:
            return "*" * 18

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "object", "null"], "description": 'Printed as {"masked": …, "token": …}.'}

    def complete(self, draft: Draft) -> None:
        """Fills what the number says into fields that are empty."""
        column = draft.columns.get(self.key)
        targets = [(name, f) for name in self.FILLS if (f := draft.form.columns.get(self.options.get(name) or ""))]
        if column is None or not targets:
            return
        for i, value in enumerate(column):
            number = unseal(value) if isinstance(value, str) else None
            for name, f in targets if number else []:
                self._fill(draft, i, f, {"birthday": birthday, "sex": sex, "region": region}[name](number or ""), name)

    def _fill(self, draft: Draft, i: int, f: Field, value: str | None, name: str) -> None:
        held = (draft.before.get(draft.ids[i]) or {}).get(f.key) if draft.ids else None
        given = draft.columns.get(f.key)
        # What was said, be it "nothing", stands; what was not said is filled in where nothing is held.
        if held is not None or value is None or (given is not None and isinstance(given[i], (str, int, float))):
            return
        for spelling in _SEX[value] if name == "sex" else (value,):
            try:
                stored = f.parse(spelling)
            except ValueError:
                continue
            if given is None:
                from ..hooks import UNSET

                given = draft.columns[f.key] = [UNSET if draft.action == "update" else None] * draft.size
            given[i] = stored
            return
