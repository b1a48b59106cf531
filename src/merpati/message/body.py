"""Body text: line ends, transfer encoding, dot-stuffing and the form DKIM signs.

Every text goes out with CRLF line ends only, whatever it came with: a stray CR or LF in a body is
how mail is smuggled. ASCII with lines of at most 998 characters goes as 7bit, all else as
quoted-printable, never as 8bit.

A flat template's literals are put into these forms once, when it is compiled. For each recipient
the values are looked at, not the 10 KB around them: as long as they are *plain*, joining the
prepared literals and the values gives just what encoding the whole text would.

Source: RFC 5322 2.1.1, RFC 5321 4.5.2, RFC 2045 2.7 and 6.7; sparkpost-api 4; test case S6.
"""

from __future__ import annotations

from binascii import b2a_qp
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from merpati.message.dkim import relaxed_lines
from merpati.message.template import Scope, Template

SEVEN_BIT = "7bit"
QUOTED_PRINTABLE = "quoted-printable"
_LONGEST_LINE = 998
_LONGEST_PLAIN = 70  # a value that fits into one quoted-printable line as it is
_SOFT_BREAK = "=\r\n"


class Encoded(NamedTuple):
    """A body ready to be sent.

    wire: dot-stuffed, as if it began a line; relaxed: DKIM's form, not stuffed, in which blanks
    before the very end stay as one.
    """

    encoding: str
    wire: str
    relaxed: str


def normalized(text: str) -> str:
    """Return text whose lines end in CRLF, with no other CR or LF."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n")


def encode(text: str) -> Encoded:
    """Return any text in the transfer encoding it needs."""
    text = normalized(text)
    if not is_seven_bit(text):
        return _encoded(QUOTED_PRINTABLE, quoted_printable(text))
    return _encoded(SEVEN_BIT, text)


def is_seven_bit(text: str) -> bool:
    """Return whether text with CRLF line ends may go as 7bit (RFC 2045 2.7)."""
    return text.isascii() and "\0" not in text and _longest_line(text) <= _LONGEST_LINE


def quoted_printable(text: str) -> str:
    """Return text with CRLF line ends encoded as UTF-8 and quoted-printable."""
    # b2a_qp ends its soft breaks as the first line of the text ends, so it gets LF only.
    data = text.replace("\r\n", "\n").encode("utf-8", "replace")
    return b2a_qp(data, istext=True).decode("ascii").replace("\n", "\r\n")


def stuffed(text: str) -> str:
    """Return text, which begins a line, with a dot before each line that begins with one."""
    if text.startswith("."):
        text = "." + text
    return text.replace("\r\n.", "\r\n..")


def _encoded(encoding: str, text: str) -> Encoded:
    return Encoded(encoding, stuffed(text), relaxed_lines(text))


def _longest_line(text: str) -> int:
    return max(map(len, text.split("\r\n")))


class BodyPart:
    """One text of a content (text, html or amp_html), prepared for all its recipients.

    names: the names of data it reads. Several threads may render it at once.
    """

    def __init__(self, template: Template) -> None:
        self.names = template.names
        self._template = template
        self._static = encode(template.literals[0]) if template.is_static else None
        if self._static is not None:
            return
        self._literals = [normalized(literal) for literal in template.literals]
        bare = "".join(self._literals)
        self._longest_line = _longest_line(bare)
        self._is_seven_bit = is_seven_bit(bare)
        if template.is_flat:  # prepare now what each recipient will need
            _ = self._seven_bit if self._is_seven_bit else self._quoted_printable

    def render(self, scope: Scope) -> Encoded:
        """Return the body for one recipient; raises TemplateRenderError."""
        if self._static is not None:
            return self._static
        if not self._template.is_flat:
            return encode(self._template.render(scope))
        values = self._template.render_fields(scope)
        if not self._is_seven_bit:
            return self._quoted_printable.joined(values)
        # Between blanks, a plain value is one without blanks at its ends: it is not empty, holds no
        # line end and no second blank in a row, and does not begin with a dot.
        probe = f" {' '.join(values)} "
        if not probe.isascii():
            return self._quoted_printable.joined(values)
        if (
            probe.isprintable()
            and "  " not in probe
            and " ." not in probe
            and self._longest_line + len(probe) <= _LONGEST_LINE
        ):
            return self._seven_bit.joined(values)
        return encode("".join(_interleaved(self._literals, values)))

    @cached_property
    def _seven_bit(self) -> _SevenBit:
        return _SevenBit(self._literals)

    @cached_property
    def _quoted_printable(self) -> _QuotedPrintable:
        return _QuotedPrintable(self._literals)


class _SevenBit:
    """Literals as they are sent and signed when every value between them is plain."""

    def __init__(self, literals: Sequence[str]) -> None:
        # Only the first literal begins a line: the others follow a value that is not empty.
        wire = [literal.replace("\r\n.", "\r\n..") for literal in literals]
        if literals[0].startswith("."):
            wire[0] = "." + wire[0]
        self._wire = _with_gaps(wire)
        self._relaxed = _with_gaps([relaxed_lines(literal) for literal in literals])

    def joined(self, values: Sequence[str]) -> Encoded:
        wire, relaxed = self._wire.copy(), self._relaxed.copy()
        wire[1::2] = relaxed[1::2] = values
        return Encoded(SEVEN_BIT, "".join(wire), "".join(relaxed))


class _QuotedPrintable:
    """Literals encoded once; a soft line break at each seam lets every piece begin a line."""

    def __init__(self, literals: Sequence[str]) -> None:
        pieces = [_piece(literal) for literal in literals[:-1]] + [quoted_printable(literals[-1])]
        self._wire = _with_gaps([stuffed(piece) for piece in pieces])
        self._relaxed = _with_gaps([relaxed_lines(piece) for piece in pieces])

    def joined(self, values: Sequence[str]) -> Encoded:
        wire, relaxed = self._wire.copy(), self._relaxed.copy()
        pieces = [_value_piece(value) for value in values]
        wire[1::2] = [stuffed(piece) for piece in pieces]
        relaxed[1::2] = [
            relaxed_lines(piece) if "  " in piece or "\t" in piece else piece for piece in pieces
        ]
        return Encoded(QUOTED_PRINTABLE, "".join(wire), "".join(relaxed))


def _piece(text: str) -> str:
    """Return text in quoted-printable, ending where a new line begins."""
    if not text:
        return ""
    # With a letter after it the text does not end here, so blanks at its end need no encoding, and
    # the encoder leaves room for the soft break.
    encoded = quoted_printable(text + "a")[:-1]
    return encoded if encoded.endswith("\r\n") else encoded + _SOFT_BREAK


def _value_piece(value: str) -> str:
    is_plain = value.isascii() and value.isprintable() and "=" not in value
    if is_plain and len(value) <= _LONGEST_PLAIN:
        return value + _SOFT_BREAK if value else ""
    return _piece(normalized(value))


def _with_gaps(literals: Sequence[str]) -> list[str]:
    slots = [""] * (2 * len(literals) - 1)
    slots[0::2] = literals
    return slots


def _interleaved(literals: Sequence[str], values: Sequence[str]) -> list[str]:
    slots = _with_gaps(literals)
    slots[1::2] = values
    return slots
