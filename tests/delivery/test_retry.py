"""The retry law."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.retry import (
    MINUTE_MS,
    Expired,
    RetryAt,
    RetrySchedule,
    after_deferral,
    has_expired,
)

LAW = RetrySchedule()
HOUR_MS = 60 * MINUTE_MS


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
