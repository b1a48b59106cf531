from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from merpati.reputation.history import Day
from merpati.reputation.reason import Kind
from merpati.reputation.warmup import during_day
from tests.reputation.days import MONDAY, clean_days, day

HISTORY = clean_days(160, 320, 700, 1_500, 3_000)
TODAY = MONDAY + timedelta(len(HISTORY))
MIDNIGHT = datetime(2026, 3, 8, tzinfo=UTC)  # after TODAY, a Saturday


def _so_far(attempted: int, **counts: int) -> Day:
    return day(TODAY, attempted=attempted, allowance=6_600, **counts)


def test_a_clean_day_goes_on_evenly() -> None:
    for attempted in (0, 1_000, 6_000):
        pace = during_day(HISTORY, _so_far(attempted))
        assert pace.messages_per_hour == 300
        assert pace.until is None
        assert pace.reason.kind is Kind.EVEN


@pytest.mark.parametrize(
    ("today", "messages_per_hour", "kind"),
    [
        pytest.param(_so_far(2_000, deferred=60), 75, Kind.SLOWED, id="the first deferrals"),
        pytest.param(_so_far(2_000, deferred=200), 0, Kind.STOPPED, id="many of them"),
        pytest.param(_so_far(2_000, blocked=30), 0, Kind.STOPPED_BY_BLOCK, id="a block"),
        pytest.param(_so_far(40, blocked=2), 0, Kind.STOPPED_BY_BLOCK, id="a block early on"),
        pytest.param(_so_far(2_000, complaints=12), 75, Kind.SLOWED_BY_COMPLAINTS, id="complaints"),
        pytest.param(_so_far(6_600), 0, Kind.SPENT, id="all sent"),
        pytest.param(
            _so_far(2_000, blocked=1, blocked_rests=1),
            0,
            Kind.STOPPED_BY_BLOCK,
            id="one block, after which the IP rests",
        ),
        pytest.param(
            _so_far(0, blocked_rests=1),
            0,
            Kind.STOPPED_AT_GREETING,
            id="a block at the greeting",
        ),
    ],
)
def test_it_reacts_within_the_day(today: Day, messages_per_hour: int, kind: Kind) -> None:
    pace = during_day(HISTORY, today)
    assert pace.messages_per_hour == messages_per_hour
    assert pace.reason.kind is kind
    assert pace.until == (None if messages_per_hour else MIDNIGHT)


@pytest.mark.parametrize(
    "today",
    [
        pytest.param(_so_far(2_000, deferred=22), id="chance"),
        pytest.param(_so_far(2_000, blocked=1), id="a stray block"),
        pytest.param(_so_far(50, complaints=2), id="two complaints"),
        pytest.param(
            _so_far(2_000, deferred=2, deferred_rests=2), id="deferrals, each with a rest"
        ),
        pytest.param(_so_far(500, complaints=5), id="complaints of yesterday's 3,000 messages"),
    ],
)
def test_chance_changes_nothing(today: Day) -> None:
    assert during_day(HISTORY, today).reason.kind is Kind.EVEN


def test_what_is_usual_there_does_not_slow_it() -> None:
    usual = [day(MONDAY + timedelta(number), attempted=2_000, deferred=80) for number in range(5)]
    assert during_day(usual, _so_far(2_000, deferred=80)).reason.kind is Kind.EVEN


def test_today_must_come_after_the_history() -> None:
    with pytest.raises(ValueError, match="2026-03-06 stands after 2026-03-06"):
        during_day(HISTORY, HISTORY[-1])
