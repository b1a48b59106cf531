from __future__ import annotations

import string
from enum import Enum

import pytest

from merpati.reputation.migration_plan import Note, StepKind, Word
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.reason_words import in_words
from merpati.reputation.share_decision import ShareKind
from merpati.reputation.traffic_csv import ProblemKind
from merpati.reputation.words import sentences

FILES: dict[str, list[Enum]] = {
    "reason_words.toml": list(Kind),
    "csv_problems.toml": list(ProblemKind),
    "plan_words.toml": [*StepKind, *Note, *Word],
    "share_words.toml": list(ShareKind),
}


SENTENCES = [(file, kind) for file, kinds in FILES.items() for kind in kinds]


def _facts(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("file", FILES)
def test_every_kind_has_its_sentence_in_both_languages_and_none_is_left_over(file: str) -> None:
    assert set(sentences(file)) == {kind.value for kind in FILES[file]}
    assert all(set(words) == {"en", "id"} for words in sentences(file).values())


@pytest.mark.parametrize(("file", "kind"), SENTENCES)
def test_both_languages_say_the_same_facts(file: str, kind: Enum) -> None:
    words = sentences(file)[kind.value]
    assert words["en"] != words["id"]
    assert _facts(words["en"]) == _facts(words["id"])


def test_numbers_are_written_as_the_language_does() -> None:
    reason = Reason(Kind.TARGET, {"messages": 1_500_000})
    assert in_words(reason, "en") == "The target of 1,500,000 messages is reached."
    assert in_words(reason, "id") == "Target 1.500.000 pesan tercapai."
