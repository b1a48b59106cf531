"""The engine over a real shard against scripted receivers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import dkim
import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import Route
from merpati.delivery import composing
from merpati.delivery.allowance import DAY_MS
from merpati.delivery.composing import ComposeThreads, Failed
from merpati.delivery.retry import MINUTE_MS
from merpati.message.compose import Composed
from merpati.spool.shapes import SpooledMessage
from tests.delivery.ips import LIFE_MS, ONE, OTHER, TWO, some
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import ACCOUNT, StepClock, key_pair, policy, worker


async def test_a_batch_is_rendered_signed_and_delivered(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(40))
        events = await w.settled(40)
        await w.until(lambda: not w.waiting())
    assert sorted(received.rcpt for received in sink.received) == sorted(some(40))
    assert {event.type for event in events} == {EventType.DELIVERY}
    assert len({received.message_id for received in sink.received}) == 40
    first = sink.received[0]
    assert f"Hello {first.rcpt}".encode() in first.data
    assert first.mail.endswith("@bounces.kirim.example")
    txt = b"v=DKIM1; k=rsa; p=" + key_pair()[1].encode()
    assert dkim.verify(first.data, dnsfunc=lambda name, timeout=5: txt)
    event = events[0]
    assert event.settlement is Settlement.DELIVERED
    assert (event.sending_ip, event.provider) == ("127.0.0.2", f"route:127.0.0.1:{sink.port}")
    assert event.remote == f"[127.0.0.1]:{sink.port}"
    assert event.size_bytes == len(next(r for r in sink.received if r.rcpt == event.rcpt_to).data)


async def test_what_was_on_disk_before_the_start_is_delivered(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None) as w:
            await w.inject(*some(400), *some(5, "y.example"))
        async with worker(tmp_path, policy(sink.port)) as w:
            await w.settled(405)
    assert Counter(r.rcpt for r in sink.received) == Counter([*some(400), *some(5, "y.example")])


async def test_both_ips_of_a_pool_are_used_each_with_its_own_name(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port, ips=TWO)) as w:
        await w.inject(*some(10))
        await w.settled(10)
    assert {(r.peer, r.helo) for r in sink.received} == {(ip.address, ip.hostname) for ip in TWO}
    assert Counter(r.peer for r in sink.received) == {ONE.address: 5, OTHER.address: 5}


async def test_content_cannot_end_the_message_early(tmp_path: Path) -> None:
    """S6: stray line ends are replaced, dots stuffed; the far end sees one message."""
    text = "a\n.\nMAIL FROM:<evil@x>\r.\r\nRCPT\r\n.\r\n..\r\nend\n.\r"
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example", text=text)
        await w.settled(1)
    assert len(sink.received) == 1
    data = sink.received[0].data
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
    assert b"\r\n..\r\nMAIL FROM:<evil@x>" in data


# Retries.


async def test_a_deferred_message_is_tried_again_from_the_same_ip(tmp_path: Path) -> None:
    """Greylisting providers want to see the same address."""
    clock = StepClock()
    sink = SmtpSink()
    seen: set[str] = set()

    def greylist(c: object, line: str) -> str:
        if line in seen:
            return "250 ok"
        seen.add(line)
        return "450 4.2.0 greylisted"

    sink.on_rcpt = greylist
    async with sink.running(), worker(tmp_path, policy(sink.port, ips=TWO), clock=clock) as w:
        await w.inject(*some(7))
        await w.until(lambda: len(w.events()) == 7)
        assert {(e.type, e.code, e.enhanced, e.attempts) for e in w.events()} == {
            (EventType.DELAY, 450, "4.2.0", 0)
        }
        assert w.waiting() == 7
        # In turn, the other way round: only their own memory brings them to the same address.
        w.engine.use_policy(policy(sink.port, version=2, ips=(OTHER, ONE)))
        clock.ahead_ms = 20 * MINUTE_MS
        events = await w.settled(7)
    first = {e.rcpt_to: e.sending_ip for e in events if e.type == EventType.DELAY}
    second = {e.rcpt_to: (e.sending_ip, e.attempts) for e in events if e.settlement}
    assert second == {rcpt: (ip, 1) for rcpt, ip in first.items()}
    assert set(first.values()) == {ONE.address, OTHER.address}


@pytest.mark.parametrize(("version", "times"), [(1, 1), (2, 2)])
async def test_a_deferred_message_is_signed_once_under_one_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, times: int
) -> None:
    clock, sink = StepClock(), SmtpSink()
    answers = iter(["450 4.2.0 greylisted", "250 ok"])
    sink.on_rcpt = lambda c, line: next(answers)
    composed: list[int] = []
    compose = composing._compose_one

    def counted(row: SpooledMessage, *given: Any) -> Composed | Failed:
        composed.append(row.message_id)
        return compose(row, *given)

    monkeypatch.setattr(composing, "_compose_one", counted)
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.until(lambda: len(w.events()) == 1)
        w.engine.use_policy(policy(sink.port, version=version))
        clock.ahead_ms = 20 * MINUTE_MS
        await w.settled(1)
    assert composed == [1] * times
    txt = b"v=DKIM1; k=rsa; p=" + key_pair()[1].encode()
    assert dkim.verify(sink.received[0].data, dnsfunc=lambda name, timeout=5: txt)


async def test_a_kept_message_is_not_sent_to_who_was_suppressed_meanwhile(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = lambda c, line: "450 4.2.0 greylisted"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.until(lambda: len(w.events()) == 1)
        w.lists.entries[ACCOUNT, "a@x.example"] = "Manually Added"
        clock.ahead_ms = 20 * MINUTE_MS
        events = await w.settled(1)
    assert events[-1].settlement is Settlement.SUPPRESSED


RAW = b"From: a@news.example.com\r\nSubject: s\r\n\r\n.hello\r\n"


async def test_unsigned_mail_that_just_came_needs_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr(ComposeThreads, "compose", fail)
    async with SmtpSink().running() as sink:
        route = Route("*", "127.0.0.1", sink.port, is_signed=False)
        async with worker(tmp_path, policy(sink.port, routes=[route])) as w:
            await w.inject("a@x.example", raw=RAW)
            await w.inject("b@x.example", raw=RAW)
            await w.settled(2)
    stuffed = RAW.replace(b"\r\n.", b"\r\n..")
    assert {received.data[-len(stuffed) :] for received in sink.received} == {stuffed}


async def test_a_message_that_never_gets_through_expires(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        for attempt, minutes in enumerate([20, 60, 140, 300, 620, 1260, 2540, 4320]):
            await w.until(lambda n=attempt: len(w.events()) > n)
            clock.ahead_ms = minutes * MINUTE_MS + 50 * (attempt + 1)
        events = await w.settled(1)
    assert [event.type for event in events] == [EventType.DELAY] * 8 + [EventType.BOUNCE]
    last = events[-1]
    assert (last.settlement, last.bounce_class, last.attempts) == (Settlement.EXPIRED, 24, 8)
    assert (last.code, last.enhanced) == (554, "5.4.7")
    assert last.text == "[internal] message timeout (last transfail: 451 4.7.1 not now)"


async def test_mail_that_cannot_be_tried_expires_too(tmp_path: Path) -> None:
    clock = StepClock()
    async with worker(tmp_path, policy(1, ips=()), clock=clock) as w:
        await w.inject(*some(3))
        await w.reason("no sending IP")
        clock.ahead_ms = LIFE_MS + 1
        events = await w.settled(3)
    assert {(e.settlement, e.bounce_class) for e in events} == {(Settlement.EXPIRED, 24)}
    assert "no sending IP" in events[0].text


async def test_after_a_long_outage_mail_gets_its_last_attempt(tmp_path: Path) -> None:
    """D14: found late by days, it is sent rather than dropped unseen."""
    clock = StepClock()
    async with SmtpSink().running() as sink:
        async with worker(tmp_path, None, clock=clock) as w:
            await w.inject("a@x.example")
        clock.ahead_ms = LIFE_MS + DAY_MS
        async with worker(tmp_path, policy(sink.port), clock=clock) as w:
            events = await w.settled(1)
    assert [event.settlement for event in events] == [Settlement.DELIVERED]


async def test_scheduled_mail_waits_for_its_time(tmp_path: Path) -> None:
    clock = StepClock()
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("later@x.example", due_at=clock.now() + 3_600_000)
        await w.inject("now@x.example")
        await w.settled(1)
        assert [r.rcpt for r in sink.received] == ["now@x.example"]
        clock.ahead_ms = 3_600_100
        await w.settled(2)
    assert sink.received[1].rcpt == "later@x.example"
