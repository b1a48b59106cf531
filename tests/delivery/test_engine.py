"""The engine over a real shard against scripted receivers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dkim
import pytest

from merpati.contracts.batch import Mailbox
from merpati.contracts.event import Event, EventType, Settlement
from merpati.contracts.sending_policy import Account, Pool, Route, SendingIp
from merpati.delivery import composing, hand_over
from merpati.delivery.allowance import DAY_MS
from merpati.delivery.composing import ComposeThreads, Composition, Failed
from merpati.delivery.prepared import Prepared
from merpati.delivery.retry import MINUTE_MS
from merpati.message.compose import Composed
from merpati.sandbox.dns_server import DnsServer
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.shapes import Postponed, SpooledMessage
from merpati.spool.shard import Shard
from tests.support.certificates import server_tls
from tests.support.smtp_sink import CLOSE, Connection, SmtpSink
from tests.support.worker import ACCOUNT, POOL, QUICK, StepClock, key_pair, policy, worker

ONE = SendingIp("127.0.0.2", "mta-2.kirim.example")
OTHER = SendingIp("127.0.0.3", "mta-3.kirim.example")
TWO = (ONE, OTHER)
ABSENT = SendingIp("192.0.2.77", "mta-77.kirim.example")
LIFE_MS = QUICK.retry.life_ms


def some(count: int, domain: str = "x.example") -> list[str]:
    return [f"u{number}@{domain}" for number in range(count)]


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
            await w.inject(*some(1200), *some(5, "y.example"))
        async with worker(tmp_path, policy(sink.port)) as w:
            await w.settled(1205)
    assert Counter(r.rcpt for r in sink.received) == Counter([*some(1200), *some(5, "y.example")])


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


# Which IP, and how fast.


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


# A far end in trouble.


async def test_a_dead_route_holds_mail_and_a_changed_route_frees_it(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(1)) as w:
        await w.inject(*some(5))
        await w.reason("refused")
        assert w.events() == []  # a short outage costs nobody a retry
        w.engine.use_policy(policy(sink.port, version=2))
        await w.settled(5)


async def test_why_mail_waits_is_said_while_the_next_connection_is_opened(tmp_path: Path) -> None:
    sink = SmtpSink()

    async def hang(c: Connection) -> None:
        if len(sink.connections) > 1:
            await asyncio.Event().wait()
        await c.say("421 4.3.2 no service")

    sink.converse = hang
    options = replace(QUICK, first_backoff=0.01)
    async with sink.running(), worker(tmp_path, policy(sink.port), options, grace=0.2) as w:
        await w.inject("a@x.example")
        await w.until(lambda: len(sink.connections) > 1)
        (status,) = await w.engine.queues()
    assert status.why == "backs_off"
    assert "421 4.3.2 no service in answer to connecting" in status.reason


async def test_what_was_said_last_is_told_after_a_restart_too(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.2.0 greylisted"
    async with sink.running(), worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
    async with worker(tmp_path, policy(sink.port)) as w:
        (status,) = await w.engine.queues()
        assert (status.why, status.last_reply) == ("next_attempt", "451 4.2.0 greylisted")


async def test_a_restarted_receiver_gets_everything(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        port = sink.port
    async with worker(tmp_path, policy(port)) as w:
        await w.inject(*some(5))
        await w.reason("refused")
        async with SmtpSink().running(port=port) as sink:
            await w.settled(5)
    assert len(sink.received) == 5


async def test_a_long_outage_shows_as_delays(tmp_path: Path) -> None:
    options = replace(QUICK, first_backoff=0.01, longest_backoff=0.02)
    async with worker(tmp_path, policy(1), options=options) as w:
        await w.inject(*some(5))
        await w.until(lambda: len(w.events()) >= 3)
        events = w.events()
        assert {event.type for event in events} == {EventType.DELAY}
        assert "refused" in events[0].text
        assert w.waiting() == 5


async def test_a_lost_answer_is_repeated_as_the_same_message(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    taken: list[bytes] = []

    def lose_the_first_answer(c: Connection, rcpt: str) -> str:
        return CLOSE if len(taken) == 1 else "250 ok"

    sink.on_message = taken.append
    sink.on_dot = lose_the_first_answer
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        assert [event.type for event in w.events()] == [EventType.DELAY]
        assert w.engine.uncertain == 1
        clock.ahead_ms = 20 * MINUTE_MS
        await w.settled(1)
    assert len(taken) == 2
    assert taken[0] == taken[1]


MX_TROUBLES = ["421 4.3.2 busy", "554 5.7.1 no", CLOSE, "garbage", "", "dead"]


@pytest.mark.parametrize("trouble", MX_TROUBLES)
async def test_the_next_mx_is_tried(tmp_path: Path, trouble: str) -> None:
    """T1: dead, slow, 421 or 554 at the banner; no false bounce."""
    first, second = SmtpSink(), SmtpSink()
    first.banner = lambda c, line: trouble
    quick = replace(QUICK.timeouts, banner=0.3, ehlo=0.3)
    loopback = ipaddress.ip_network("127.0.0.0/8")
    with DnsServer() as dns:
        dns.add("x.example", "MX", "10 mx1.mail.example.", "20 mx2.mail.example.")
        dns.add("mx1.mail.example", "A", "127.0.0.11")
        dns.add("mx2.mail.example", "A", "127.0.0.12")
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(second.running("127.0.0.12"))
            if trouble != "dead":
                await stack.enter_async_context(first.running("127.0.0.11", second.port))
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                port=second.port,
                allow_private=(loopback,),
                timeouts=quick,
            )
            w = await stack.enter_async_context(
                worker(tmp_path, policy(0, routes=[]), options=options)
            )
            await w.inject(*some(3))
            events = await w.settled(3)
    assert {(e.settlement, e.provider) for e in events} == {(Settlement.DELIVERED, "mail.example")}
    assert events[0].remote == f"mx2.mail.example[127.0.0.12]:{second.port}"


@pytest.mark.parametrize("where", ["banner", "on_data"])
async def test_a_dead_first_mx_is_learnt_and_bounces_nothing(tmp_path: Path, where: str) -> None:
    """T1: it greets with 554, or drops at DATA; the rest of the mail goes to the second MX."""
    first, second = SmtpSink(), SmtpSink()
    setattr(first, where, lambda c, line: "554 no" if where == "banner" else CLOSE)
    loopback = ipaddress.ip_network("127.0.0.0/8")
    with DnsServer() as dns:
        dns.add("x.example", "MX", "10 mx1.mail.icloud.com.", "20 mx2.mail.icloud.com.")
        dns.add("mx1.mail.icloud.com", "A", "127.0.0.11")
        dns.add("mx2.mail.icloud.com", "A", "127.0.0.12")
        async with (
            second.running("127.0.0.12"),
            first.running("127.0.0.11", second.port),
        ):
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                port=second.port,
                allow_private=(loopback,),
                connections=1,
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                await w.inject(*some(12))
                await w.until(lambda: len(w.events()) == 12)
                events = w.events()
    assert {event.type for event in events} <= {EventType.DELIVERY, EventType.DELAY}
    assert len(second.received) >= 11
    assert len(second.connections) >= 3  # of five messages each
    assert len(first.connections) == 1


async def test_domains_of_one_provider_share_its_limits_and_slow_dns_holds_only_its_own(
    tmp_path: Path,
) -> None:
    loopback = ipaddress.ip_network("127.0.0.0/8")
    with DnsServer() as dns:
        for domain in ("a.example", "b.example"):
            dns.add(domain, "MX", "10 mx.mail.example.")
        dns.add("mx.mail.example", "A", "127.0.0.1")
        dns.silent.update(("slow.example", "gmail.com"))
        async with SmtpSink().running() as sink:
            options = replace(
                QUICK, dns_servers=(dns.address,), port=sink.port, allow_private=(loopback,)
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                slow = ("u@slow.example", "u@gmail.com")
                await w.inject(*slow, *some(20, "a.example"), *some(20, "b.example"))
                await w.settled(40)
                queues = await w.engine.queues()
                # Before the MX is known the domain hints at its provider.
                held = [("google", 1), ("slow.example", 1)]
                assert [(q.provider, q.depth) for q in queues] == held
    assert sink.most_open <= 10


async def test_a_known_provider_gets_its_own_pace_and_the_queue_says_so(tmp_path: Path) -> None:
    loopback = ipaddress.ip_network("127.0.0.0/8")
    with DnsServer() as dns:
        dns.add("firm.example", "MX", "10 mx01.mail.icloud.com.")
        dns.add("mx01.mail.icloud.com", "A", "127.0.0.1")
        sink = SmtpSink()
        sink.on_rcpt = lambda c, line: "450 4.2.0 later" if "u7@" in line else "250 ok"
        async with sink.running():
            options = replace(
                QUICK, dns_servers=(dns.address,), port=sink.port, allow_private=(loopback,)
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                await w.inject(*some(20, "firm.example"))
                await w.until(lambda: len(w.events()) >= 20)
                events = w.events()
                queue = (await w.engine.queues())[0]
    assert {event.provider for event in events} == {"apple"}
    assert len(sink.connections) >= 4
    assert queue.provider == "apple"
    assert queue.pace == "up to 10 connections of 5 messages, 6000/min per sending IP"


SIX = SendingIp("::1", "mta-6.kirim.example")


@pytest.mark.parametrize(
    ("ips", "addresses", "used"),
    [
        pytest.param((SIX, ONE), ["127.0.0.1"], {ONE.address}, id="IPv4 host"),
        pytest.param((SIX, ONE), ["::1"], {SIX.address}, id="IPv6 host"),
        pytest.param((SIX, ONE), ["127.0.0.1", "::1"], {ONE.address, SIX.address}, id="both"),
        pytest.param((ONE,), ["::1"], None, id="IPv6 host alone"),
    ],
)
async def test_each_sending_ip_goes_where_its_family_reaches(
    tmp_path: Path, ips: tuple[SendingIp, ...], addresses: list[str], used: set[str] | None
) -> None:
    allowed = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
    sink = SmtpSink()
    with DnsServer() as dns:
        dns.add("x.example", "MX", "10 mx.mail.example.")
        for address in addresses:
            dns.add("mx.mail.example", "AAAA" if ":" in address else "A", address)
        async with sink.running(addresses):
            options = replace(
                QUICK, dns_servers=(dns.address,), port=sink.port, allow_private=allowed
            )
            first = policy(0, routes=[], ips=ips)
            async with worker(tmp_path, first, options=options) as w:
                await w.inject(*some(8))
                if used is None:
                    await w.reason("add an IPv6 address to default")
                    assert not w.events()
                    return
                events = await w.settled(8)
    assert {event.sending_ip for event in events} == used
    assert {event.type for event in events} == {EventType.DELIVERY}


OUTLOOK = "hotmail-com.olc.protection.outlook.com"


async def test_a_provider_s_own_words_decide_over_its_codes(tmp_path: Path) -> None:
    """A 550 that means "too fast" is tried again; a 550 that blames the IP is a block (T5)."""
    loopback = ipaddress.ip_network("127.0.0.0/8")
    answers = {
        "fast@qq.com": "550 Ip frequency limited",
        "gone@hotmail.com": "550 5.5.0 Requested action not taken: mailbox unavailable",
        "block@hotmail.com": "550 5.7.1 part of their network is on our block list (S3140)",
    }
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: answers[line[9:-1]]
    sink.tls = server_tls("mx1.qq.com")  # without TLS it gets nothing
    with DnsServer() as dns:
        for domain, host in (("qq.com", "mx1.qq.com"), ("hotmail.com", OUTLOOK)):
            dns.add(domain, "MX", f"10 {host}.")
            dns.add(host, "A", "127.0.0.1")
        async with sink.running():
            options = replace(
                QUICK, dns_servers=(dns.address,), port=sink.port, allow_private=(loopback,)
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                await w.inject(*answers)
                await w.until(lambda: len(w.events()) == 3)
                events = w.events()
    assert {(e.rcpt_to, e.provider, e.type, e.bounce_class) for e in events} == {
        ("fast@qq.com", "tencent-qq", EventType.DELAY, 70),
        ("block@hotmail.com", "outlook-consumer", EventType.BOUNCE, 51),
        ("gone@hotmail.com", "outlook-consumer", EventType.BOUNCE, 10),
    }


async def test_a_domain_without_mail_bounces(tmp_path: Path) -> None:
    with DnsServer() as dns:
        dns.add("null.example", "MX", "0 .")
        options = replace(QUICK, dns_servers=(dns.address,))
        async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
            await w.inject("a@null.example", "a@none.example")
            events = {event.rcpt_to: event for event in await w.settled(2)}
    assert events["a@null.example"].bounce_class == 10
    assert events["a@null.example"].enhanced == "5.1.10"
    assert events["a@none.example"].bounce_class == 21
    assert {event.settlement for event in events.values()} == {Settlement.BOUNCED}


async def test_a_private_mx_defers_and_tells_the_operator(tmp_path: Path) -> None:
    with DnsServer() as dns:
        dns.add("x.example", "A", "127.0.0.1")
        options = replace(QUICK, dns_servers=(dns.address,))
        async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
            await w.inject("a@x.example", "b@x.example")
            await w.until(w.events)
            assert w.events()[0].type == EventType.DELAY
            assert "safety.allow_private" in w.events()[0].text
            await w.reason("safety.allow_private")
            assert w.waiting() == 2


async def test_mail_whose_domain_cannot_be_looked_up_expires(tmp_path: Path) -> None:
    clock = StepClock()
    with DnsServer() as dns:
        dns.broken.add("x.example")
        options = replace(QUICK, dns_servers=(dns.address,), dns_deadline=0.2)
        async with worker(tmp_path, None, options=options, clock=clock) as w:
            await w.inject(*some(5))
        clock.ahead_ms = LIFE_MS
        async with worker(tmp_path, policy(0, routes=[]), options=options, clock=clock) as w:
            events = await w.settled(5)
    assert {(e.settlement, e.bounce_class) for e in events} == {(Settlement.EXPIRED, 24)}
    assert "MX lookup of x.example" in events[0].text


# A changed world (D11).


async def test_mail_of_a_removed_pool_leaves_by_the_default_pool(tmp_path: Path) -> None:
    """D11."""
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example", pool_id=999)
        events = await w.settled(1)
    assert (events[0].ip_pool, events[0].sending_ip) == ("default", ONE.address)


async def test_mail_of_a_removed_account_fails_with_a_reason(tmp_path: Path) -> None:
    """D11."""
    async with worker(tmp_path, policy(1, accounts=[], pools=[])) as w:
        await w.inject(*some(700))
        events = await w.settled(700)
        await w.until(lambda: not w.waiting())
    assert {(e.settlement, e.bounce_class) for e in events} == {(Settlement.FAILED, 25)}


async def test_mail_of_a_suspended_account_is_held_and_says_why(tmp_path: Path) -> None:
    """D11: what is due, what was assigned and what comes later; resumed, all of it goes."""
    held = Account(ACCOUNT, 1, POOL, suspended="invoice 42 is unpaid")
    first = {"messages_per_minute": 60}
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port, **first)) as w:
        await w.inject(*some(6))
        await w.until(lambda: len(sink.received) == 2)  # the burst; the rest is assigned
        w.engine.use_policy(policy(sink.port, version=2, accounts=[held]))
        await w.inject("later@y.example")
        await w.reason("suspended: invoice 42 is unpaid")
        await w.until(lambda: w.engine.budget.used_bytes == 0)
        so_far = len(sink.received)
        assert so_far < 4
        await w.until(lambda: w.waiting() == 7 - so_far)
        w.engine.use_policy(policy(sink.port, version=3))
        await w.settled(7)
    assert Counter(r.rcpt for r in sink.received) == Counter([*some(6), "later@y.example"])


async def test_scheduled_mail_of_a_closed_account_fails_when_it_is_due(tmp_path: Path) -> None:
    """D11."""
    clock = StepClock()
    async with worker(tmp_path, policy(1), clock=clock) as w:
        await w.inject("a@x.example", due_at=clock.now() + DAY_MS)
        w.engine.use_policy(policy(1, version=2, accounts=[]))
        clock.ahead_ms = DAY_MS + 1_000
        (event,) = await w.settled(1)
    assert (event.settlement, event.bounce_class) == (Settlement.FAILED, 25)
    assert event.text == "[internal] the account is closed"


async def test_retried_mail_of_a_removed_domain_fails_with_a_reason(tmp_path: Path) -> None:
    """D11: a raw message, as SMTP brings it, too."""
    sink, clock = SmtpSink(), StepClock()
    sink.on_rcpt = lambda c, line: "451 4.7.1 not now"
    raw = b"From: hi@kirim.example\r\nSubject: x\r\n\r\nhello\r\n"
    async with sink.running(), worker(tmp_path, policy(sink.port), clock=clock) as w:
        await w.inject("a@x.example")
        await w.inject("b@x.example", raw=raw)
        await w.until(lambda: len(w.events()) == 2)
        w.engine.use_policy(policy(sink.port, version=2, keys=[]))
        clock.ahead_ms = 21 * 60_000
        events = await w.settled(2)
    assert [(e.type, e.settlement, e.attempts) for e in events[2:]] == [
        (EventType.GENERATION_FAILURE, Settlement.FAILED, 1)
    ] * 2
    assert all("the sending domain 'kirim.example' has no key" in e.text for e in events[2:])


async def test_mail_of_a_domain_without_key_fails_with_a_reason(tmp_path: Path) -> None:
    async with worker(tmp_path, policy(1, keys=[])) as w:
        await w.inject(*some(20))
        events = await w.settled(20)
    assert {(e.type, e.settlement) for e in events} == {
        (EventType.GENERATION_FAILURE, Settlement.FAILED)
    }
    assert "kirim.example" in events[0].text


async def test_a_message_that_cannot_be_made_fails_alone(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("a@x.example", "b@x.example", text="{{#broken")
        await w.inject("c@x.example")
        events = await w.settled(3)
    assert Counter(event.settlement for event in events) == {
        Settlement.FAILED: 2,
        Settlement.DELIVERED: 1,
    }


async def test_a_batch_of_a_newer_policy_waits_for_it(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("new@x.example", policy_version=3)
        await w.reason("version 3")
        await w.inject("old@y.example", policy_version=1)
        await w.settled(1)
        w.engine.use_policy(policy(sink.port, version=2))
        w.engine.use_policy(policy(sink.port, version=3, ips=(OTHER,)))
        await w.settled(2)
    assert [(r.rcpt, r.peer) for r in sink.received] == [
        ("old@y.example", ONE.address),
        ("new@x.example", OTHER.address),
    ]


async def test_an_older_batch_does_not_take_a_newer_one_with_it(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject("old@x.example", policy_version=1)
        await w.inject("new@x.example", policy_version=2)
        await w.settled(1)
        await w.reason("version 2")
        assert [r.rcpt for r in sink.received] == ["old@x.example"]
        w.engine.use_policy(policy(sink.port, version=2))
        await w.settled(2)


async def test_what_was_not_begun_leaves_a_removed_ip(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink:
        first = policy(sink.port, messages_per_minute=60)
        async with worker(tmp_path, first) as w:
            await w.inject(*some(6))
            await w.until(lambda: len(sink.received) == 2)  # the burst; the rest is assigned
            w.engine.use_policy(policy(sink.port, version=2, ips=(OTHER,)))
            await w.settled(6)
    assert Counter(r.peer for r in sink.received) == {ONE.address: 2, OTHER.address: 4}


async def test_a_policy_that_changes_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with SmtpSink().running() as sink, worker(tmp_path, policy(sink.port)) as w:
        await w.inject(*some(600))
        for version in range(2, 12):
            await w.until(lambda n=version: len(sink.received) > n * 40)
            ips = (ONE, OTHER) if version % 2 else (OTHER,)
            w.engine.use_policy(policy(sink.port, version=version, ips=ips))
        await w.settled(600)
        await w.until(lambda: not w.waiting())
        await w.until(lambda: w.engine.budget.used_bytes == 0)
    assert Counter(r.rcpt for r in sink.received) == Counter(some(600))


async def test_what_a_smart_host_signs_leaves_unsigned_and_only_from_own_domains(
    tmp_path: Path,
) -> None:
    async with SmtpSink().running() as sink:
        routes = [
            Route("*", "127.0.0.1", sink.port),
            Route("signs.example", "127.0.0.1", sink.port, is_signed=False),
        ]
        first = policy(sink.port, routes=routes)
        async with worker(tmp_path, first) as w:
            await w.inject("a@signs.example", "b@other.example")
            await w.settled(2)
            foreign = {"sender": Mailbox("toko@{{where}}"), "sending_domain": ""}
            await w.inject(
                "c@signs.example", substitution_data={"where": "rival.example"}, **foreign
            )
            events = await w.settled(3)
    signed = {r.rcpt: b"DKIM-Signature:" in r.data for r in sink.received}
    assert signed == {"a@signs.example": False, "b@other.example": True}
    assert events[-1].settlement is Settlement.FAILED
    assert "no key in this account" in events[-1].text


# A sick disk, and stopping.


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
                    await w.inject(*some(1000))
                await w.until(lambda n=round_: len(sink.received) > n * 200)
        async with worker(tmp_path, policy(sink.port, ips=TWO)) as w:
            await w.until(lambda: not w.waiting())
    assert Counter(r.rcpt for r in sink.received) == Counter(some(1000))
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


def replace_ip(ip: SendingIp, messages_per_day: int) -> SendingIp:
    return SendingIp(ip.address, ip.hostname, messages_per_day)
