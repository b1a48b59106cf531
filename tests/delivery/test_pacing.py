"""Rates, back-off and the warm-up allowance."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.allowance import DAY_MS, Allowance
from merpati.delivery.pacing import BURST_SECONDS, Backoff, TokenBucket


@given(st.integers(1, 6_000), st.lists(st.floats(0, 5), max_size=200))
def test_a_rate_is_never_exceeded(per_minute: int, steps: list[float]) -> None:
    bucket, now, sent = TokenBucket(per_minute, 0.0), 0.0, 0
    for step in steps:
        now += step
        sent += bucket.take(now)
        burst = max(1.0, per_minute / 60 * BURST_SECONDS)
        assert sent <= burst + now * per_minute / 60 + 0.001


@given(st.integers(1, 6_000))
def test_waiting_as_told_is_enough(per_minute: int) -> None:
    bucket, now = TokenBucket(per_minute, 0.0), 0.0
    for _ in range(300):
        if not bucket.take(now):
            now += bucket.wait(now)
            assert bucket.take(now)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(60, 100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(50.0)
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_back_off_doubles_up_to_its_longest() -> None:
    backoff, now, waits = Backoff(1.0, 10.0), 0.0, []
    for _ in range(6):
        backoff.failed("refused", now)
        waits.append(backoff.until - now)
        now = backoff.until
    assert waits == [1, 2, 4, 8, 10, 10]
    backoff.worked()
    assert not backoff.is_waiting(now)


def test_failures_during_a_wait_count_once() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.failed("refused", 5.0)
    assert (backoff.failures, backoff.until) == (1, 6.0)


@dataclass
class Hand:
    """A clock set by hand."""

    at: int = 20_000 * DAY_MS

    def now(self) -> int:
        return self.at

    def elapsed(self) -> float:
        return self.at / 1000


class Ledger:
    """A shard's durable counter."""

    def __init__(self) -> None:
        self.day = 0
        self.granted = 0

    async def reserve(self, address: str, day: int, block: int, limit: int) -> int:
        if day > self.day:
            self.day, self.granted = day, 0
        grant = max(0, min(block, limit - self.granted))
        self.granted += grant
        return grant


async def drain(allowance: Allowance) -> int:
    sent = 0
    while True:
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        if not allowance.take():
            return sent
        sent += 1


@pytest.mark.parametrize("limit", [0, 1, 19, 20, 200, 1_000])
async def test_a_day_gives_exactly_its_limit(limit: int) -> None:
    clock, ledger = Hand(), Ledger()
    allowance = Allowance("192.0.2.1", limit, ledger.reserve, clock)
    assert await drain(allowance) == limit
    assert allowance.is_spent
    clock.at = allowance.next_day_at
    assert allowance.is_spent == (limit == 0)
    assert await drain(allowance) == limit


async def test_a_crash_wastes_a_block_and_never_exceeds() -> None:
    clock, ledger, sent = Hand(), Ledger(), 0
    for _ in range(50):
        allowance = Allowance("192.0.2.1", 200, ledger.reserve, clock)
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        sent += sum(allowance.take() for _ in range(3))
    assert sent <= 200
    assert ledger.granted == 200


async def test_the_day_never_goes_back() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = Allowance("192.0.2.1", 200, ledger.reserve, clock)
    assert await drain(allowance) == 200
    clock.at -= 2 * DAY_MS
    assert await drain(allowance) == 0
    clock.at += 2 * DAY_MS
    assert await drain(allowance) == 0


async def test_a_lower_limit_holds_at_once_and_a_higher_one_frees() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = Allowance("192.0.2.1", 200, ledger.reserve, clock)
    allowance.begin_refill()
    await allowance.refill()
    allowance.change_limit(5)
    assert await drain(allowance) == 0  # ten are reserved already
    allowance.change_limit(30)
    assert await drain(allowance) == 20


async def test_a_cut_holds_for_its_day_and_may_be_undone() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = Allowance("192.0.2.1", 200, ledger.reserve, clock)
    allowance.cut(50, clock.at // DAY_MS)
    assert await drain(allowance) == 100
    assert allowance.is_spent
    allowance.uncut()
    assert await drain(allowance) == 100
    clock.at = allowance.next_day_at
    allowance.cut(50, clock.at // DAY_MS - 1)  # yesterday's
    assert await drain(allowance) == 200
