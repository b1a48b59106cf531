"""Rates, back-off and the warm-up allowance."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.adapters.clock import SystemClock
from merpati.contracts.sending_policy import ProviderAllowance
from merpati.delivery.allowance import DAY_MS, Allowance
from merpati.delivery.pacing import BURST_SECONDS, Backoff, TokenBucket
from merpati.spool.shapes import Grant
from merpati.spool.shard import Shard


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

    async def reserve(self, address: str, provider: str, day: int, block: int, limit: int) -> Grant:
        if day > self.day:
            self.day, self.granted = day, 0
        grant = max(0, min(block, limit - self.granted))
        self.granted += grant
        return Grant(grant, self.granted)


def level(messages: int, day: int = 0, **changes: Any) -> ProviderAllowance:
    return ProviderAllowance("google", day, messages, **changes)


def allowance_of(limit: int, ledger: Ledger, clock: Hand) -> Allowance:
    """One that goes at once, as SparkPost's stages do."""
    levels = [level(limit)]
    return Allowance("192.0.2.1", "google", levels, ledger.reserve, clock, is_spread=False)


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
    allowance = allowance_of(limit, ledger, clock)
    assert await drain(allowance) == limit
    assert allowance.is_spent
    clock.at = allowance.next_day_at
    assert allowance.is_spent == (limit == 0)
    assert await drain(allowance) == limit


async def test_a_crash_wastes_a_block_and_never_exceeds() -> None:
    clock, ledger, sent = Hand(), Ledger(), 0
    for _ in range(50):
        allowance = allowance_of(200, ledger, clock)
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        sent += sum(allowance.take() for _ in range(3))
    assert sent <= 200
    assert ledger.granted == 200


async def test_the_day_never_goes_back() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = allowance_of(200, ledger, clock)
    assert await drain(allowance) == 200
    clock.at -= 2 * DAY_MS
    assert await drain(allowance) == 0
    clock.at += 2 * DAY_MS
    assert await drain(allowance) == 0


async def test_a_lower_limit_holds_at_once_and_a_higher_one_frees() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = allowance_of(200, ledger, clock)
    allowance.begin_refill()
    await allowance.refill()
    allowance.follow([level(5)], is_spread=False)
    assert await drain(allowance) == 0  # ten are reserved already
    allowance.follow([level(30)], is_spread=False)
    assert await drain(allowance) == 20
    allowance.follow([level(200)], is_spread=False)
    allowance.begin_refill()
    await allowance.refill()
    allowance.follow([level(100)], is_spread=False)
    assert await drain(allowance) == 70, "what is reserved within the new limit stays"


async def test_a_limit_lowered_while_a_block_is_asked_for_holds() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = allowance_of(200, ledger, clock)
    allowance.begin_refill()
    asking = allowance.refill()
    allowance.follow([level(5)], is_spread=False)
    await asking
    assert await drain(allowance) == 5


async def test_a_cut_holds_for_its_day_and_may_be_undone() -> None:
    clock, ledger = Hand(), Ledger()
    allowance = allowance_of(200, ledger, clock)
    allowance.cut(50, clock.at // DAY_MS)
    assert await drain(allowance) == 100
    assert allowance.is_spent
    allowance.uncut()
    assert await drain(allowance) == 100
    clock.at = allowance.next_day_at
    allowance.cut(50, clock.at // DAY_MS - 1)  # yesterday's
    assert await drain(allowance) == 200


async def test_an_allowance_is_spread_over_what_is_left_of_the_day() -> None:
    clock, ledger = Hand(20_000 * DAY_MS + DAY_MS // 2), Ledger()
    allowance = Allowance("192.0.2.1", "google", [level(120)], ledger.reserve, clock)
    sent: list[int] = []
    for minute in range(12 * 60):
        clock.at = 20_000 * DAY_MS + DAY_MS // 2 + minute * 60_000
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        if allowance.left and allowance.wait() == 0:
            assert allowance.take()
            sent.append(minute // 60)
    assert [sent.count(hour) for hour in range(12)] == pytest.approx([10] * 12, abs=1)


@pytest.mark.parametrize(("before_midnight_minutes", "most"), [(1, 3), (59, 60)])
async def test_an_allowance_that_begins_before_midnight_makes_no_burst(
    before_midnight_minutes: int, most: int
) -> None:
    clock, ledger = Hand(20_001 * DAY_MS - before_midnight_minutes * 60_000), Ledger()
    allowance = Allowance("192.0.2.1", "google", [level(60)], ledger.reserve, clock)
    sent = 0
    while clock.at < 20_001 * DAY_MS:
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        if allowance.left and allowance.wait() == 0:
            sent += allowance.take()
        clock.at += 1_000
    assert 0 < sent <= most


async def test_messages_an_hour_are_kept_whatever_is_left() -> None:
    clock, ledger, sent = Hand(), Ledger(), 0
    levels = [level(10_000, messages_per_hour=60)]
    allowance = Allowance("192.0.2.1", "google", levels, ledger.reserve, clock)
    for _ in range(3_600):
        if allowance.wants_refill():
            allowance.begin_refill()
            await allowance.refill()
        if allowance.left and allowance.wait() == 0:
            sent += allowance.take()
        clock.at += 1_000
    assert sent == pytest.approx(60, abs=1)


def test_the_latest_level_goes_on_holding_and_the_day_turns_to_the_next() -> None:
    clock, ledger = Hand(), Ledger()
    today = clock.at // DAY_MS
    levels = [level(50), level(100, today - 3), level(70, today - 2), level(140, today + 1)]
    allowance = Allowance("192.0.2.1", "google", levels, ledger.reserve, clock)
    assert allowance.limit == 70, "a day without a row repeats the level before"
    clock.at += DAY_MS
    assert allowance.limit == 140
    clock.at -= 3 * DAY_MS
    assert allowance.limit == 140, "the day never goes back"


class AtMidnight(Hand):
    """Passes midnight behind the first look at it."""

    def now(self) -> int:
        seen, self.at = self.at, DAY_MS
        return seen


def test_an_allowance_may_be_made_while_the_day_turns() -> None:
    clock = AtMidnight(DAY_MS - 1)
    levels = [level(100, 0), level(300, 1)]
    assert Allowance("192.0.2.1", "google", levels, Ledger().reserve, clock).limit == 300


def test_before_its_first_day_an_allowance_is_that_day_s() -> None:
    clock, ledger = Hand(), Ledger()
    levels = [level(90, clock.at // DAY_MS + 5), level(50, clock.at // DAY_MS + 4)]
    assert Allowance("192.0.2.1", "google", levels, ledger.reserve, clock).limit == 50


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        ({"paused_until": 20_000 * DAY_MS + 7_000}, 20_000 * DAY_MS + 7_000),
        ({"messages_per_hour": 0}, 20_001 * DAY_MS),
    ],
)
def test_a_pause_ends(changes: dict[str, int], until: int) -> None:
    clock, ledger = Hand(), Ledger()
    levels = [level(90, **changes), level(100, 20_001)]
    allowance = Allowance("192.0.2.1", "google", levels, ledger.reserve, clock)
    assert (allowance.is_paused, allowance.paused_until) == (True, until)
    clock.at = until
    assert not allowance.is_paused


async def test_200_takers_at_the_edge_never_pass_the_cap(tmp_path: Path) -> None:
    """M1: 200 connections ask at once, over a real shard, with kills and midnight between."""
    clock, taken = Hand(), 0
    for killed_at in (40, 80, 120, None):
        shard = Shard(tmp_path, 1, SystemClock())
        levels = [level(150)]
        allowance = Allowance("192.0.2.1", "google", levels, shard.reserve, clock, is_spread=False)

        async def take(allowance: Allowance = allowance, killed_at: int | None = killed_at) -> None:
            nonlocal taken
            while not allowance.is_spent and (killed_at is None or taken < killed_at):
                if allowance.wants_refill():
                    allowance.begin_refill()
                    await allowance.refill()
                await asyncio.sleep(0)
                taken += allowance.take()

        await asyncio.gather(*(take() for _ in range(200)))
        await shard.close()  # what is left of its block is gone with this worker
    assert 120 <= taken <= 150
    clock.at += DAY_MS
    shard = Shard(tmp_path, 1, SystemClock())
    allowance = Allowance(
        "192.0.2.1", "google", [level(150)], shard.reserve, clock, is_spread=False
    )
    assert await drain(allowance) == 150
    await shard.close()
