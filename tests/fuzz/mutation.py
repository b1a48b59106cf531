"""Changing inputs: an edit is plain data, so that hypothesis can draw and shrink it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

LONGEST = 20_000  # bytes of an input: what is slow is slow well below

KINDS = ("insert", "replace", "delete", "repeat", "flip", "splice")
WORDS = (
    b"\r\n", b"\n", b"\r", b"\0", b".", b"\r\n.\r\n", b" ", b"\t", b"\xff", b"\xc3\xa9", b"\xfe",
    b"<", b">", b"@", b'"', b"\\", b":", b";", b",", b"(", b")", b"=?utf-8?q?", b"?=", b"=0D=0A",
    b"{{", b"}}", b"{{each rows}}", b"{{end}}", b"{{if yes}}", b"loop_var", b"[", b"]", b"{", b"}",
    b"null", b"1e999", b"-1", b"99999999999999999999", b"\\ud800", b"\\r\\n", b"true", b"0",
    b"EHLO a\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<a@b.example>\r\n", b"DATA\r\n",
    b"BDAT 2 LAST\r\n", b"BDAT 0\r\n", b"RSET\r\n", b"STARTTLS\r\n", b"AUTH LOGIN\r\n", b"QUIT\r\n",
    b"AUTH PLAIN AFNNVFBfSW5qZWN0aW9uAHJpZ2h0\r\n", b" SIZE=1", b" SMTPUTF8", b"250-",
    b"550 5.1.1 ",
)  # fmt: skip


class Edit(NamedTuple):
    """One change. at, size: taken modulo what is there; word: what comes in."""

    kind: str
    at: int
    size: int
    word: bytes


def edited(data: bytes, edit: Edit) -> bytes:
    """Return the input changed."""
    at = edit.at % (len(data) + 1)
    end = min(at + edit.size, len(data))
    match edit.kind:
        case "insert":
            changed = data[:at] + edit.word + data[at:]
        case "replace":
            changed = data[:at] + edit.word + data[at + len(edit.word) :]
        case "delete":
            changed = data[:at] + data[end:]
        case "repeat":
            changed = data[:at] + data[at:end] * (2 + len(edit.word) * 40) + data[end:]
        case "flip":
            changed = data[:at] + bytes(byte ^ 1 << edit.size % 8 for byte in data[at : at + 1])
            changed += data[at + 1 :]
        case _:
            changed = data[:at] + edit.word + data[end:]
    return changed[:LONGEST]


def any_edit(chance: Random, inputs: Sequence[bytes]) -> Edit:
    """Return an edit that brings in a word, random bytes or a piece of another input."""
    word = chance.choice(WORDS)
    kind = chance.choice(KINDS)
    if kind == "splice":
        other = chance.choice(inputs)
        begin = chance.randrange(len(other) + 1)
        word = other[begin : begin + chance.randrange(1, 60)]
    elif chance.random() < 0.2:
        word = chance.randbytes(chance.randrange(1, 5))
    return Edit(kind, chance.randrange(1 << 16), int(chance.expovariate(0.1)), word)
