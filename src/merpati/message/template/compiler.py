"""From template text to a compiled template: braces, statements and the blanks around them.

One pass over the source, linear in its length; statements go on an explicit stack.

Source: sparkpost-api 6.2 (escaping by place), 6.3 (statements and white space).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from merpati.message.errors import TemplateSyntaxError
from merpati.message.template import values
from merpati.message.template.escaping import Place, ends_in_url, escape_html, escape_url
from merpati.message.template.expression import (
    Evaluate,
    Expression,
    ExpressionError,
    Scope,
    Token,
    parse,
    simple_path,
    tokens_of,
)
from merpati.message.template.program import (
    Branch,
    Each,
    Field,
    FieldText,
    If,
    Node,
    Template,
)

MAX_BLOCKS = 64  # statements inside one another

_STATEMENT = re.compile(r"(?:if|elseif|else|end|each)(?![A-Za-z0-9_])")
_BLANKS = " \t"


def compile_template(source: str, place: Place, part: str) -> Template:
    """Return the compiled template; part names it in errors. Raises TemplateSyntaxError."""
    if "{{" not in source:
        return literal_template(source, part)
    return _Compiler(source, place, part).compile()


def literal_template(source: str, part: str) -> Template:
    """Return a template that renders `source` as it is, braces included."""
    return Template(part, frozenset(), literals=(source,))


class _Tag(NamedTuple):
    """What stood between braces, and the literal text before it."""

    before: str
    inner: str
    is_raw: bool  # three braces
    is_statement: bool
    line: int
    position: int  # where it begins in the source


@dataclass(slots=True)
class _Open:
    """A statement that waits for its `end`."""

    line: int
    position: int
    each: Expression | None = None
    done: list[Branch] = field(default_factory=list)
    condition: Evaluate | None = None
    branch_line: int = 0
    has_else: bool = False
    body: list[str | Node] = field(default_factory=list)


class _Compiler:
    def __init__(self, source: str, place: Place, part: str) -> None:
        self._source = source
        self._place = place
        self._part = part
        self._names: set[str] = set()
        self._root: list[str | Node] = []
        self._open: list[_Open] = []
        self._in_url = False

    def compile(self) -> Template:
        tags, tail = self._tags()
        has_statements = any(tag.is_statement for tag in tags)
        literals = [tag.before for tag in tags] + [tail]
        trims_newline = False
        if has_statements:
            trims_newline = tags[0].is_statement and not literals[0].strip(_BLANKS)
            literals = _trimmed(literals, [tag.is_statement for tag in tags])
        fields: list[Field] = []
        for tag, literal in zip(tags, literals, strict=False):
            self._in_url = self._place is not Place.HEADER and ends_in_url(literal, self._in_url)
            self._append(literal)
            try:
                if tag.is_statement:
                    self._statement(tag)
                else:
                    fields.append(self._field(tag))
                    self._append(fields[-1])
            except ExpressionError as error:
                raise self._error(tag.line, str(error)) from None
        self._append(literals[-1])
        if self._open:
            raise self._error(self._open[-1].line, "statement without end")
        names = frozenset(self._names)
        if not has_statements:
            return Template(self._part, names, literals=literals, fields=fields)
        return Template(self._part, names, block=self._root, trims_newline=trims_newline)

    def _error(self, line: int, description: str) -> TemplateSyntaxError:
        return TemplateSyntaxError(self._part, line, description)

    # -- braces --

    def _tags(self) -> tuple[list[_Tag], str]:
        """Return all tags and the literal text after the last one."""
        source, tags, line, after = self._source, list[_Tag](), 1, 0
        while (start := source.find("{{", after)) >= 0:
            line += source.count("\n", after, start)
            is_raw = source.startswith("{{{", start)
            braces = "}}}" if is_raw else "}}"
            inner_start = start + len(braces)
            end = _closing(source, inner_start, braces)
            if end < 0:
                raise self._error(line, f"no closing '{braces}'")
            inner = source[inner_start:end].strip()
            is_statement = _STATEMENT.match(inner) is not None
            tags.append(_Tag(source[after:start], inner, is_raw, is_statement, line, start))
            line += source.count("\n", start, end)
            after = end + len(braces)
        return tags, source[after:]

    # -- fields --

    def _field(self, tag: _Tag) -> Field:
        expression = simple_path(tag.inner) or parse(tokens_of(tag.inner))
        self._names |= expression.names
        return Field(self._field_text(expression.evaluate, tag.is_raw), tag.line)

    def _field_text(self, evaluate: Evaluate, is_raw: bool) -> FieldText:
        if is_raw:
            return _plain(evaluate)
        if self._in_url:
            return _in_url(evaluate)
        return _in_html(evaluate) if self._place is Place.HTML else _plain(evaluate)

    # -- statements --

    def _append(self, node: str | Node) -> None:
        if node != "":
            (self._open[-1].body if self._open else self._root).append(node)

    def _statement(self, tag: _Tag) -> None:
        tokens = tokens_of(tag.inner)
        match tokens[0].text:
            case "if":
                self._push(
                    _Open(
                        tag.line,
                        tag.position,
                        condition=self._condition(tokens),
                        branch_line=tag.line,
                    )
                )
            case "each":
                expression = parse(tokens[1:])
                self._names |= expression.names
                self._push(_Open(tag.line, tag.position, each=expression))
            case "elseif":
                self._next_branch("elseif", tag.line)
                self._open[-1].condition = self._condition(tokens)
            case "else":
                _nothing_after(tokens)
                self._next_branch("else", tag.line)
                self._open[-1].has_else = True
            case _:
                _nothing_after(tokens)
                self._close(tag.position)

    def _condition(self, tokens: list[Token]) -> Evaluate:
        has_then = tokens[-1].text == "then" and tokens[-1].kind == "name"
        expression = parse(tokens[1:-1] if has_then else tokens[1:])
        self._names |= expression.names
        return expression.evaluate

    def _push(self, statement: _Open) -> None:
        if len(self._open) >= MAX_BLOCKS:
            raise ExpressionError(f"statements nested more than {MAX_BLOCKS} levels deep")
        self._open.append(statement)

    def _next_branch(self, word: str, line: int) -> None:
        statement = self._open[-1] if self._open else None
        if statement is None or statement.each is not None or statement.has_else:
            raise ExpressionError(f"{word} without if")
        statement.done.append(Branch(statement.condition, statement.body, statement.branch_line))
        statement.condition, statement.body, statement.branch_line = None, [], line

    def _close(self, position: int) -> None:
        if not self._open:
            raise ExpressionError("end without if or each")
        last = self._open.pop()
        if last.each is not None:
            each = last.each
            size = position - last.position
            self._append(Each(each.evaluate, each.last_segment, last.body, last.line, size))
        else:
            last.done.append(Branch(last.condition, last.body, last.branch_line))
            self._append(If(last.done))


def _nothing_after(tokens: list[Token]) -> None:
    if len(tokens) > 1:
        raise ExpressionError(f"syntax error near '{tokens[1].text[:20]}'")


_QUOTE = re.compile("['\"]")


def _closing(source: str, start: int, braces: str) -> int:
    """Return where the tag that begins at `start` closes, -1 if nowhere; quoted braces are text."""
    end = source.find(braces, start)
    if end < 0 or _QUOTE.search(source, start, end) is None:
        return end
    stop = re.compile("['\"]|" + braces)
    position = start
    while match := stop.search(source, position):
        if match[0] == braces:
            return match.start()
        quoted = _QUOTED[match[0]].match(source, match.start())
        if quoted is None:
            return end  # a lone quote: the expression's own error says so better
        position = quoted.end()
    return -1


_QUOTED = {
    "'": re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL),
    '"': re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL),
}


def _trimmed(literals: list[str], statements: list[bool]) -> list[str]:
    """Return the literals without the blanks that statements take away.

    literals[i] stands before tag i; statements[i] says whether that tag is one.
    """
    last = len(literals) - 1
    trimmed = list(literals)
    for index, literal in enumerate(literals):
        kept = literal
        if index > 0 and statements[index - 1] and _is_blank_line_end(literal, index == last):
            kept = kept.lstrip(_BLANKS)
        if index < last and statements[index]:
            bare = kept.rstrip(_BLANKS)
            if bare.endswith("\n"):
                kept = bare[:-1].removesuffix("\r")
            elif not bare and index == 0:
                kept = ""
        trimmed[index] = kept
    return trimmed


def _is_blank_line_end(literal: str, is_last: bool) -> bool:
    rest = literal.lstrip(_BLANKS)
    return rest.startswith(("\n", "\r\n")) or (is_last and not rest)


# -- closures --


def _plain(evaluate: Evaluate) -> FieldText:
    def text(scope: Scope) -> str:
        value = evaluate(scope)
        return value if type(value) is str else values.text(value)

    return text


def _in_html(evaluate: Evaluate) -> FieldText:
    def text(scope: Scope) -> str:
        value = evaluate(scope)
        return escape_html(value if type(value) is str else values.text(value))

    return text


def _in_url(evaluate: Evaluate) -> FieldText:
    def text(scope: Scope) -> str:
        value = evaluate(scope)
        return escape_url(value if type(value) is str else values.text(value))

    return text
