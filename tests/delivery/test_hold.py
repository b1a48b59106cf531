"""A hold: nothing is begun, nothing expires, and all goes on where it stood."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from merpati.delivery.retry import RetrySchedule
from merpati.sandbox.dns_server import DnsServer
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import QUICK, policy, worker

WHY = "all delivery is held: a test"


async def test_held_before_the_first_policy_nothing_is_sent_until_resumed(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with sink.running(), worker(tmp_path, None) as it:
        it.engine.hold(WHY)
        it.engine.use_policy(policy(sink.port))
        await it.inject("a@x.example", "b@y.example")
        await it.reason("held")
        assert {status.reason for status in await it.engine.queues()} == {WHY}
        assert sink.connections == []
        it.engine.hold("")
        await it.settled(2)
        assert len(sink.received) == 2


async def test_mail_under_way_ends_and_the_rest_waits(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with sink.running(), worker(tmp_path, policy(sink.port, connections=1)) as it:
        under_way: list[int] = []

        def hold(_: bytes) -> None:  # with the first that arrives
            under_way.append(sum(line.in_flight for line in it.engine._lanes))
            it.engine.hold(WHY)

        sink.on_message = hold
        await it.inject(*(f"u{n}@x.example" for n in range(200)))
        await it.until(lambda: it.engine.held)
        await it.until(lambda: not sum(line.in_flight for line in it.engine._lanes))
        held_at = len(sink.received)
        await it.settled(held_at)
        assert held_at <= under_way[0]
        assert it.waiting() == 200 - held_at
        sink.on_message = lambda data: None
        it.engine.hold("")
        await it.settled(200)
        assert sorted(m.rcpt for m in sink.received) == sorted(
            f"u{n}@x.example" for n in range(200)
        )


async def test_scheduled_mail_that_falls_due_stays_too(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with sink.running(), worker(tmp_path, policy(sink.port)) as it:
        it.engine.hold(WHY)
        await it.inject("later@x.example", due_at=it.clock.now() + 300)
        feeds = it.engine._homes[1].feeds
        await it.until(lambda: any(feed.reason == WHY for feed in feeds.values()))
        assert sink.connections == []
        it.engine.hold("")
        await it.settled(1)


async def test_nothing_expires_bounces_or_asks_dns_while_held(tmp_path: Path) -> None:
    brief = dataclasses.replace(QUICK, retry=RetrySchedule(first_ms=1_000, life_ms=60_000))
    with DnsServer() as dns:
        dns.add("null.example", "MX", "0 .")
        options = dataclasses.replace(brief, dns_servers=(dns.address,))
        async with worker(tmp_path, policy(1, routes=[]), options) as it:
            it.engine.hold(WHY)
            await it.inject("a@null.example")
            await it.reason("held")
            it.clock.ahead_ms += 3_600_000
            it.engine._placement.forget_unused()
            await it.inject("b@null.example")
            await it.until(lambda: it.shard.status().waiting == 2)
            await it.reason("held")
            assert (it.events(), dns.asked) == ([], [])
            it.engine.hold("")
            found = await it.settled(2)
    assert len(found) == 2
