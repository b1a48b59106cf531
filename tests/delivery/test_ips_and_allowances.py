"""Which IP mail leaves from, and how fast it goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from merpati.contracts.event import EventType
from merpati.contracts.sending_policy import Account, Pool
from merpati.delivery.allowance import DAY_MS
from merpati.delivery.retry import MINUTE_MS
from tests.delivery.ips import ABSENT, ONE, OTHER, TWO, replace_ip, some
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, POOL, QUICK, StepClock, policy, worker


async def test_an_ip_missing_from_the_host_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """T7: the mail leaves by the pool's other address, and the operator is told."""
    async with SmtpSink().running() as sink:
        first = policy(sink.port, ips=(ABSENT, ONE))
        async with worker(tmp_path, first) as w:
            await w.inject(*some(20))
            events = await w.settled(20)
    assert {event.sending_ip for event in events} == {ONE.address}
    assert sum("sending_ip_missing address=192.0.2.77" in text for text in caplog.messages) == 1


async def test_without_a_usable_ip_mail_waits_and_says_why(tmp_path: Path) -> None:
    async with (
        SmtpSink().running() as sink,
        worker(tmp_path, policy(sink.port, ips=(ABSENT,))) as w,
    ):
        await w.inject("a@x.example")
        await w.reason("192.0.2.77")
        assert not sink.connections
        w.engine.use_policy(policy(sink.port, version=2, ips=(ABSENT, ONE)))
        await w.settled(1)
    assert sink.received[0].peer == ONE.address


async def test_a_warming_ip_never_exceeds_its_day(tmp_path: Path) -> None:
    """Across restarts too; then the mail waits for the next UTC day."""
    clock = StepClock()
    async with SmtpSink().running() as sink:
        warming = policy(sink.port, ips=(replace_ip(ONE, 50),))
        for round_ in range(3):
            async with worker(tmp_path, warming, clock=clock) as w:
                await w.inject(*some(30, f"x{round_}.example"))
                if round_ == 0:
                    await w.settled(30)
                else:
                    await w.reason("allowance")
                    status = (await w.engine.queues())[0]
                    assert status.until is not None
                    assert status.until % DAY_MS == 0
        sent = len(sink.received)
        assert 30 < sent <= 50
        clock.ahead_ms += DAY_MS
        async with worker(tmp_path, warming, clock=clock) as w:
            await w.until(lambda: not w.waiting())
    assert len(sink.received) == 90


async def test_retries_and_refusals_count_as_attempts(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = lambda c, line: "450 4.2.0 later"
    async with (
        sink.running(),
        worker(tmp_path, policy(sink.port, ips=(replace_ip(ONE, 25),)), clock=clock) as w,
    ):
        await w.inject(*some(20))
        await w.until(lambda: len(w.events()) == 20)
        clock.ahead_ms = 20 * MINUTE_MS
        if clock.now() // DAY_MS != (clock.now() - clock.ahead_ms) // DAY_MS:
            pytest.skip("midnight UTC passes in this test")
        await w.reason("allowance")
    mails = sum(line.startswith("MAIL") for c in sink.connections for line in c.lines)
    assert mails == 25


async def test_an_allowance_is_never_passed_at_its_edge_also_across_restarts(
    tmp_path: Path,
) -> None:
    """M1: more connections than the day has messages left, and a worker that starts anew twice."""
    clock = StepClock()
    async with SmtpSink().running() as sink:
        first = policy(sink.port, ips=(replace_ip(ONE, 100),), connections=200)
        for start in range(1, 4):
            async with worker(tmp_path, first, clock=clock) as w:
                await w.inject(*(f"u{n}@start{start}.example" for n in range(200)))
                if start == 1:
                    await w.until(lambda: len(sink.received) >= 20)
                else:
                    await w.reason("allowance")
    assert 20 <= sum(line.startswith("MAIL") for c in sink.connections for line in c.lines) <= 100


async def test_a_spent_allowance_flows_to_the_overflow_pool(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        pools = [
            Pool(POOL, ACCOUNT, "default", [replace_ip(ONE, 10)], overflow_pool_id=12),
            Pool(12, ACCOUNT, "warm", [OTHER]),
        ]
        async with worker(tmp_path, policy(sink.port, pools=pools)) as w:
            await w.inject(*some(40))
            await w.settled(40)
    assert Counter(r.peer for r in sink.received) == {ONE.address: 10, OTHER.address: 30}


@pytest.mark.parametrize("fails", ["absent", "refused"])
async def test_when_the_overflow_pool_fails_mail_waits_and_never_floods_the_cold_ip(
    tmp_path: Path, fails: str
) -> None:
    """M4: the overflow pool's IP is not on this host, or is sent away by the provider."""
    clock = StepClock()
    async with SmtpSink().running() as sink:
        sink.on_rcpt = lambda c, _: "250 ok" if c.peer == ONE.address else "451 4.3.0 later"
        pools = [
            Pool(POOL, ACCOUNT, "default", [replace_ip(ONE, 10)], overflow_pool_id=12),
            Pool(12, ACCOUNT, "warm", [ABSENT if fails == "absent" else OTHER]),
        ]
        async with worker(tmp_path, policy(sink.port, pools=pools), clock=clock) as w:
            await w.inject(*some(40))
            if fails == "absent":
                await w.reason("allowance")
            else:
                delayed = EventType.DELAY
                await w.until(lambda: sum(e.type is delayed for e in w.events()) >= 30)
                clock.ahead_ms += 3_600_000  # they are tried again
                await w.until(lambda: sum(e.type is delayed for e in w.events()) >= 60)
            await w.until(lambda: w.waiting() == 30)
    assert Counter(r.peer for r in sink.received) == {ONE.address: 10}


async def test_overflow_never_uses_another_accounts_pool(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        pools = [
            Pool(POOL, ACCOUNT, "default", [replace_ip(ONE, 10)], overflow_pool_id=12),
            Pool(12, 17, "theirs", [OTHER]),
        ]
        accounts = [Account(ACCOUNT, 1, POOL), Account(17, 1, 12)]
        first = policy(sink.port, pools=pools, accounts=accounts)
        async with worker(tmp_path, first) as w:
            await w.inject(*some(15))
            await w.reason("allowance")
    assert Counter(r.peer for r in sink.received) == {ONE.address: 10}


async def test_a_block_is_not_answered_by_overflow(tmp_path: Path) -> None:
    """Refused mail does not hop to another of our IPs: it waits."""
    sink = SmtpSink()
    sink.banner = lambda c, line: "554 5.7.1 blocked" if c.peer == ONE.address else "220 hello"
    async with sink.running():
        pools = [
            Pool(POOL, ACCOUNT, "default", [replace_ip(ONE, 1000)], overflow_pool_id=12),
            Pool(12, ACCOUNT, "warm", [OTHER]),
        ]
        async with worker(tmp_path, policy(sink.port, pools=pools)) as w:
            await w.inject(*some(5))
            await w.reason("554 5.7.1 blocked")
    assert {c.peer for c in sink.connections} == {ONE.address}


async def test_no_more_connections_than_allowed(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        first = policy(sink.port, ips=TWO, connections=3)
        async with worker(tmp_path, first) as w:
            await w.inject(*some(300))
            await w.settled(300)
    assert sink.most_open <= 6
    assert {c.peer for c in sink.connections} == {ONE.address, OTHER.address}


async def test_a_rate_is_kept(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        first = policy(sink.port, messages_per_minute=600)
        async with worker(tmp_path, first) as w:
            start = w.clock.elapsed()
            await w.inject(*some(30))
            await w.settled(30)
            took = w.clock.elapsed() - start
    assert took >= (30 - 20) / 10 * 0.95  # a burst of two seconds' worth goes at once


async def test_a_provider_that_takes_few_messages_a_connection_gets_all(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_mail = lambda c, line: "421 4.7.0 enough" if c.messages >= 3 else "250 ok"
    async with sink.running(), worker(tmp_path, policy(sink.port, connections=1)) as w:
        await w.inject(*some(10))
        events = await w.settled(10)
    assert [event.type for event in events] == [EventType.DELIVERY] * 10
    assert len(sink.connections) == 4


async def test_a_small_memory_budget_only_slows(tmp_path: Path) -> None:
    options = replace(QUICK, in_flight_bytes=2_000)
    async with (
        SmtpSink().running() as sink,
        worker(tmp_path, policy(sink.port, ips=TWO), options=options) as w,
    ):
        await w.inject(*some(100))
        await w.inject(*some(100, "y.example"))
        await w.settled(200)
        await w.until(lambda: w.engine.budget.used_bytes == 0)
