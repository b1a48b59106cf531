"""The words by which cases are found: parts of addresses, accents, numbers, beginnings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.desk.case_words import MOST_WORDS, Asked, asked_in, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("Mail waits, mail!", ["mail", "waits"], id="each once, in lower case"),
        pytest.param(
            "sari@mta.kirim.example",
            [
                *("sari@mta.kirim.example", "sari", "mta.kirim.example", "kirim.example"),
                *("mta", "kirim", "example"),
            ],
            id="an address and its parts",
        ),
        pytest.param("Ça va, José?", ["ca", "va", "jose"], id="without accents"),
        pytest.param("", [], id="nothing"),
        pytest.param("n:7 'x' --", ["n", "7", "x"], id="no signs"),
    ],
)
def test_a_text_holds_words(text: str, words: list[str]) -> None:
    assert words_of([text]) == words


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        pytest.param("Kirim.Example,", [Asked("kirim.example")], id="a domain as a whole"),
        pytest.param("block* of", [Asked("block", True), Asked("of")], id="a beginning"),
        pytest.param("bl*", [Asked("bl")], id="too short a beginning"),
        pytest.param("#12 waits", [Asked("n:12"), Asked("waits")], id="a number"),
        pytest.param('" OR * --', [Asked("or")], id="no language of the database"),
        pytest.param("?!", [], id="nothing but signs"),
    ],
)
def test_a_search_asks_for_words(query: str, asked: list[Asked]) -> None:
    assert asked_in(query) == asked


@given(st.text(max_size=200))
def test_every_text_is_found_by_itself(text: str) -> None:
    held = words_of([text])
    for asked in asked_in(text):
        assert asked.word in held or asked.word.startswith("n:")


def test_an_endless_text_is_cut() -> None:
    assert len(words_of([" ".join(f"w{n}" for n in range(10 * MOST_WORDS))])) <= MOST_WORDS + 9
