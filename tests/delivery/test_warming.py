"""What warming IPs send: to each provider its own allowance, to the most engaged first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from merpati.contracts.sending_policy import Pool, ProviderAllowance, SendingIp
from merpati.delivery.allowance import DAY_MS
from merpati.delivery.feed_turns import FeedTurns
from merpati.delivery.sending_ip import Warmup
from merpati.spool.shapes import Grant
from tests.delivery.test_reactions import providers
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, NOON, POOL, StepClock, policy, worker

TODAY = NOON // DAY_MS
WARM = SendingIp("127.0.0.3", "mta-3.kirim.example")


def warming(
    *rows: ProviderAllowance, first: int | None = None, days: int | None = None
) -> SendingIp:
    return SendingIp(
        *("127.0.0.2", "mta-2.kirim.example"),
        allowances=list(rows),
        first_allowance=first,
        engaged_within_days=days,
    )


def at_once(provider: str, messages: int, day: int = TODAY) -> ProviderAllowance:
    return ProviderAllowance(provider, day, messages, messages_per_hour=1_000_000)


async def test_each_provider_has_an_allowance_of_its_own(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    tomorrow = at_once("yahoo", 4, TODAY + 1)
    sender = warming(at_once("yahoo", 3), tomorrow, at_once("x.example", 2))
    first = policy(0, routes=[], ips=(sender,))
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject(*(f"u{n}@yahoo.com" for n in range(9)))
        await w.inject(*(f"u{n}@x.example" for n in range(9)))
        await w.until_said("waits for tomorrow's allowance at Yahoo: 3 of 3 used (127.0.0.2)")
        await w.until(lambda: len(sink.received) == 5)
        assert Counter(r.rcpt.partition("@")[2] for r in sink.received) == {
            "yahoo.com": 3,
            "x.example": 2,
        }
        clock.ahead_ms += DAY_MS  # a day without a row repeats the level before
        await w.settled(11)
        await w.until_said("4 of 4 used")
        assert len(sink.received) == 11


async def test_a_provider_without_a_plan_gets_the_first_allowance_over_the_day(
    tmp_path: Path,
) -> None:
    """Spread over twelve hours one may go at once, and it says how fast the others do."""
    sink = SmtpSink()
    first = policy(0, routes=[], ips=(warming(first=24),))
    async with sink.running(), providers(tmp_path, sink, first) as w:
        await w.inject(*(f"u{n}@yahoo.com" for n in range(9)))
        await w.settled(1)
        (status,) = await w.engine.queues()
        assert "an hour while it warms up" in status.pace
        assert len(sink.received) == 1


async def test_a_pause_of_the_plan_says_why(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    why = "14 of 20 were refused at 11:58"
    paused = ProviderAllowance("yahoo", TODAY, 50, 1_000_000, clock.now() + 3_600_000, why)
    first = policy(0, routes=[], ips=(warming(paused),))
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject("a@yahoo.com")
        await w.until_said("mail from 127.0.0.2 to Yahoo is paused until 13:00 UTC (60 min): 14 of")
        assert not sink.received
        clock.ahead_ms += 3_600_000
        await w.settled(1)


async def test_who_engaged_most_recently_uses_the_warming_ip_first(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, None) as w:
        for tier in (5, 0, 3, 1, 4):
            await w.inject(*(f"u{n}@tier{tier}.example" for n in range(20)), tier=tier)
        route = f"route:127.0.0.1:{sink.port}"
        w.engine.use_policy(policy(sink.port, ips=(warming(at_once(route, 50)),)))
        await w.settled(50)
        sent = Counter(r.rcpt.partition("@")[2] for r in sink.received)
        assert sent == {"tier0.example": 20, "tier1.example": 20, "tier3.example": 10}


async def test_nobody_starves_whom_a_warm_ip_can_serve(tmp_path: Path) -> None:
    """The warming IP takes the engaged only; the warm one takes all tiers in turn."""
    async with SmtpSink().running() as sink, worker(tmp_path, None) as w:
        for tier in (1, 5):
            await w.inject(*(f"u{n}@tier{tier}.example" for n in range(60)), tier=tier)
        route = f"route:127.0.0.1:{sink.port}"
        w.engine.use_policy(policy(sink.port, ips=(warming(at_once(route, 10)), WARM)))
        await w.settled(120)
        cold = [r.rcpt for r in sink.received if r.peer == "127.0.0.2"]
        assert len(cold) <= 10
        served = [r.rcpt.partition("@")[2] for r in sink.received if r.peer == WARM.address]
        assert "tier5.example" in served[:60]


@pytest.mark.parametrize("has_overflow", [True, False])
async def test_who_engaged_too_long_ago_never_uses_a_warming_ip(
    tmp_path: Path, has_overflow: bool
) -> None:
    """SparkPost's engagement age; without another IP such mail waits, where SparkPost floods."""
    async with SmtpSink().running() as sink:
        route = f"route:127.0.0.1:{sink.port}"
        cold = warming(at_once(route, 1_000), days=30)
        pools = [Pool(POOL, ACCOUNT, "default", [cold], 12 if has_overflow else None)]
        pools += [Pool(12, ACCOUNT, "spare", [WARM])] if has_overflow else []
        async with worker(tmp_path, policy(sink.port, pools=pools)) as w:
            for tier in range(6):
                await w.inject(*(f"u{n}@tier{tier}.example" for n in range(5)), tier=tier)
            await w.settled(30 if has_overflow else 15)
            by_cold = {r.rcpt.partition("@")[2] for r in sink.received if r.peer == "127.0.0.2"}
            assert by_cold == {"tier0.example", "tier1.example", "tier2.example"}
            if not has_overflow:
                await w.until_said("waits for a warm sending IP: its recipients engaged too long")
            assert w.waiting() == (0 if has_overflow else 15)


async def test_both_the_ip_s_limit_in_all_and_each_provider_s_hold(tmp_path: Path) -> None:
    sink = SmtpSink()
    sender = SendingIp(
        *("127.0.0.2", "mta-2.kirim.example", 5),
        allowances=[at_once("yahoo", 3), at_once("x.example", 9)],
    )
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(sender,))) as w:
        await w.inject(*(f"u{n}@yahoo.com" for n in range(9)))
        await w.until(lambda: len(sink.received) == 3)
        await w.inject(*(f"u{n}@x.example" for n in range(9)))
        await w.until_said("waits for tomorrow's allowance: 5 of 5 used (127.0.0.2)")
        assert len(sink.received) == 5


async def granting(*wanted: object) -> Grant:
    return Grant(0, 0)


def test_a_cut_leaves_other_providers_alone() -> None:
    """A reply at one provider says nothing of another: M3's "rest unhurt"."""
    clock = StepClock()
    stage = SendingIp("127.0.0.2", "mta-2.kirim.example", 1_000)
    warmup = Warmup(stage, granting, clock)
    warmup.cut("google", 50, TODAY)
    assert [one.limit for one in warmup.at("google")] == [1_000, 500]
    assert [one.limit for one in warmup.at("yahoo")] == [1_000, 1_000]
    warmup.uncut("google")
    assert [one.limit for one in warmup.at("google")] == [1_000, 1_000]


def test_an_ip_without_a_plan_for_a_provider_is_not_limited_there() -> None:
    warmup = Warmup(warming(at_once("google", 50)), granting, StepClock())
    assert [one.limit for one in warmup.at("google")] == [50]
    assert warmup.at("yahoo") == ()


class Waits:
    def __init__(self, tier: int) -> None:
        self.in_turn = False
        self.key = self
        self.tier = tier


def test_feeds_take_turns_by_tier_or_the_best_first() -> None:
    turns, feeds = FeedTurns(), [Waits(tier) for tier in (5, 1, 5, 1)]
    for feed in feeds:
        turns.add(feed)  # type: ignore[arg-type]
        turns.add(feed)  # type: ignore[arg-type] - stands in it once
    first = [turns.next(best_first=False).key.tier for _ in range(2)]
    assert (sorted(first), turns.best) == ([1, 5], 1)
    assert [turns.next(best_first=True).key.tier for _ in range(2)] == [1, 5]
    assert not turns
