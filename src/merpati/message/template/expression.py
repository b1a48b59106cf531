"""Expressions: what stands between the braces, read once into closures over the data.

A closure takes the scope (every name the template can see) and returns a value of `values.py`.
Nothing is ever turned into Python source. Chains of operators are loops, not nested calls, and
nesting is bounded, so no template can exhaust the stack, here or when it is rendered.

Source: sparkpost-api 6.2 and 6.5; precedence as in Lua 5.1, section 2.5.6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from merpati.message.errors import TemplateRenderError
from merpati.message.template import values

Scope = dict[str, Any]
Evaluate = Callable[[Scope], Any]

MAX_NESTING = 32  # parentheses, brackets and macro calls inside one another

KEYWORDS = frozenset(
    {"and", "break", "do", "each", "else", "elseif", "end", "false", "for", "function", "if"}
    | {"local", "nil", "not", "or", "return", "then", "true", "until", "while"}
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
      | (?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")
      | (?P<sign>==|!=|<=|>=|[<>+\-*/\#()\[\].,])
    )""",
    re.VERBOSE | re.DOTALL,
)
_SIMPLE_PATH = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]{1,9}\])*)", re.DOTALL
)
_LINK = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}

_CURLY_MACROS = {
    "opening_single_curly": "{",
    "closing_single_curly": "}",
    "opening_double_curly": "{{",
    "closing_double_curly": "}}",
    "opening_triple_curly": "{{{",
    "closing_triple_curly": "}}}",
}
_LATER_MACROS = frozenset({"render_dynamic_content", "render_snippet"})


class ExpressionError(Exception):
    """The expression cannot be read; the compiler adds part and line."""


class Expression(NamedTuple):
    """A compiled expression, the names of data it starts from, and what it is called in `each`.

    last_segment: `sub` for the path `rows[1].sub`; None when it is no path or ends in a number.
    """

    evaluate: Evaluate
    names: frozenset[str]
    last_segment: str | None = None


class Token(NamedTuple):
    """One word of an expression; value is the number, or the string without its quotes."""

    kind: str  # name, number, string or sign
    text: str
    value: float | str = ""


def simple_path(source: str) -> Expression | None:
    """Return the expression for a plain path such as `a.b[1]`, or None: then parse it in full.

    source: without blanks around it. Most fields of most templates are this, so it is quick.
    """
    match = _SIMPLE_PATH.fullmatch(source)
    if match is None or match[1] in KEYWORDS:
        return None
    name, rest = match.groups()
    if not rest:
        return Expression(lambda scope: scope.get(name), frozenset((name,)), name)
    links: list[str | int] = [key or int(index) for key, index in _LINK.findall(rest)]
    last = links[-1]
    segment = last if isinstance(last, str) else None
    return Expression(_path_of_constants(name, links), frozenset((name,)), segment)


def tokens_of(source: str) -> list[Token]:
    """Return an expression's tokens; raises ExpressionError at the first thing that is none."""
    found: list[Token] = []
    position, end = 0, len(source.rstrip())
    while position < end:
        match = _TOKEN.match(source, position, end)
        if match is None:
            rest = source[position:end].lstrip()
            raise ExpressionError(f"syntax error near {_shown(rest)}")
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        found.append(Token(kind, text, _token_value(kind, text)))
        position = match.end()
    return found


def parse(tokens: list[Token]) -> Expression:
    """Return the compiled expression of these tokens; raises ExpressionError."""
    return _Parser(tokens).whole()


def _token_value(kind: str, text: str) -> float | str:
    if kind == "number":
        found = float(text)
        if math.isinf(found):
            raise ExpressionError(f"number too large near {_shown(text)}")
        return found
    if kind == "string":
        return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1])
    return text


def _shown(text: str) -> str:
    return f"'{text[:20]}'"


class _Parser:
    """Recursive descent; one method per level of precedence, weakest first."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self._names: set[str] = set()
        self._segment: str | None = None
        self._path_span = (-1, -1)

    def whole(self) -> Expression:
        if not self._tokens:
            raise ExpressionError("an expression is missing")
        evaluate = self._either()
        if self._position < len(self._tokens):
            raise ExpressionError(f"syntax error near {_shown(self._tokens[self._position].text)}")
        is_path = self._path_span == (0, len(self._tokens))
        return Expression(evaluate, frozenset(self._names), self._segment if is_path else None)

    # -- reading tokens --

    def _peek(self) -> str:
        """Return the next sign or word, "" for literals and at the end."""
        if self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind in ("name", "sign"):
                return token.text
        return ""

    def _take(self) -> Token:
        if self._position >= len(self._tokens):
            raise ExpressionError("syntax error: the expression ends too early")
        self._position += 1
        return self._tokens[self._position - 1]

    def _expect(self, sign: str) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != sign:
            raise ExpressionError(f"syntax error near {_shown(token.text)}: expected '{sign}'")

    def _nested(self, closing: str) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise ExpressionError(f"expression nested more than {MAX_NESTING} levels deep")
        evaluate = self._either()
        self._expect(closing)
        self._depth -= 1
        return evaluate

    # -- levels of precedence --

    def _either(self) -> Evaluate:
        operands = [self._both()]
        while self._peek() == "or":
            self._position += 1
            operands.append(self._both())
        return operands[0] if len(operands) == 1 else _any_of(operands)

    def _both(self) -> Evaluate:
        operands = [self._relation()]
        while self._peek() == "and":
            self._position += 1
            operands.append(self._relation())
        return operands[0] if len(operands) == 1 else _all_of(operands)

    def _relation(self) -> Evaluate:
        return self._chain(self._sum, _RELATIONS)

    def _sum(self) -> Evaluate:
        return self._chain(self._product, _SUMS)

    def _product(self) -> Evaluate:
        return self._chain(self._unary, _PRODUCTS)

    def _chain(self, operand: Callable[[], Evaluate], signs: dict[str, _Binary]) -> Evaluate:
        first = operand()
        rest: list[tuple[_Binary, Evaluate]] = []
        while (sign := self._peek()) in signs:
            self._position += 1
            rest.append((signs[sign], operand()))
        return _left_to_right(first, rest) if rest else first

    def _unary(self) -> Evaluate:
        signs: list[_Unary] = []
        while (sign := self._peek()) in _UNARY:
            self._position += 1
            signs.append(_UNARY[sign])
        inner = self._primary()
        return _prefixed(signs, inner) if signs else inner

    def _primary(self) -> Evaluate:
        start = self._position
        token = self._take()
        match token.kind:
            case "number" | "string":
                return _constant(token.value)
            case "name" if token.text in _CONSTANTS:
                return _constant(_CONSTANTS[token.text])
            case "name" if token.text not in KEYWORDS:
                return self._call(token.text) if self._peek() == "(" else self._path(token, start)
            case "sign" if token.text == "(":
                return self._nested(")")
            case _:
                raise ExpressionError(f"syntax error near {_shown(token.text)}")

    def _path(self, name: Token, start: int) -> Evaluate:
        self._names.add(name.text)
        segment: str | None = name.text
        links: list[Evaluate] = []
        constants: list[str | int] | None = []
        while (sign := self._peek()) in (".", "["):
            self._position += 1
            key: str | int | None = None
            if sign == ".":
                token = self._take()
                if token.kind != "name":
                    raise ExpressionError(f"syntax error near {_shown(token.text)}")
                key = token.text
                links.append(_constant(key))
            else:
                opening = self._position
                links.append(self._nested("]"))
                if self._position == opening + 2:  # one token: 'b', 2 or a variable
                    key = _constant_key(self._tokens[opening])
            segment = key if isinstance(key, str) else None
            if key is None:
                constants = None
            elif constants is not None:
                constants.append(key)
        self._segment, self._path_span = segment, (start, self._position)
        if constants is not None:
            return _path_of_constants(name.text, constants)
        return _path_of_expressions(name.text, links)

    def _call(self, name: str) -> Evaluate:
        if name in _LATER_MACROS:
            raise ExpressionError(f"{name}() is not supported yet")
        self._position += 1  # the opening parenthesis
        if name in _CURLY_MACROS:
            self._expect(")")
            return _constant(_CURLY_MACROS[name])
        if name == "empty":
            argument = self._nested(")")
            return lambda scope: values.is_empty(argument(scope))
        raise ExpressionError(f"unknown macro {_shown(name)}")


# -- closures --

_Binary = Callable[[Any, Any], Any]
_Unary = Callable[[Any], Any]


def _divide(left: Any, right: Any) -> float:
    divisor = values.operand(right)
    if divisor == 0:
        raise TemplateRenderError("division by zero")
    return values.operand(left) / divisor


_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_RELATIONS: dict[str, _Binary] = {
    "==": values.equal,
    "!=": lambda left, right: not values.equal(left, right),
    "<": values.less,
    ">": lambda left, right: values.less(right, left),
    "<=": lambda left, right: not values.less(right, left),
    ">=": lambda left, right: not values.less(left, right),
}
_SUMS: dict[str, _Binary] = {
    "+": lambda left, right: values.operand(left) + values.operand(right),
    "-": lambda left, right: values.operand(left) - values.operand(right),
}
_PRODUCTS: dict[str, _Binary] = {
    "*": lambda left, right: values.operand(left) * values.operand(right),
    "/": _divide,
}
_UNARY: dict[str, _Unary] = {
    "not": lambda value: not values.is_true(value),
    "-": lambda value: -values.operand(value),
    "#": values.length,
}


def _constant(value: Any) -> Evaluate:
    return lambda scope: value


def _constant_key(token: Token) -> str | int | None:
    if token.kind == "string":
        return str(token.value)
    if token.kind == "number" and float(token.value).is_integer():
        return int(token.value)
    return None


def _path_of_constants(name: str, links: list[str | int]) -> Evaluate:
    if not links:
        return lambda scope: scope.get(name)
    if len(links) == 1 and isinstance(links[0], int):
        return _item_of_array(name, links[0])

    def evaluate(scope: Scope) -> Any:
        value = scope.get(name)
        for link in links:
            if value is None:
                return None
            value = values.item(value, link)
        return value

    return evaluate


def _item_of_array(name: str, index: int) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        array = scope.get(name)
        if type(array) is list and 0 < index <= len(array):
            return array[index - 1]
        return None

    return evaluate


def _path_of_expressions(name: str, links: list[Evaluate]) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = scope.get(name)
        for link in links:
            if value is None:
                return None
            value = values.item(value, link(scope))
        return value

    return evaluate


def _any_of(operands: list[Evaluate]) -> Evaluate:
    *first, last = operands

    def evaluate(scope: Scope) -> Any:
        for operand in first:
            value = operand(scope)
            if value is not None and value is not False:
                return value
        return last(scope)

    return evaluate


def _all_of(operands: list[Evaluate]) -> Evaluate:
    *first, last = operands

    def evaluate(scope: Scope) -> Any:
        for operand in first:
            value = operand(scope)
            if value is None or value is False:
                return value
        return last(scope)

    return evaluate


def _left_to_right(first: Evaluate, rest: list[tuple[_Binary, Evaluate]]) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = first(scope)
        for operator, operand in rest:
            value = operator(value, operand(scope))
        return value

    return evaluate


def _prefixed(signs: list[_Unary], inner: Evaluate) -> Evaluate:
    inside_out = signs[::-1]

    def evaluate(scope: Scope) -> Any:
        value = inner(scope)
        for sign in inside_out:
            value = sign(value)
        return value

    return evaluate
