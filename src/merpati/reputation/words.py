"""What this room decides, in words: a sentence for each kind and language, from a TOML file.

A fact stands in braces. Where a word depends on its number, both forms follow it:
`{messages:message|messages}` is "1 message" and "1,500 messages".
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Literal

Language = Literal["en", "id"]
_ENGLISH_TO_INDONESIAN = str.maketrans(",.", ".,")  # of digits: 1.234,5
_MONTHS: Mapping[Language, Sequence[str]] = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "id": ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"],
}


@cache
def sentences(file: str) -> Mapping[str, Mapping[Language, str]]:
    """Return the sentences of a file of this package, by kind and language."""
    return tomllib.loads((resources.files("merpati.reputation") / file).read_text("utf-8"))


def say(file: str, kind: str, facts: Mapping[str, float | str], language: Language) -> str:
    """Return the sentence of a kind with its facts; numbers as the language writes them."""
    return sentences(file)[kind][language].format(
        **{name: _Fact(fact, language) for name, fact in facts.items()}
    )


class _Fact:
    """A fact as a sentence asks for it."""

    def __init__(self, fact: float | str, language: Language) -> None:
        self._fact = fact
        self._language = language

    def __format__(self, forms: str) -> str:
        digits = in_digits(self._fact, self._language)
        if not forms:
            return digits
        one, others = forms.split("|")
        return f"{digits} {one if self._fact == 1 else others}"


def in_digits(fact: float | str, language: Language) -> str:
    """Return a number as the language writes it, a text as it is."""
    if isinstance(fact, str):
        return fact
    written = f"{fact:,}" if isinstance(fact, int) else f"{fact:,.2f}".rstrip("0").rstrip(".")
    return written if language == "en" else written.translate(_ENGLISH_TO_INDONESIAN)


def in_date(day: date, language: Language) -> str:
    """Return a day as the language writes it: 8 Dec 2026."""
    return f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}"
