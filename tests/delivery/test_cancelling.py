"""Cancelling a campaign: whatever was not sent is cancelled, and nothing is both."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.delivery import cancelling
from merpati.delivery.retry import MINUTE_MS
from merpati.spool.draft import HANDED_OVER
from merpati.spool.errors import SpoolUnavailable
from tests.support.smtp_sink import Connection, SmtpSink
from tests.support.worker import ACCOUNT, StepClock, Worker, policy, worker

SPRING = "spring"


def some(count: int, domain: str = "x.example") -> list[str]:
    return [f"u{number}@{domain}" for number in range(count)]


async def is_forgotten(w: Worker) -> None:
    """Wait until the shard has no cancellation left."""
    async with asyncio.timeout(8.0):
        while await w.shard.cancellations():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(cancelling, "TROUBLE_SECONDS", 0.02)
    monkeypatch.setattr(cancelling, "STEP_MESSAGES", 7)


async def test_scheduled_mail_becomes_a_bounce_that_says_so(tmp_path: Path) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        later = clock.now() + 60 * MINUTE_MS
        await w.inject(*some(20), campaign_id=SPRING, due_at=later)
        await w.inject("stays@x.example", campaign_id="spring2", due_at=later)
        await w.shard.cancel(ACCOUNT, SPRING)
        await w.settled(20)
        await is_forgotten(w)
        await w.inject("after@x.example", campaign_id=SPRING, due_at=later)
        assert w.waiting() == 2
        clock.ahead_ms = 61 * MINUTE_MS
        events = await w.settled(22)
        assert w.waiting() == 0
    assert {r.rcpt for r in sink.received} == {"stays@x.example", "after@x.example"}
    cancelled = [event for event in events if event.settlement is Settlement.CANCELLED]
    assert {event.rcpt_to for event in cancelled} == set(some(20))
    assert {
        (e.type, e.code, e.enhanced, e.text, e.bounce_class, e.sending_ip) for e in cancelled
    } == {(EventType.BOUNCE, 554, "5.7.1", "[internal] Campaign cancelled", 25, "")}


async def test_a_transmission_is_cancelled_and_no_other_of_its_campaign(tmp_path: Path) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        later = {"campaign_id": SPRING, "due_at": clock.now() + 60 * MINUTE_MS}
        await w.inject(*some(9), transmission_id="71", **later)
        await w.inject("stays@x.example", transmission_id="72", **later)
        await w.inject("without@x.example", transmission_id="73", due_at=later["due_at"])
        await w.shard.cancel(ACCOUNT, "", "71")
        events = await w.settled(9)
        await is_forgotten(w)
        assert w.waiting() == 2
        clock.ahead_ms = 61 * MINUTE_MS
        await w.settled(11)
    assert {r.rcpt for r in sink.received} == {"stays@x.example", "without@x.example"}
    assert {(e.rcpt_to, e.transmission_id, e.text) for e in events} == {
        (address, "71", "[internal] Transmission cancelled") for address in some(9)
    }


async def test_mail_that_stands_still_in_memory_is_cancelled(tmp_path: Path) -> None:
    async with worker(tmp_path, policy(1, ips=())) as w:
        await w.inject(*some(30), campaign_id=SPRING)
        await w.inject("stays@x.example")
        await w.reason("no sending IP")
        await w.shard.cancel(ACCOUNT, SPRING)
        assert len(await w.settled(30)) == 30
        await is_forgotten(w)
        assert w.waiting() == 1


async def test_mail_already_picked_is_cancelled_but_not_what_a_connection_has(
    tmp_path: Path,
) -> None:
    sink, held, go_on = SmtpSink(), asyncio.Event(), asyncio.Event()

    async def slow_at_rcpt(c: Connection) -> None:
        say = c.say

        async def later(text: str) -> None:
            if text.startswith("250 2.1.5"):
                held.set()
                await go_on.wait()
            await say(text)

        c.say = later  # type: ignore[method-assign]
        await sink.dialogue(c)

    sink.converse = slow_at_rcpt
    async with sink.running(), worker(tmp_path, policy(sink.port, connections=1)) as w:
        await w.inject(*some(60), campaign_id=SPRING)
        await held.wait()
        home = w.engine._homes[1]
        await w.until(lambda: len(home.held) == 60)
        await w.shard.cancel(ACCOUNT, SPRING)
        await w.until(lambda: len(home.cancelled) > 1)  # those assigned, and the one on its way
        go_on.set()
        events = await w.settled(60)
        await is_forgotten(w)
        assert not home.cancelled
        await w.until(lambda: not home.held)
    sent = [r.rcpt for r in sink.received]
    told = Counter(event.rcpt_to for event in events)
    assert told == Counter(some(60))
    assert 1 <= len(sent) < 5
    delivered = {e.rcpt_to for e in events if e.settlement is Settlement.DELIVERED}
    cancelled = {e.rcpt_to for e in events if e.settlement is Settlement.CANCELLED}
    assert set(sent) == delivered
    assert cancelled == set(some(60)) - delivered


async def test_what_comes_back_from_a_connection_is_cancelled_then(tmp_path: Path) -> None:
    sink = SmtpSink()
    shard: list[Worker] = []
    asked: list[asyncio.Task[None]] = []

    def defer(c: Connection, line: str) -> str:
        if not asked:
            asked.append(asyncio.create_task(shard[0].shard.cancel(ACCOUNT, SPRING)))
        return "451 4.7.1 not now"

    sink.on_rcpt = defer
    async with sink.running(), worker(tmp_path, policy(sink.port)) as w:
        shard.append(w)
        await w.inject(*some(3), campaign_id=SPRING)
        events = await w.settled(3)
        assert w.waiting() == 0
    assert Counter(e.settlement for e in events)[Settlement.CANCELLED] == 3
    assert sink.received == []


async def test_a_page_read_before_a_cancellation_brings_nothing_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        was_read, go_on = asyncio.Event(), asyncio.Event()
        read = w.shard.due

        async def slow(*given: object) -> object:
            rows = await read(*given)  # type: ignore[arg-type]
            was_read.set()
            await go_on.wait()
            return rows

        w.shard.due = slow  # type: ignore[method-assign, assignment]
        many = HANDED_OVER + 1  # so many are read, not handed over
        await w.inject(*some(many), campaign_id=SPRING)
        await was_read.wait()
        await w.shard.cancel(ACCOUNT, SPRING)
        await w.settled(many)
        go_on.set()
        w.shard.due = read  # type: ignore[method-assign]
        await w.inject("last@x.example")
        await w.settled(many + 1)
    assert [received.rcpt for received in sink.received] == ["last@x.example"]
    assert "content" not in caplog.text  # none of the page was picked


async def test_a_cancellation_outlives_the_worker(tmp_path: Path) -> None:
    async with worker(tmp_path, None) as w:
        await w.inject(*some(3), campaign_id=SPRING)
        for canceller in w.engine._cancellers:
            canceller._asked.clear()
        w.shard.on_cancel = None
        await w.shard.cancel(ACCOUNT, SPRING)
    async with SmtpSink().running() as sink, worker(tmp_path, None) as w:
        assert len(await w.settled(3)) == 3
        await is_forgotten(w)
    assert sink.received == []


async def test_another_accounts_campaign_of_that_name_goes_on(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(3), campaign_id=SPRING)
        await w.shard.cancel(17, SPRING)
        await is_forgotten(w)
        events = await w.settled(3)
    assert {event.settlement for event in events} == {Settlement.DELIVERED}


async def test_trouble_with_the_disk_delays_a_cancellation(tmp_path: Path) -> None:
    async with worker(tmp_path, None) as w:
        failures = [SpoolUnavailable("sick")] * 2
        look = w.shard.cancellable

        async def sick(*given: object) -> object:
            if failures:
                raise failures.pop()
            return await look(*given)  # type: ignore[arg-type]

        w.shard.cancellable = sick  # type: ignore[method-assign, assignment]
        await w.inject(*some(3), campaign_id=SPRING)
        await w.shard.cancel(ACCOUNT, SPRING)
        assert len(await w.settled(3)) == 3
    assert not failures
