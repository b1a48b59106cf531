"""Local hours on the way: quiet hours hold for what waited and for retries; rules change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from merpati.adapters.codec import pack, unpacker
from merpati.contracts.batch import Batch, LocalHours, MessageRow, Recipient
from merpati.contracts.event import EventType, Settlement
from merpati.delivery.late import LatePolicy, LateRule
from merpati.delivery.retry import HOUR_MS, MINUTE_MS
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import NOON, QUICK, StepClock, Worker, batch, policy, worker

NIGHT = LocalHours(quiet_from=21 * 60, quiet_to=8 * 60)  # it is 19:00 in Jakarta at NOON
JAKARTA = "Asia/Jakarta"
EVENING_MS, MORNING_MS = NOON + 2 * HOUR_MS, NOON + 13 * HOUR_MS  # 21:00 and 08:00 there
_read_batch = unpacker(Batch)


async def inject(w: Worker, due_at: int, hours: LocalHours = NIGHT, start: int = NOON + 1) -> None:
    """One message that is due then, of a batch that starts at once."""
    packed = _read_batch.decode(batch("a@x.example", now=NOON, due_at=start))
    recipient = pack(Recipient("a@x.example", time_zone=JAKARTA, hours=hours))
    row = MessageRow(0, "x.example", due_at, recipient)
    fields = {name: getattr(packed, name) for name in packed.__struct_fields__}
    await w.shard.append(pack(Batch(**fields | {"messages": [row]})))


async def due_at(w: Worker) -> int:
    (depth,) = (await w.shard.queues()).values()
    return depth.earliest_due_at


async def until_due_at(w: Worker, moment: int) -> None:
    async with asyncio.timeout(20.0):
        while await due_at(w) != moment:  # noqa: ASYNC110 - the disk is watched
            await asyncio.sleep(0.01)


async def test_a_retry_in_quiet_hours_waits_until_they_end(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        clock.ahead_ms = 2 * HOUR_MS - 10 * MINUTE_MS  # 20:50; the retry would be at 21:10
        await inject(w, NOON + 1)
        await w.until(w.events)
        await w.until(lambda: w.events()[0].type is EventType.DELAY)
        assert await due_at(w) == MORNING_MS
        sink.on_rcpt = lambda c, line: "250 2.1.5 OK"
        clock.ahead_ms = 13 * HOUR_MS
        assert (await w.settled(1))[-1].settlement is Settlement.DELIVERED


async def test_transactional_mail_is_tried_again_at_any_hour(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        clock.ahead_ms = 2 * HOUR_MS - 10 * MINUTE_MS
        await inject(w, NOON + 1, LocalHours(quiet_from=21 * 60, quiet_to=8 * 60, is_kept=False))
        await w.until(w.events)
        assert await due_at(w) < EVENING_MS + HOUR_MS


async def test_what_waited_into_quiet_hours_waits_until_they_end(tmp_path: Path) -> None:
    """Nothing ran, or an allowance was spent; no attempt is made and none is counted."""
    clock = StepClock()
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, clock=clock) as w:
            await inject(w, NOON + 1)
        clock.ahead_ms = 3 * HOUR_MS
        async with worker(tmp_path, policy(sink.port), clock=clock) as w:
            await until_due_at(w, MORNING_MS)
            assert sink.received == []
            clock.ahead_ms = 13 * HOUR_MS
            (event,) = await w.settled(1)
    assert (event.settlement, event.attempts) == (Settlement.DELIVERED, 0)


@pytest.mark.parametrize(
    ("begins_ms", "is_late"),
    [
        pytest.param(NOON + HOUR_MS, False, id="an hour and the night"),
        pytest.param(NOON + 1, True, id="two hours and the night"),
    ],
)
async def test_quiet_hours_make_nothing_late(tmp_path: Path, begins_ms: int, is_late: bool) -> None:
    """D14: what nobody may be sent at night has not been found late in the morning."""
    clock, rule = StepClock(), LateRule(LatePolicy.DROP, HOUR_MS + 30 * MINUTE_MS)
    clock.ahead_ms = 13 * HOUR_MS
    async with SmtpSink().running() as sink:
        options = replace(QUICK, late=rule)
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            await inject(w, begins_ms, start=begins_ms)
            (event,) = await w.settled(1)
    assert event.settlement is (Settlement.FAILED if is_late else Settlement.DELIVERED)
    assert ("found 2.0 hours late" in event.text) is is_late


async def test_new_rules_of_the_zones_move_what_is_scheduled(tmp_path: Path) -> None:
    """Z1: mail for 20:00 in Jakarta that was scheduled when Jakarta's clocks were an hour ahead."""
    clock = StepClock()
    at_eight = LocalHours(at=20 * 60)
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, policy(sink.port), replace(QUICK, zone_rules="1"), clock) as w:
            await inject(w, NOON + 2 * HOUR_MS, at_eight)
            await w.shard.keep_zone_rules("1")
        async with worker(tmp_path, policy(sink.port), replace(QUICK, zone_rules="2"), clock) as w:
            await until_due_at(w, NOON + HOUR_MS)
            clock.ahead_ms = HOUR_MS
            assert (await w.settled(1))[-1].settlement is Settlement.DELIVERED


async def test_the_same_rules_move_nothing(tmp_path: Path) -> None:
    clock, options = StepClock(), replace(QUICK, zone_rules="1")
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, options, clock) as w:
            await inject(w, NOON + 9 * HOUR_MS, LocalHours(at=20 * 60))
            await w.shard.keep_zone_rules("1")
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            await w.inject("now@x.example")
            await w.settled(1)  # long after it looked at what is scheduled
            assert await due_at(w) == NOON + 9 * HOUR_MS
