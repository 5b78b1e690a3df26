"""Regular expressions that the company writes: compiled when no text can keep them busy.

Python tries every way in which a pattern can match before it gives up. The number of ways is estimated from the parsed
pattern; one that grows out of hand (``(a+)+``, ``.*.*.*``) is refused when the field is designed, so that no value that
somebody sends can hold up the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parse  # type: ignore[attr-defined]
from typing import Any

from flask_babel import gettext as _

from .errors import FieldError

LONGEST_PATTERN = 300
LONGEST_VALUE = 500
"""Characters of a value that is held to a pattern."""
MOST_WAYS = 1_000_000

_PLAIN = frozenset(map(chr, range(128))) | frozenset("中文é９　，。")
_CATEGORIES = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_WORD: lambda c: c.isalnum() or c == "_",
}
_NOT = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
}
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)

Chars = frozenset[str]


def compile_pattern(text: Any) -> re.Pattern[str]:
    """Raises :class:`FieldError` for what is no pattern, or one that could take too long."""
    if not isinstance(text, str) or len(text) > LONGEST_PATTERN:
        raise FieldError(_("格式规则要写成文字，最多 %(max)d 个字。", max=LONGEST_PATTERN))
    try:
        compiled, tree = re.compile(text), sre_parse.parse(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise FieldError(_("格式规则写得不对：%(why)s。", why=error)) from error
    try:
        ways = _Estimate(text, bool(compiled.flags & re.IGNORECASE)).sequence(list(tree), frozenset())
    except _Unsupported as error:
        raise FieldError(_("格式规则里不能引用前面匹配到的内容。")) from error
    if ways > MOST_WAYS:
        raise FieldError(
            _(
                "这条格式规则遇到长文字会算得太久：重复里不要再套重复，不要把几段任意长的内容连在一起。可以写明次数，比如 {1,20}。"
            )
        )
    return compiled


class _Unsupported(Exception):
    pass


class _Estimate:
    """How many ways a pattern can match one text. Sets of characters are those of a sample that holds all that the pattern names."""

    def __init__(self, text: str, fold: bool) -> None:
        self.all: Chars = _PLAIN | frozenset(text)
        self.fold = fold

    def sequence(self, items: Sequence[Any], follow: Chars) -> float:
        """``follow``: what may come after the sequence; nothing at the end of the whole."""
        ways = 1.0
        for i, item in enumerate(items):
            ways *= self.item(item, self.first(items[i + 1 :], follow))
        return ways

    def item(self, item: Any, follow: Chars) -> float:
        op, value = item
        if op in _REPEATS:
            return self.repeat(value, follow)
        if op is sre.BRANCH:
            parts = [self.sequence(list(part), follow) for part in value[1]]
            starts = [self.first(list(part), follow) for part in value[1]]
            apart = sum(map(len, starts)) == len(frozenset().union(*starts))
            return max(parts) if apart else sum(parts)
        if op is sre.SUBPATTERN:
            return self.sequence(list(value[3]), follow)
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            return self.sequence(list(value[1]), self.all)
        if op is sre.ATOMIC_GROUP:
            return self.sequence(list(value), self.all)
        if op is sre.POSSESSIVE_REPEAT:
            return self.repeat(value, self.all)
        if op in (sre.GROUPREF, sre.GROUPREF_EXISTS):
            raise _Unsupported
        return 1.0

    def repeat(self, value: Any, follow: Chars) -> float:
        least, most, part = int(value[0]), int(value[1]), list(value[2])
        most = min(most, LONGEST_VALUE)
        start = self.first(part, frozenset())
        inside = self.sequence(part, follow | start if most > 1 else follow)
        # One way to go on: what is repeated and what follows begin differently.
        lengths = most - least + 1 if start & follow else 1
        if inside == 1:
            return float(lengths)
        return float("inf") if most * inside > 1_000 else lengths * inside**most

    def first(self, items: Sequence[Any], follow: Chars) -> Chars:
        """The characters with which a text that matches may begin; ``follow`` when it may match nothing."""
        found: Chars = frozenset()
        for item in items:
            chars, empty = self.begins(item)
            found |= chars
            if not empty:
                return found
        return found | follow

    def begins(self, item: Any) -> tuple[Chars, bool]:
        """The first characters of one part, and whether it may match nothing."""
        op, value = item
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.IN):
            chars = self.members(value if op is sre.IN else [item])
            return chars | {c.swapcase() for c in chars} if self.fold else chars, False
        if op is sre.ANY:
            return self.all, False
        if op in (*_REPEATS, sre.POSSESSIVE_REPEAT):
            chars, empty = self._of_all(list(value[2]))
            return chars, empty or not value[0]
        if op is sre.BRANCH:
            parts = [self._of_all(list(part)) for part in value[1]]
            return frozenset().union(*[chars for chars, _e in parts]), any(empty for _c, empty in parts)
        if op is sre.SUBPATTERN:
            return self._of_all(list(value[3]))
        if op is sre.ATOMIC_GROUP:
            return self._of_all(list(value))
        return frozenset(), True

    def _of_all(self, items: list[Any]) -> tuple[Chars, bool]:
        end = frozenset({""})
        found = self.first(items, end)
        return found - end, "" in found

    def members(self, parts: Sequence[Any]) -> Chars:
        found: Chars = frozenset()
        negated = False
        for op, value in parts:
            if op is sre.NEGATE:
                negated = True
            elif op is sre.LITERAL:
                found |= {chr(value)}
            elif op is sre.NOT_LITERAL:
                found |= self.all - {chr(value)}
            elif op is sre.RANGE:
                found |= frozenset(c for c in self.all if value[0] <= ord(c) <= value[1])
            elif op is sre.CATEGORY:
                found |= self.category(value)
        return self.all - found if negated else found

    def category(self, name: Any) -> Chars:
        if name in _NOT:
            return self.all - self.category(_NOT[name])
        test = _CATEGORIES.get(name)
        return frozenset(c for c in self.all if test is None or test(c))
