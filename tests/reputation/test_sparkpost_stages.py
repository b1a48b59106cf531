from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest

from merpati.reputation.history import Day
from merpati.reputation.reason import Kind
from merpati.reputation.sparkpost_stages import (
    is_stalled,
    may_end,
    messages_per_day,
    next_allowance,
    stage_after,
)
from tests.reputation.days import clean_day


@pytest.mark.parametrize(
    ("stage", "volume"),
    [(1, 200), (2, 500), (10, 75_000), (11, 100_000), (15, 325_000), (20, 1_000_000),
     (23, 2_000_000), (28, 7_500_000), (29, 10_000_000), (30, None)],
)  # fmt: skip
def test_a_stage_allows_sparkposts_volume(stage: int, volume: int | None) -> None:
    assert messages_per_day(stage) == volume


def test_each_stage_allows_more_than_the_one_before() -> None:
    volumes = [messages_per_day(stage) or 0 for stage in range(1, 30)]
    assert all(a < b for a, b in itertools.pairwise(volumes))


@pytest.mark.parametrize("stage", [-1, 0, 31])
def test_there_is_no_other_stage(stage: int) -> None:
    with pytest.raises(ValueError, match="no warm-up stage"):
        messages_per_day(stage)


def _days(*delivered: int) -> list[Day]:
    first = date(2026, 3, 2)
    return [
        clean_day(first + timedelta(number), count, allowance=count)
        for number, count in enumerate(delivered)
    ]


@pytest.mark.parametrize(
    ("delivered", "stage"),
    [
        pytest.param([], 1, id="starts at the first"),
        pytest.param([181], 2, id="over 90 % delivered"),
        pytest.param([180], 1, id="just 90 % is not over it"),
        pytest.param([200, 100], 2, id="never falls"),
        pytest.param([200, 100, 500], 3, id="goes on after a poor day"),
    ],
)
def test_a_filled_stage_leads_to_the_next(delivered: list[int], stage: int) -> None:
    assert stage_after(_days(*delivered)) == stage


def test_the_allowance_is_the_stages_volume_and_never_above_the_target() -> None:
    allowance = next_allowance(_days(200, 500), 100_000)
    assert allowance.messages_per_day == 1_000
    assert allowance.reason.kind is Kind.STAGE
    assert allowance.reason.facts["stage"] == 3
    assert next_allowance(_days(200, 500), 700).messages_per_day == 700


def test_after_the_last_stage_the_target_is_the_limit() -> None:
    history = _days(*[messages_per_day(stage) or 0 for stage in range(1, 30)])
    assert next_allowance(history, 20_000_000).messages_per_day == 20_000_000


def test_ten_days_without_a_step_stall_a_warm_up() -> None:
    assert not is_stalled(_days(200, *[100] * 9))
    assert is_stalled(_days(200, *[100] * 10))
    assert not is_stalled(_days(200, *[100] * 10), has_engagement_age=True)
    assert not is_stalled(_days(*[100] * 30)), "stage 1 never stalls"


def test_warm_up_may_end_once_twice_the_stage_is_enough() -> None:
    assert may_end(5, 9_999)
    assert not may_end(5, 10_000)
    assert may_end(30, 10_000_000)
