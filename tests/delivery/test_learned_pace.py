"""The steps of a lane's pace: down by replies, back by time and clean deliveries."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery import learned_pace
from merpati.delivery.learned_pace import (
    ASSUMED_PER_MINUTE,
    LATE_SECONDS,
    LONGEST_PAUSE,
    LONGEST_SECONDS,
    STEP_SECONDS,
    Learned,
    kept,
    least,
    proven,
    restored,
    risen,
    taught,
)
from merpati.providers.directory import Pace
from merpati.providers.reaction import Reaction

NOON = 1_790_000_000_000
FULL = Pace(5, 50, 6_000)
PAUSE = Reaction(pause_minutes=60, connections=1, slow_minutes=10)
SLOW = Reaction(connections=1, messages_per_minute=1, slow_minutes=90)
HALVE = Reaction(halve=True, slow_minutes=10)

paces = st.builds(
    Pace,
    st.integers(1, 10_000),
    st.integers(1, 100_000),
    st.none() | st.integers(1, 1_000_000),
)
caps = st.none() | st.integers(1, 10_000)
reactions = st.builds(
    Reaction,
    pause_minutes=st.integers(0, 1_440),
    pause_when_repeated_minutes=st.integers(0, 1_440),
    slow_minutes=st.integers(1, 1_440),
    connections=caps,
    messages_per_connection=caps,
    messages_per_minute=caps,
    halve=st.booleans(),
    allowance_percent=st.integers(1, 100),
)
waits = st.floats(0, 200_000)
stories = st.lists(st.tuples(waits, reactions | st.none()), max_size=30)


def teach(learned: Learned | None, reaction: Reaction, now: float, full: Pace = FULL) -> Learned:
    at = NOON + int(now * 1000)
    return taught(learned, reaction, full, now, cause="rate", reply="421 slow down", at=at)


def told(
    story: Sequence[tuple[float, Reaction | None]], full: Pace
) -> tuple[Learned | None, float]:
    """Play replies, each after its wait; None: as many clean deliveries as shorten a step."""
    now, learned = 1_000.0, None
    for wait, reaction in story:
        now += wait
        if reaction is not None:
            learned = teach(learned, reaction, now, full)
        elif learned is not None:
            learned = proven(learned)
        learned = risen(learned, now) if learned is not None else None
    return learned, now


@given(stories, paces)
def test_silence_brings_back_the_configured_pace(
    story: list[tuple[float, Reaction | None]], full: Pace
) -> None:
    learned, now = told(story, full)
    assert learned is None or risen(learned, now + LONGEST_SECONDS) is None


@given(stories, paces)
def test_no_pace_is_above_the_configured_one(
    story: list[tuple[float, Reaction | None]], full: Pace
) -> None:
    learned, now = told(story, full)
    while learned is not None:
        assert least(learned.pace, full) == learned.pace
        assert learned.pace.connections >= 1
        assert learned.paused_until - now <= LONGEST_PAUSE + 0.001  # what floats round
        now = learned.step_at
        learned = risen(learned, now)


@given(stories, paces, st.floats(0, 200_000), st.integers(-100_000, 100_000))
def test_a_restart_keeps_what_is_left_and_no_more(
    story: list[tuple[float, Reaction | None]], full: Pace, down: float, clock_set_by: int
) -> None:
    learned, now = told(story, full)
    if learned is None:
        return
    at = NOON + int(now * 1000)
    file = kept(learned, now, at)
    assert restored(file, 50.0, at) is not None
    back = restored(file, 50.0, at + int(down * 1000))
    ahead = risen(learned, now + down)
    assert (back is None) is (ahead is None) or abs(down - (learned.step_at - now)) % 600 < 1
    if back is not None and ahead is not None and back.pace == ahead.pace:
        assert back.paused_until - 50 == pytest.approx(ahead.paused_until - now - down, abs=0.01)
    moved = restored(file, 50.0, at + clock_set_by * 1000)
    assert moved is None or moved.paused_until - 50 <= LONGEST_PAUSE
    assert moved is None or risen(moved, 50 + LONGEST_SECONDS) is None


def test_a_pause_ends_with_one_connection_which_become_more() -> None:
    learned = teach(None, PAUSE, 0.0)
    assert learned.is_paused(3_599)
    assert not learned.is_paused(3_600)
    seen = []
    at = 3_600.0
    now: Learned | None = learned
    while now is not None:
        seen.append(now.pace.connections)
        at += STEP_SECONDS
        now = risen(now, at)
    assert seen == [1, 2, 3, 4]


def test_halves_become_less_with_each_reply_and_double_again() -> None:
    learned = teach(None, HALVE, 0.0, Pace(8, 100, None))
    assert learned.pace == Pace(4, 100, ASSUMED_PER_MINUTE // 2)
    learned = teach(learned, HALVE, LATE_SECONDS + 1, Pace(8, 100, None))
    assert learned.pace == Pace(2, 100, ASSUMED_PER_MINUTE // 4)
    up = risen(learned, learned.step_at)
    assert up is not None
    assert up.pace == Pace(3, 100, ASSUMED_PER_MINUTE // 2)


def test_replies_to_what_was_begun_before_count_once() -> None:
    learned = teach(None, PAUSE, 0.0)
    assert teach(learned, PAUSE, 30.0) is learned
    assert teach(learned, PAUSE, 3_000.0) is learned
    slowed = teach(None, HALVE, 0.0)
    assert teach(slowed, HALVE, LATE_SECONDS - 1) is slowed


def test_a_stricter_reply_counts_at_once() -> None:
    learned = teach(teach(None, SLOW, 0.0), PAUSE, 1.0)
    assert learned.paused_until == 3_601.0
    assert learned.pace == Pace(1, 50, 1)
    assert learned.repeats == 0


def test_what_repeats_lasts_longer_up_to_a_cap() -> None:
    learned, lengths = teach(None, PAUSE, 0.0), []
    for _ in range(6):
        now = max(learned.paused_until, learned.changed_at + LATE_SECONDS) + 1
        learned = teach(learned, PAUSE, now)
        lengths.append((learned.paused_until - now) / 3_600)
    assert lengths == [2, 4, 8, 8, 8, 8]


def test_a_slower_pace_that_does_not_help_becomes_a_pause() -> None:
    reaction = msgspec.structs.replace(SLOW, pause_when_repeated_minutes=30)
    learned = teach(None, reaction, 0.0)
    assert not learned.is_paused(0.0)
    assert teach(learned, reaction, LATE_SECONDS).is_paused(LATE_SECONDS)


def test_clean_deliveries_end_a_step_at_half_its_time() -> None:
    learned = proven(teach(None, SLOW, 0.0))
    assert learned.step_at == 45 * 60
    paused = proven(teach(None, PAUSE, 0.0))
    assert paused.step_at == 3_600 + 300  # no pause is shortened


def test_the_allowance_of_a_day_is_cut_once() -> None:
    cut = msgspec.structs.replace(PAUSE, allowance_percent=50)
    learned = teach(teach(None, cut, 0.0), cut, 4_000.0)
    assert (learned.allowance_percent, learned.allowance_day) == (50, NOON // 86_400_000)


@pytest.mark.parametrize(
    "fields",
    [
        {"pause_minutes": 1_441},
        {"slow_minutes": -1},
        {"connections": 0, "slow_minutes": 1},
        {"halve": True},
        {"after": 0},
        {"allowance_percent": 0},
    ],
)
def test_a_reaction_that_would_never_end_or_send_nothing_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reaction(**fields)


def test_what_stands_at_the_edge_of_a_file_ends_too() -> None:
    learned = teach(None, PAUSE, 0.0)
    file = learned_pace.Kept(msgspec.structs.replace(learned, paused_until=1e12, step_at=1e12), 0)
    back = restored(file, 10.0, 0)
    assert back is not None
    assert risen(back, 10.0 + LONGEST_SECONDS) is None
