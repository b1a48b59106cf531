from __future__ import annotations

import string

import pytest

from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words, sentences


def _facts(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_kind_has_its_sentence_in_both_languages_and_none_is_left_over() -> None:
    assert set(sentences()) == {kind.value for kind in Kind}
    assert all(set(words) == {"en", "id"} for words in sentences().values())


@pytest.mark.parametrize("kind", Kind)
def test_both_languages_say_the_same_facts(kind: Kind) -> None:
    words = sentences()[kind.value]
    assert words["en"] != words["id"]
    assert _facts(words["en"]) == _facts(words["id"])


def test_numbers_are_written_as_the_language_does() -> None:
    reason = Reason(Kind.TARGET, {"messages": 1_500_000})
    assert in_words(reason, "en") == "The target of 1,500,000 messages is reached."
    assert in_words(reason, "id") == "Target 1.500.000 pesan tercapai."
