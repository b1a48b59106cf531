"""The words by which a case is found: what a text holds, and what a search asks for. Pure.

A word is a run of letters and digits in lower case, without accents. An address or a domain is one
word and also each of its parts, so that `sari@kirim.example` is found by `kirim.example`, by `sari`
and as a whole. A search asks for whole words; `kirim*` asks for a beginning, `#7` for a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_WORDS = 3_000  # of one text: more is no prose, and each is a row of the index
MOST_ASKED = 12
SHORTEST_BEGINNING = 3
_LONGEST = 100
_COMPOUND = re.compile(r"[^\W_]+(?:[.@][^\W_]+)*")
_ASKED = re.compile(
    r"#(?P<number>[0-9]{1,9})(?![^\s])|(?P<word>[^\W_]+(?:[.@][^\W_]+)*)(?P<star>\*?)"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A word that a case has to hold; is_beginning: any word that begins so."""

    word: str
    is_beginning: bool = False


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words of some texts, each once, in the order in which they appear."""
    found: dict[str, None] = {}
    for text in texts:
        for compound in _COMPOUND.findall(_plain(text)):
            if len(found) >= MOST_WORDS:
                return list(found)
            found.update(dict.fromkeys(_with_parts(compound)))
    return list(found)


def asked_in(query: str) -> list[Asked]:
    """Return what a search asks for, at most `MOST_ASKED` words; none: it asks for nothing."""
    asked: dict[Asked, None] = {}
    for match in _ASKED.finditer(_plain(query)):
        if match["number"]:
            asked[Asked(number_word(int(match["number"])))] = None
        else:
            is_beginning = bool(match["star"]) and len(match["word"]) >= SHORTEST_BEGINNING
            asked[Asked(match["word"][:_LONGEST], is_beginning)] = None
    return list(asked)[:MOST_ASKED]


# Words of our own hold a colon, which no text's word does.


def number_word(number: int) -> str:
    """Return the word that stands for a case's number."""
    return f"n:{number}"


def account_word(account_id: int) -> str:
    """Return the word that stands for an account."""
    return f"a:{account_id}"


VISIBLE = "v:both"  # of what the customer may read too


def _plain(text: str) -> str:
    """Return a text in lower case without accents and other marks."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))


def _with_parts(compound: str) -> Iterator[str]:
    yield compound[:_LONGEST]
    for side in compound.split("@"):
        labels = side.split(".")
        for index in range(len(labels) - 1):
            yield ".".join(labels[index:])[:_LONGEST]  # mta1.kirim.example, kirim.example
        for label in labels:
            yield label[:_LONGEST]
