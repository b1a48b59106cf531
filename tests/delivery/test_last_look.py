"""Mail that waited is looked up in the suppression list again, right before it would go."""

from __future__ import annotations

from pathlib import Path

import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.delivery.retry import HOUR_MS, MINUTE_MS
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, StepClock, policy, worker


def some(count: int) -> list[str]:
    return [f"u{number}@x.example" for number in range(count)]


async def test_who_was_suppressed_meanwhile_is_not_mailed(tmp_path: Path) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject(*some(10), due_at=clock.now() + HOUR_MS)
        w.lists.entries[ACCOUNT, "u3@x.example"] = "Spam Complaint"
        w.lists.entries[17, "u4@x.example"] = "Manually Added"  # another account's list
        clock.ahead_ms = HOUR_MS + 1_000
        events = await w.settled(10)
        assert w.waiting() == 0
    assert {r.rcpt for r in sink.received} == set(some(10)) - {"u3@x.example"}
    (stopped,) = [event for event in events if event.settlement is not Settlement.DELIVERED]
    assert (stopped.rcpt_to, stopped.type, stopped.settlement, stopped.ip_pool) == (
        *("u3@x.example", EventType.BOUNCE, Settlement.SUPPRESSED, "default"),
    )
    assert (stopped.code, stopped.enhanced, stopped.bounce_class, stopped.text) == (
        *(554, "5.7.1", 25),
        "recipient address was suppressed due to customer policy (Spam Complaint)",
    )
    assert len(w.lists.asked) == 1  # one question for all of a hand-over


async def test_a_retry_is_looked_up_too(tmp_path: Path) -> None:
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        w.lists.entries[ACCOUNT, "a@x.example"] = "Bounce Rule"
        clock.ahead_ms = 21 * MINUTE_MS
        events = await w.settled(1)
    assert [event.settlement for event in events] == [None, Settlement.SUPPRESSED]
    assert events[-1].attempts == 1
    assert sum("RCPT" in line for c in sink.connections for line in c.lines) == 1


async def test_fresh_mail_is_not_looked_up_again(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        w.lists.entries[ACCOUNT, "a@x.example"] = "Bounce Rule"
        await w.inject("a@x.example")
        (event,) = await w.settled(1)
    assert event.settlement is Settlement.DELIVERED
    assert w.lists.asked == []


async def test_mail_whose_sender_wants_no_look_gets_none(tmp_path: Path) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        w.lists.entries[ACCOUNT, "a@x.example"] = "Bounce Rule"
        await w.inject("a@x.example", due_at=clock.now() + HOUR_MS, skip_suppression=True)
        clock.ahead_ms = HOUR_MS + 1_000
        (event,) = await w.settled(1)
    assert event.settlement is Settlement.DELIVERED


async def test_a_list_that_cannot_be_read_puts_off_late_mail_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = StepClock()
    caplog.set_level("INFO")
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        w.lists.failure = "disk I/O error"
        await w.inject("late@x.example", due_at=clock.now() + HOUR_MS)
        clock.ahead_ms = HOUR_MS + 1_000
        await w.until(w.events)
        await w.inject("fresh@x.example")
        await w.settled(1)
        assert [r.rcpt for r in sink.received] == ["fresh@x.example"]
        assert w.waiting() == 1
        (put_off,) = [event for event in w.events() if event.settlement is None]
        assert put_off.text == ("[internal] the suppression list cannot be read: disk I/O error")
        w.lists.failure = ""
        clock.ahead_ms += 2 * MINUTE_MS
        await w.settled(2)
    assert [r.rcpt for r in sink.received] == ["fresh@x.example", "late@x.example"]
    told = [r.getMessage() for r in caplog.records if "suppressions_" in r.getMessage()]
    assert told == [
        "suppressions_unreadable effect=late_mail_put_off reason=disk I/O error",
        "suppressions_readable",
    ]
