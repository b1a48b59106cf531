"""What holds for every history."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from merpati.reputation.history import Day
from merpati.reputation.reason_words import in_words
from merpati.reputation.warmup import during_day, next_allowance
from tests.reputation.days import MONDAY


@st.composite
def days(draw: st.DrawFn, number: int) -> Day:
    counts = [draw(st.integers(0, 10 ** draw(st.integers(0, 6)))) for _ in range(4)]
    delivered, deferred, blocked, hard_bounced = counts
    attempted = sum(counts) + draw(st.integers(0, 5))
    return Day(
        day=MONDAY + timedelta(number),
        allowance=draw(st.integers(0, 2_000_000)),
        offered=draw(st.integers(0, 5_000_000)),
        attempted=attempted,
        delivered=delivered,
        deferred=deferred,
        blocked=blocked,
        hard_bounced=hard_bounced,
        complaints=draw(st.integers(0, 1_000)),
        human_opens=draw(st.integers(0, 1_000)),
        deferred_rests=draw(st.integers(0, 3)),
        blocked_rests=draw(st.integers(0, 3)),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Day]:
    numbers = sorted(draw(st.sets(st.integers(0, 90), max_size=25)))
    return [draw(days(number)) for number in numbers]


TARGETS = st.integers(0, 10_000_000)


@given(histories(), TARGETS)
def test_the_allowance_lies_between_one_and_the_target(history: list[Day], target: int) -> None:
    allowance = next_allowance(history, target).messages_per_day
    assert min(1, target) <= allowance <= target


@given(histories(), TARGETS)
def test_the_same_history_gives_the_same_answer(history: list[Day], target: int) -> None:
    assert next_allowance(history, target) == next_allowance(list(history), target)


@given(histories(), TARGETS)
def test_a_step_is_bounded(history: list[Day], target: int) -> None:
    allowance = next_allowance(history, target).messages_per_day
    first = next_allowance([], target).messages_per_day
    most = max((day.accepted for day in history), default=0)
    assert allowance <= max(first, 2.5 * max(20, most), *(day.allowance for day in history), 0)


@given(histories(), TARGETS)
def test_more_days_of_silence_never_raise_it(history: list[Day], target: int) -> None:
    last = history[-1].day if history else MONDAY
    silent = Day(
        day=last + timedelta(31), allowance=0, offered=0, attempted=0, delivered=0, deferred=0,
        blocked=0, hard_bounced=0, complaints=0, human_opens=0,
    )  # fmt: skip
    first = next_allowance([], target).messages_per_day
    assert next_allowance([*history, silent], target).messages_per_day == first


@given(histories(), st.data())
def test_every_decision_has_its_words(history: list[Day], data: st.DataObject) -> None:
    allowance = next_allowance(history, 100_000)
    number = (history[-1].day - MONDAY).days + 1 if history else 0
    pace = during_day(history, data.draw(days(number)))
    assert pace.messages_per_hour >= 0
    for reason in (allowance.reason, pace.reason):
        assert in_words(reason, "en") != in_words(reason, "id")
