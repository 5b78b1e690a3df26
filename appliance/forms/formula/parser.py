"""Formula text → a tree. A grammar of our own: nothing in a formula is ever run as Python.

Names are ``{field}`` or bare words; operators are those of a spreadsheet (``+ - * / ^ % & = <> < <= > >=``); Chinese
punctuation counts as the ASCII one. Every node knows where it stands, so that a problem can be pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from flask_babel import gettext as _
from msgspec import Struct, field

MAX_LENGTH = 4_000
"""Characters of a formula."""
MAX_DEPTH = 40
MAX_NODES = 600


class FormulaProblem(ValueError):
    """What is wrong with a formula, as a sentence, and the characters it is about: ``text[start:end]``."""

    def __init__(self, message: str, start: int = 0, end: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = start + 1 if end is None else end


class Node(Struct, frozen=True):
    start: int
    end: int


class Literal(Node, frozen=True):
    """A number (``int`` or ``Decimal``), a text or a truth value."""

    value: int | Decimal | str | bool


class Name(Node, frozen=True):
    """A field, by key or label, as written."""

    name: str


class Call(Node, frozen=True):
    function: str
    args: tuple[Node, ...]


class Operation(Node, frozen=True):
    """``sign`` with one operand or two. ``%`` has one and follows it."""

    sign: str
    operands: tuple[Node, ...]


class Token(Struct, frozen=True):
    kind: str
    """number, text, name, field, sign or end."""
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))
    |(?P<text>"(?:[^"]|"")*"|“[^”]*”|'(?:[^']|'')*')
    |(?P<field>[{｛][^{}｛｝]*[}｝])
    |(?P<name>[^\W\d]\w*)
    |(?P<sign><>|!=|<=|>=|==|[-+*/^%&=<>(),;])""",
    re.VERBOSE,
)
_NARROW = str.maketrans("（），；＋－×÷＝＜＞％＆＊／≠≤≥", "(),;+-*/=<>%&*/≠≤≥")
_SIGNS = {"≠": "<>", "≤": "<=", "≥": ">=", "!=": "<>", "==": "=", ";": ","}
_TRUTHS = {"TRUE": True, "真": True, "FALSE": False, "假": False}
_BINDING = {"=": 1, "<>": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "&": 2, "+": 3, "-": 3, "*": 4, "/": 4, "^": 6}
_UNARY = 5


def tokens(text: str) -> Iterator[Token]:
    """The words of a formula, an ``end`` last. Raises :class:`FormulaProblem`."""
    place = 0
    while place < len(text):
        sign = text[place].translate(_NARROW)
        if sign in _SIGNS and text[place] not in "!=":
            yield Token("sign", _SIGNS[sign], place, place + 1)
            place += 1
            continue
        if sign != text[place]:
            yield Token("sign", sign, place, place + 1)
            place += 1
            continue
        found = _TOKEN.match(text, place)
        if found is None:
            raise _stray(text, place)
        kind = found.lastgroup or ""
        if kind != "space":
            raw = found.group()
            yield Token(kind, _SIGNS.get(raw, raw), place, found.end())
        place = found.end()
    yield Token("end", "", len(text), len(text))


def _stray(text: str, place: int) -> FormulaProblem:
    mark = text[place]
    if mark in "\"'“":
        return FormulaProblem(_("这段文字没有写完，少了后面的引号。"), place, len(text))
    if mark in "{｛":
        return FormulaProblem(_("字段名少了右边的大括号。"), place, len(text))
    return FormulaProblem(_("公式里不能有“%(mark)s”。", mark=mark), place)


class _Parser(Struct):
    text: str
    found: list[Token]
    place: int = 0
    nodes: int = field(default=0)

    @property
    def token(self) -> Token:
        return self.found[self.place]

    def take(self) -> Token:
        token = self.token
        self.place += 1
        return token

    def count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise FormulaProblem(_("公式太长了，请拆成几个公式字段。"), self.token.start)

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise FormulaProblem(_("请写出公式。"), 0, 0)
        node = self.expression(0, 0)
        if self.token.kind != "end":
            raise FormulaProblem(
                _("“%(text)s”前面少了运算符号。", text=self.token.text), self.token.start, self.token.end
            )
        return node

    def expression(self, binding: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise FormulaProblem(_("括号套得太深了，最多 %(max)d 层。", max=MAX_DEPTH), self.token.start)
        self.count()
        left = self.operand(depth)
        while self.token.kind == "sign":
            sign = self.token.text
            if sign == "%":
                left = Operation(left.start, self.take().end, "%", (left,))
                continue
            strength = _BINDING.get(sign, 0)
            if not strength or strength <= binding:
                break
            self.take()
            right = self.expression(strength, depth + 1)
            left = Operation(left.start, right.end, sign, (left, right))
        return left

    def operand(self, depth: int) -> Node:
        token = self.take()
        if token.kind == "number":
            value = Decimal(token.text) if "." in token.text else int(token.text)
            if len(token.text) > 30:
                raise FormulaProblem(_("这个数字太长了。"), token.start, token.end)
            return Literal(token.start, token.end, value)
        if token.kind == "text":
            quote = token.text[0]
            inner = token.text[1:-1]
            return Literal(token.start, token.end, inner if quote == "“" else inner.replace(quote * 2, quote))
        if token.kind == "field":
            return Name(token.start, token.end, token.text[1:-1].strip())
        if token.kind == "name":
            return self.word(token, depth)
        if token.kind == "sign" and token.text in ("-", "+"):
            inner_node = self.expression(_UNARY, depth + 1)
            return Operation(token.start, inner_node.end, token.text, (inner_node,))
        if token.kind == "sign" and token.text == "(":
            node = self.expression(0, depth + 1)
            self.close(token)
            return node
        if token.kind == "end":
            raise FormulaProblem(_("公式没有写完。"), max(0, token.start - 1), token.end)
        raise FormulaProblem(_("“%(sign)s”的前面少了内容。", sign=token.text), token.start, token.end)

    def word(self, token: Token, depth: int) -> Node:
        if self.token.kind == "sign" and self.token.text == "(":
            opened = self.take()
            args = tuple(self.arguments(opened, depth))
            return Call(token.start, self.found[self.place - 1].end, token.text, args)
        if token.text.upper() in _TRUTHS:
            return Literal(token.start, token.end, _TRUTHS[token.text.upper()])
        return Name(token.start, token.end, token.text)

    def arguments(self, opened: Token, depth: int) -> Iterator[Node]:
        if self.token.kind == "sign" and self.token.text == ")":
            self.take()
            return
        while True:
            yield self.expression(0, depth + 1)
            if self.token.kind == "sign" and self.token.text == ",":
                self.take()
                continue
            self.close(opened)
            return

    def close(self, opened: Token) -> None:
        if self.token.kind == "sign" and self.token.text == ")":
            self.take()
        elif self.token.kind == "end":
            raise FormulaProblem(_("少了右边的括号。"), opened.start, opened.end)
        else:
            raise FormulaProblem(
                _("“%(text)s”前面少了逗号、运算符号或右边的括号。", text=self.token.text),
                self.token.start,
                self.token.end,
            )


def parse(text: str) -> Node:
    """Raises :class:`FormulaProblem`."""
    if len(text) > MAX_LENGTH:
        raise FormulaProblem(_("公式太长了，最多 %(max)d 个字符。", max=MAX_LENGTH), 0, len(text))
    # A leading "=" is the habit of a spreadsheet.
    begin = text.lstrip()
    if begin.startswith(("=", "＝")):
        text = " " * (len(text) - len(begin) + 1) + begin[1:]
    return _Parser(text, list(tokens(text))).whole()


def names(node: Node) -> Iterator[Name]:
    """The fields that a tree names, in order."""
    if isinstance(node, Name):
        yield node
    for part in node.args if isinstance(node, Call) else node.operands if isinstance(node, Operation) else ():
        yield from names(part)


def calls(node: Node) -> Iterator[Call]:
    """The functions that a tree calls."""
    if isinstance(node, Call):
        yield node
    for part in node.args if isinstance(node, Call) else node.operands if isinstance(node, Operation) else ():
        yield from calls(part)


def rename(text: str, new: dict[tuple[int, int], str]) -> str:
    """The text with other words at some places (``Name.start, Name.end``)."""
    for (start, end), word in sorted(new.items(), reverse=True):
        text = text[:start] + word + text[end:]
    return text
