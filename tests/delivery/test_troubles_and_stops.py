"""A sick disk, defects, and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from merpati.contracts.event import Event, EventType, Settlement
from merpati.delivery import hand_over
from merpati.delivery.composing import ComposeThreads, Composition
from merpati.delivery.prepared import Prepared
from merpati.delivery.retry import MINUTE_MS
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.shapes import Postponed
from merpati.spool.shard import Shard
from tests.delivery.ips import LIFE_MS, TWO, some
from tests.support.smtp_sink import Connection, SmtpSink
from tests.support.worker import StepClock, policy, worker


class FailingShard(Shard):
    """Refuses to settle while told to; breaks as many reads of contents as told to."""

    sick = False
    refused = 0
    content_failures: list[Exception] = []  # noqa: RUF012 - set by a test

    async def contents(
        self, content_ids: Sequence[int]
    ) -> dict[int, bytes | ContentUnreadable | None]:
        if self.content_failures:
            failure = self.content_failures.pop()
            if isinstance(failure, KeyError):
                return dict.fromkeys(content_ids)
            raise failure
        return await super().contents(content_ids)

    async def settle(
        self,
        settled: Sequence[int],
        postponed: Sequence[Postponed] = (),
        events: Sequence[Event] = (),
    ) -> None:
        if self.sick:
            self.refused += 1
            raise SpoolUnavailable("disk I/O error")
        await super().settle(settled, postponed, events)


async def test_delivery_pauses_while_outcomes_cannot_be_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """D7: no repeat sends, no further sends, and all goes on by itself."""
    clock = StepClock()
    shard = FailingShard(tmp_path / "spool", 1, clock)
    async with SmtpSink().running() as sink:
        first = policy(sink.port, ips=TWO)
        async with worker(tmp_path, first, wrap=lambda _: shard, clock=clock) as w:
            shard.sick = True
            await w.inject(*some(1000))
            await w.reason("disk I/O error")
            await w.until(lambda: shard.refused >= 3)
            so_far = len(sink.received)
            assert 0 < so_far < 900
            await w.until(lambda: shard.refused >= 4)
            assert len(sink.received) == so_far
            shard.sick = False
            await w.settled(1000)
    assert Counter(r.rcpt for r in sink.received) == Counter(some(1000))
    assert sum("settle_failed" in text for text in caplog.messages) == 1


async def test_a_content_that_cannot_be_read_now_is_read_later(tmp_path: Path) -> None:
    clock = StepClock()
    shard = FailingShard(tmp_path / "spool", 1, clock)
    shard.content_failures = [SpoolUnavailable("disk I/O error")]
    async with SmtpSink().running() as sink:
        first = policy(sink.port)
        async with worker(tmp_path, first, wrap=lambda _: shard, clock=clock) as w:
            await w.inject(*some(5))
            events = await w.settled(5)
            await w.until(lambda: w.engine.budget.used_bytes == 0)
    assert {event.settlement for event in events} == {Settlement.DELIVERED}


@pytest.mark.usefixtures("read_from_disk")
async def test_a_content_that_is_gone_fails_its_mail(tmp_path: Path) -> None:
    clock = StepClock()
    shard = FailingShard(tmp_path / "spool", 1, clock)
    shard.content_failures = [KeyError(1)]
    async with worker(tmp_path, policy(1), wrap=lambda _: shard, clock=clock) as w:
        await w.inject(*some(5))
        events = await w.settled(5)
    assert {(e.type, e.settlement) for e in events} == {
        (EventType.GENERATION_FAILURE, Settlement.FAILED)
    }


LONG = "word " * 60_000  # such a body stands in a file beside the shard


def body_of(folder: Path) -> Path:
    (body,) = (path for path in (folder / "spool").rglob("1") if path.is_file())
    return body


async def test_a_body_that_cannot_be_read_holds_up_only_its_own_mail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, None, clock=clock) as w:
        await w.inject(*some(20), text=LONG)
        body = body_of(tmp_path)
        away = body.rename(tmp_path / "away")
        await w.inject(*some(40))
        w.engine.use_policy(policy(sink.port))
        await w.settled(40)
        await w.until(lambda: len(w.events()) == 60)
        delays = [event for event in w.events() if event.type is EventType.DELAY]
        words = "[internal] content 1 is unreadable: No such file or directory"
        assert {(e.text, e.attempts, e.settlement) for e in delays} == {(words, 0, None)}
        assert w.waiting() == 20
        away.rename(body)
        clock.ahead_ms = MINUTE_MS + 1_000
        events = await w.settled(60)
    ends = [event for event in events if event.settlement is not None]
    assert {(e.settlement, e.attempts) for e in ends} == {(Settlement.DELIVERED, 0)}
    assert sum("content_unusable" in text for text in caplog.messages) == 1


async def test_mail_whose_body_stays_unreadable_expires(tmp_path: Path) -> None:
    clock = StepClock()
    async with worker(tmp_path, None, clock=clock) as w:
        await w.inject("a@x.example", text=LONG)
        body_of(tmp_path).unlink()
        w.engine.use_policy(policy(1))
        await w.until(lambda: len(w.events()) == 1)
        clock.ahead_ms = LIFE_MS + 1
        events = await w.settled(1)
    assert [event.settlement for event in events] == [None, Settlement.EXPIRED]
    assert "content 1 is unreadable" in events[-1].text


async def test_a_damaged_body_fails_only_its_own_mail(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, None) as w:
        await w.inject(*some(3, "x.example"), text=LONG)
        body_of(tmp_path).write_bytes(b"\x00 garbage")
        await w.inject(*some(5, "x.example"))
        w.engine.use_policy(policy(sink.port))
        events = await w.settled(8)
    assert Counter(e.settlement for e in events) == {
        Settlement.FAILED: 3,
        Settlement.DELIVERED: 5,
    }
    failed = {e.text for e in events if e.type is EventType.GENERATION_FAILURE}
    assert failed == {"[internal] its content is damaged"}


async def test_a_hand_over_that_fails_unforeseen_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compose, failures = ComposeThreads.compose, [RuntimeError("can't start new thread")]

    async def fail_once(*args: Any) -> list[Composition]:
        if failures:
            raise failures.pop()
        return await compose(*args)

    monkeypatch.setattr(ComposeThreads, "compose", fail_once)
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(5))
        await w.settled(5)
        await w.until(lambda: w.engine.budget.used_bytes == 0)
    assert Counter(r.rcpt for r in sink.received) == Counter(some(5))
    assert any("hand_over_failed" in text for text in caplog.messages)


async def test_a_message_whose_end_fails_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ValueError("unforeseen")]

    def fail_once(*args: Any) -> Prepared:
        if failures:
            raise failures.pop()
        return Prepared(*args)

    monkeypatch.setattr(hand_over, "Prepared", fail_once)
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(5))
        await w.settled(5)
        await w.until(lambda: w.engine.budget.used_bytes == 0)
    assert Counter(r.rcpt for r in sink.received) == Counter(some(5))
    assert sink.received[-1].rcpt == "u0@x.example"


@pytest.mark.usefixtures("read_from_disk")
async def test_a_content_that_a_defect_keeps_from_being_read_puts_off_its_mail(
    tmp_path: Path,
) -> None:
    clock = StepClock()
    shard = FailingShard(tmp_path / "spool", 1, clock)
    shard.content_failures = [TypeError("NoneType")]
    async with SmtpSink().running() as sink:
        first = policy(sink.port)
        async with worker(tmp_path, first, wrap=lambda _: shard, clock=clock) as w:
            await w.inject(*some(5))
            await w.until(lambda: len(w.events()) == 5)
            clock.ahead_ms = MINUTE_MS + 1_000
            events = await w.settled(5)
    assert Counter(e.type for e in events) == {EventType.DELAY: 5, EventType.DELIVERY: 5}


@pytest.mark.usefixtures("read_from_disk")
async def test_a_damaged_recipient_fails_only_its_own_message(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, None) as w:
        await w.inject(*some(5))
        with contextlib.closing(sqlite3.connect(tmp_path / "spool" / "01.sqlite3")) as db, db:
            db.execute(
                "UPDATE message SET recipient = x'00' WHERE id = (SELECT min(id) FROM message)"
            )
        w.engine.use_policy(policy(sink.port))
        events = await w.settled(5)
    assert Counter(e.settlement for e in events) == {
        Settlement.FAILED: 1,
        Settlement.DELIVERED: 4,
    }


async def test_a_stop_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """D16."""
    async with SmtpSink().running() as sink:
        for round_ in range(4):
            async with worker(tmp_path, policy(sink.port, ips=TWO)) as w:
                if round_ == 0:
                    await w.inject(*some(500))
                await w.until(lambda n=round_: len(sink.received) > n * 100)
        async with worker(tmp_path, policy(sink.port, ips=TWO)) as w:
            await w.until(lambda: not w.waiting())
    assert Counter(r.rcpt for r in sink.received) == Counter(some(500))
    assert all(c.lines[-1] == "QUIT" for c in sink.connections)


async def test_a_stop_does_not_wait_longer_than_its_grace(tmp_path: Path) -> None:
    sink = SmtpSink()

    async def hang(c: object) -> None:
        await asyncio.sleep(60)

    sink.converse = hang  # type: ignore[assignment]
    async with sink.running():
        clock = StepClock()
        start = clock.elapsed()
        async with worker(tmp_path, policy(sink.port), grace=0.3) as w:
            await w.inject("a@x.example")
            await w.until(lambda: sink.connections)
        assert clock.elapsed() - start < 5


async def test_what_a_stop_cuts_off_before_its_end_is_due_again_at_once(tmp_path: Path) -> None:
    sink = SmtpSink()
    waits = asyncio.Event()
    dialogue = sink.dialogue

    async def hang_in_data(c: Connection) -> None:
        c.say = hang(c.say)  # type: ignore[method-assign]
        await dialogue(c)

    def hang(say: Callable[[str], Awaitable[None]]) -> Callable[[str], Awaitable[None]]:
        async def slowly(text: str) -> None:
            if text.startswith("354"):
                waits.set()
                await asyncio.sleep(60)
            await say(text)

        return slowly

    sink.converse = hang_in_data  # type: ignore[assignment]
    async with sink.running():
        async with worker(tmp_path, policy(sink.port), grace=0.1) as w:
            await w.inject("a@x.example")
            async with asyncio.timeout(5):
                await waits.wait()
        assert w.events() == []
        sink.converse = dialogue
        async with worker(tmp_path, policy(sink.port)) as w:
            events = await w.settled(1)
    assert [(event.settlement, event.attempts) for event in events] == [(Settlement.DELIVERED, 0)]
