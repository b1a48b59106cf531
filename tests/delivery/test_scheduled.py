"""Scheduled mail: its life counts from its moment; found late it is sent, held or dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import Account
from merpati.delivery.late import LatePolicy, LateRule
from merpati.delivery.retry import HOUR_MS, MINUTE_MS
from merpati.spool.shapes import Postponed
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, POOL, QUICK, StepClock, policy, worker

DAY_MS = 24 * HOUR_MS


def late(rule: LatePolicy) -> LateRule:
    return LateRule(rule, 2 * HOUR_MS)


async def test_life_counts_from_the_scheduled_moment(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example", due_at=clock.now() + 3 * DAY_MS)
        clock.ahead_ms = 3 * DAY_MS + 1_000  # a life after injection, the first attempt
        await w.until(lambda: len(w.events()) == 1)
        assert w.events()[0].type is EventType.DELAY
        clock.ahead_ms = 6 * DAY_MS - MINUTE_MS
        await w.until(lambda: len(w.events()) == 2)
        assert w.events()[1].type is EventType.DELAY
        clock.ahead_ms = 6 * DAY_MS + 1_000
        events = await w.settled(1)
    assert events[-1].settlement is Settlement.EXPIRED


async def test_an_account_has_a_retry_schedule_of_its_own(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    own = Account(ACCOUNT, 1, POOL, retry_seconds=60, expire_seconds=600)
    async with (
        sink.running(),
        worker(tmp_path, policy(sink.port, accounts=[own]), clock=clock) as w,
    ):
        await w.inject("a@x.example")
        for attempt, minutes in enumerate((1, 3, 7, 11), start=1):
            await w.until(lambda n=attempt: len(w.events()) == n)  # type: ignore[misc]
            (depth,) = (await w.shard.queues()).values()
            assert depth.earliest_due_at == pytest.approx(
                clock.now() - clock.ahead_ms + minutes * MINUTE_MS, abs=20_000
            )
            clock.ahead_ms = minutes * MINUTE_MS + 1_000
            if attempt == 3:  # a change of the policy takes it along
                changed = msgspec.structs.replace(own, expire_seconds=660)
                w.engine.use_policy(policy(sink.port, version=2, accounts=[changed]))
        events = await w.settled(1)
    assert events[-1].settlement is Settlement.EXPIRED


@pytest.mark.parametrize("rule", list(LatePolicy))
async def test_scheduled_mail_found_late_goes_by_the_late_policy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: LatePolicy
) -> None:
    """D14."""
    clock = StepClock()
    options = replace(QUICK, late=late(rule))
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, options, clock) as w:
            await w.inject("a@x.example", "b@x.example", due_at=clock.now() + HOUR_MS)
            await w.inject("at-once@x.example")  # its sender has no moment in mind
        clock.ahead_ms = 6 * HOUR_MS
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            await w.until(lambda: len(w.events()) == 3)
            events, waiting = w.events(), w.waiting()
    told = {e.rcpt_to: (e.type, e.settlement, e.bounce_class, e.text) for e in events}
    assert told.pop("at-once@x.example")[1] is Settlement.DELIVERED
    match rule:
        case LatePolicy.SEND:
            assert {one[1] for one in told.values()} == {Settlement.DELIVERED}
        case LatePolicy.DROP:
            reason = "[internal] not sent: found 5.0 hours late"
            assert set(told.values()) == {(EventType.BOUNCE, Settlement.FAILED, 25, reason)}
        case LatePolicy.HOLD:
            reason = "[internal] held: scheduled mail found late"
            assert {(one[0], one[1], one[3]) for one in told.values()} == {
                (EventType.DELAY, None, reason)
            }
    assert waiting == (2 if rule is LatePolicy.HOLD else 0)
    assert len(sink.received) == (3 if rule is LatePolicy.SEND else 1)
    (line,) = [r.getMessage() for r in caplog.records if "scheduled_late" in r.getMessage()]
    assert f"hours=5.0 policy={rule}" in line


async def test_held_mail_ends_with_its_life(tmp_path: Path) -> None:
    """D14: never stuck for ever."""
    clock = StepClock()
    options = replace(QUICK, late=late(LatePolicy.HOLD))
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, options, clock) as w:
            await w.inject("a@x.example", due_at=clock.now() + HOUR_MS)
        clock.ahead_ms = 6 * HOUR_MS
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            await w.until(w.events)
            clock.ahead_ms = HOUR_MS + 3 * DAY_MS + 1_000
            events = await w.settled(1)
    assert [e.settlement for e in events] == [None, Settlement.EXPIRED]
    assert events[-1].text.endswith("(last transfail: [internal] held: scheduled mail found late)")
    assert sink.received == []


async def test_held_mail_that_a_person_makes_due_goes(tmp_path: Path) -> None:
    """D14: as `merpati queue retry` does; the note tells that it was held before."""
    clock = StepClock()
    options = replace(QUICK, late=late(LatePolicy.HOLD))
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, options, clock) as w:
            await w.inject("a@x.example", due_at=clock.now() + HOUR_MS)
        clock.ahead_ms = 6 * HOUR_MS
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            await w.until(w.events)
        async with worker(tmp_path, None, options, clock) as w:
            await w.shard.settle([], [Postponed(1, clock.now(), attempted=False)])
        async with worker(tmp_path, policy(sink.port), options, clock) as w:
            events = await w.settled(1)
    assert [e.settlement for e in events] == [None, Settlement.DELIVERED]


async def test_scheduled_mail_that_is_not_late_goes_whatever_the_policy(tmp_path: Path) -> None:
    clock = StepClock()
    options = replace(QUICK, late=late(LatePolicy.DROP))
    async with (
        SmtpSink().running() as sink,
        worker(tmp_path, policy(sink.port), options, clock) as w,
    ):
        await w.inject("a@x.example", due_at=clock.now() + HOUR_MS)
        clock.ahead_ms = 3 * HOUR_MS - MINUTE_MS
        (event,) = await w.settled(1)
    assert event.settlement is Settlement.DELIVERED


async def test_mail_tried_in_time_is_never_late(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    options = replace(QUICK, late=late(LatePolicy.DROP))
    async with sink.running(), worker(tmp_path, policy(sink.port), options, clock) as w:
        await w.inject("a@x.example", due_at=clock.now() + HOUR_MS)
        clock.ahead_ms = HOUR_MS + 1_000
        await w.until(w.events)
        sink.on_rcpt = lambda c, line: "250 2.1.5 ok"
        clock.ahead_ms = 6 * HOUR_MS
        events = await w.settled(1)
    assert events[-1].settlement is Settlement.DELIVERED
