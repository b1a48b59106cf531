"""F1: no input crashes, hangs or grows what reads it; the short run. `make fuzz` is the long one.

The corpus is replayed whole in every run: seeds written by hand, what a long run found to reach
other lines, and `crash-…`, inputs that once broke something.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import KINDS, WORDS, Edit, edited
from tests.fuzz.running import CORPUS, corpus, run
from tests.fuzz.targets import TARGETS

WORD = st.sampled_from(WORDS) | st.binary(min_size=1, max_size=6)
EDIT = st.builds(Edit, st.sampled_from(KINDS), st.integers(0, 4_000), st.integers(0, 60), WORD)


def test_each_target_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(corpus(name) for name in TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_breaks_nothing(name: str) -> None:
    for data in corpus(name).values():
        run(name, data)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_break_nothing(name: str) -> None:
    seeds = st.sampled_from(list(corpus(name).values())) | st.binary(max_size=60)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(seeds, st.lists(EDIT, max_size=6))
    def try_one(data: bytes, edits: list[Edit]) -> None:
        for edit in edits:
            data = edited(data, edit)
        run(name, data)

    try_one()
