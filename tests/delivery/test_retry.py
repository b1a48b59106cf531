"""The retry law."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.retry import (
    HOUR_MS,
    MINUTE_MS,
    Expired,
    RetryAt,
    RetrySchedule,
    after_deferral,
    after_own_trouble,
    has_expired,
)

LAW = RetrySchedule()


def test_waits_double_until_the_last_attempt_at_72_hours() -> None:
    now, minutes = 0, []
    for attempts in range(100):
        match after_deferral(LAW, 0, attempts, now):
            case RetryAt(due_at):
                minutes.append((due_at - now) // MINUTE_MS)
                now = due_at
            case Expired():
                break
    assert minutes == [20, 40, 80, 160, 320, 640, 1280, 1780]
    assert now == 72 * HOUR_MS


@given(st.integers(0, 2**41), st.integers(0, 500), st.integers(0, 2**41))
def test_a_retry_is_later_and_within_the_life(injected: int, attempts: int, later: int) -> None:
    now = injected + later
    match after_deferral(LAW, injected, attempts, now):
        case RetryAt(due_at):
            assert now < due_at <= injected + LAW.life_ms
            assert not has_expired(LAW, injected, now)
        case Expired():
            assert has_expired(LAW, injected, now)


def test_own_trouble_is_looked_at_after_a_minute_at_first_and_hourly_in_the_end() -> None:
    now, waits = 0, []
    while isinstance(retry := after_own_trouble(LAW, 0, now), RetryAt):
        waits.append(retry.due_at - now)
        now = retry.due_at
    assert waits[:5] == [MINUTE_MS] * 5
    assert waits[-2] == max(waits) == HOUR_MS
    assert len(waits) < 100
    assert now == 72 * HOUR_MS
