"""What people may write into the desk's fields; each check names the field and the remedy. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from merpati.desk.errors import DeskError
from merpati.sending.address import envelope_address

TEXT_LENGTH = 50_000
PHONE = re.compile(r"\+[0-9][0-9 ()-]{5,27}[0-9]")
_LINE_CONTROLS = str.maketrans("", "", "\n\t")

Refusal = type[DeskError]


def checked_line(text: str, field: str, refusal: Refusal) -> str:
    """Return a line of 1 to 200 printable characters, trimmed. Raises `refusal`."""
    text = text.strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise refusal(f"A {_words(field)} has 1 to 200 printable characters.", field)
    return text


def checked_text(text: str, field: str, refusal: Refusal) -> str:
    """Return a text of some lines, trimmed, with line feeds alone. Raises `refusal`."""
    text = text.replace("\r\n", "\n").strip()
    if not text or len(text) > TEXT_LENGTH:
        raise refusal(f"A {_words(field)} has 1 to {TEXT_LENGTH:,} characters.", field)
    if not text.translate(_LINE_CONTROLS).isprintable():
        raise refusal(f"A {_words(field)} holds no control characters.", field)
    return text


def checked_email(text: str, field: str, refusal: Refusal) -> str:
    """Return an address in lower case. Raises `refusal`."""
    text = text.strip().lower()
    found = envelope_address(text) if len(text) <= 254 else None
    if found is None:
        raise refusal(f"{text[:100]!r} is no email address; write sari@kirim.example.", field)
    return found[0].lower()


def checked_choice(text: str, offered: Sequence[str], field: str, refusal: Refusal) -> str:
    """Return one of the offered values. Raises `refusal`."""
    if text not in offered:
        raise refusal(
            f"There is no {_words(field)} {text[:100]!r}; offered: {', '.join(offered)}.", field
        )
    return text


def _words(field: str) -> str:
    return field.rpartition(".")[2].replace("_", " ")
