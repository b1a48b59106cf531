"""A compiled template: literals and fields in the order in which they are written.

A template without statements is *flat*: literals with one field between each two, which
`message/body.py` renders without looking at the literals again. Statements make it a tree, walked
into a list of pieces. The work a template may cause is bounded: nested loops could otherwise turn a
few kilobytes of data into more than any memory or any patience.

Source: sparkpost-api 6.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from merpati.message.errors import TemplateRenderError
from merpati.message.template import values
from merpati.message.template.expression import Evaluate, Scope

MAX_WORK_CHARS = 40_000_000  # values written, and the source text of each round of a loop
_ROUND_CHARS = 150  # what a round counts beside its text: a round of almost nothing takes time too
_FEW_FIELDS = 200  # so few cannot exceed the bound: SparkPost takes 100 KB of data a recipient

FieldText = Callable[[Scope], str]


class Node(Protocol):
    """A field or a statement."""

    def write(self, scope: Scope, output: Output) -> None:
        """Append what it comes to; raises TemplateRenderError."""


Block = Sequence["str | Node"]


class Output:
    """The pieces written so far, how much more may come, and how many loops are running."""

    __slots__ = ("_left", "loops", "pieces")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.loops = 0
        self._left = MAX_WORK_CHARS

    def add(self, value: str) -> None:
        """Append a value; raises TemplateRenderError when it all becomes too much."""
        self.pieces.append(value)
        self.count(len(value))

    def count(self, chars: int) -> None:
        """Count work that was done; raises TemplateRenderError when it becomes too much."""
        self._left -= chars
        if self._left < 0:
            raise TemplateRenderError("the result is too large")


@dataclass(frozen=True, slots=True)
class Field:
    """A value written into its place; `text` is the evaluated and escaped form."""

    text: FieldText
    line: int

    def write(self, scope: Scope, output: Output) -> None:
        """Append the value."""
        try:
            output.add(self.text(scope))
        except TemplateRenderError as error:
            raise _at_line(error, self.line) from None


@dataclass(frozen=True, slots=True)
class Branch:
    """One arm of an `if`; the condition of `else` is None."""

    condition: Evaluate | None
    body: Block
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """`if`, `elseif`, `else`: the first branch whose condition is true is written."""

    branches: Sequence[Branch]

    def write(self, scope: Scope, output: Output) -> None:
        """Append the chosen branch."""
        for branch in self.branches:
            if branch.condition is None or self._holds(branch, branch.condition, scope):
                write_block(branch.body, scope, output)
                return

    @staticmethod
    def _holds(branch: Branch, condition: Evaluate, scope: Scope) -> bool:
        try:
            return values.is_true(condition(scope))
        except TemplateRenderError as error:
            raise _at_line(error, branch.line) from None


@dataclass(frozen=True, slots=True)
class Each:
    """`each`: the body once per item.

    name: its key in `loop_vars`, None for other than a path; source_chars: length of the body.
    """

    items: Evaluate
    name: str | None
    body: Block
    line: int
    source_chars: int

    def write(self, scope: Scope, output: Output) -> None:
        """Append all rounds; the loop's own variables last as long as the loop."""
        items = self._items(scope)
        if not items:
            return
        outer = {key: scope[key] for key in _LOOP_VARIABLES if key in scope}
        # A customer's own key `loop_vars` is hidden while a loop runs, never copied.
        loop_vars: dict[str, Any] = dict(outer["loop_vars"]) if output.loops else {}
        scope["loop_vars"] = loop_vars
        output.loops += 1
        for index, item in enumerate(items, 1):
            scope["loop_var"] = item
            scope["loop_index"] = index
            if self.name is not None:
                loop_vars[self.name] = item
            write_block(self.body, scope, output)
            output.count(self.source_chars + _ROUND_CHARS)
        output.loops -= 1
        for key in _LOOP_VARIABLES:
            scope.pop(key, None)
        scope.update(outer)

    def _items(self, scope: Scope) -> list[Any]:
        try:
            items = self.items(scope)
        except TemplateRenderError as error:
            raise _at_line(error, self.line) from None
        # PHP clients send an empty array as an empty object, so that one counts as empty.
        if items is None or items == {}:
            return []
        if not isinstance(items, list):
            problem = f"each needs an array, not {values.describe(items)}"
            raise TemplateRenderError(problem, line=self.line)
        return items


_LOOP_VARIABLES = ("loop_var", "loop_index", "loop_vars")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled part. Immutable; may be rendered by several threads at once.

    literals, fields: of a flat template, always one literal more than fields; else both empty.
    names: the names of data it reads. trims_newline: one newline goes from the output's start.
    """

    part: str
    names: frozenset[str]
    literals: Sequence[str] = ()
    fields: Sequence[Field] = ()
    block: Block = ()
    trims_newline: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether there are no statements."""
        return bool(self.literals)

    @property
    def is_static(self) -> bool:
        """Whether the output never varies: no fields and no statements."""
        return self.is_flat and not self.fields

    def render(self, scope: Scope) -> str:
        """Return the output for these data; raises TemplateRenderError with part and line."""
        if self.is_flat:
            pieces = [""] * (2 * len(self.fields) + 1)
            pieces[0::2] = self.literals
            pieces[1::2] = self.render_fields(scope)
            return "".join(pieces)
        output = Output()
        try:
            write_block(self.block, scope, output)
        except TemplateRenderError as error:
            raise TemplateRenderError(error.description, self.part, error.line) from None
        return self._trimmed("".join(output.pieces))

    def render_fields(self, scope: Scope) -> list[str]:
        """Return a flat template's values in order; raises TemplateRenderError."""
        if len(self.fields) <= _FEW_FIELDS:
            try:
                return [field.text(scope) for field in self.fields]
            except TemplateRenderError:
                pass  # the slower way below fails too, and knows the line
        output = Output()
        try:
            for field in self.fields:
                field.write(scope, output)
        except TemplateRenderError as error:
            raise TemplateRenderError(error.description, self.part, error.line) from None
        return output.pieces

    def _trimmed(self, output: str) -> str:
        if not self.trims_newline:
            return output
        return output[2:] if output.startswith("\r\n") else output.removeprefix("\n")


def write_block(block: Block, scope: Scope, output: Output) -> None:
    """Append a block's pieces; the compiler bounds how deep blocks nest."""
    for node in block:
        if isinstance(node, str):
            output.pieces.append(node)
        else:
            node.write(scope, output)


def _at_line(error: TemplateRenderError, line: int) -> TemplateRenderError:
    return TemplateRenderError(error.description, line=error.line or line)
