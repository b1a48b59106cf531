"""What replies do to the pace of a lane, and where the mail then goes: engine, shard, receivers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.queues import QueueStatus, Retry
from merpati.contracts.sending_policy import Order, Pool, Route, SendingIp, SendingPolicy
from merpati.delivery.destinations import Destinations
from merpati.delivery.retry import MINUTE_MS
from merpati.delivery.session import Timeouts
from merpati.sandbox.dns_server import DnsServer
from merpati.spool.reading import snapshot
from tests.support.smtp_sink import Connection, SmtpSink
from tests.support.worker import ACCOUNT, POOL, QUICK, StepClock, Worker, policy, worker

ONE = SendingIp("127.0.0.2", "mta-2.kirim.example")
OTHER = SendingIp("127.0.0.3", "mta-3.kirim.example")
TWO = (ONE, OTHER)
HOUR_MS = 60 * MINUTE_MS
TSS04 = "421 4.7.0 [TSS04] Messages from 127.0.0.2 temporarily deferred"
TSS04_AT_RCPT = TSS04.replace("421", "451")
HOSTS = {
    "yahoo.com": "mta5.am0.yahoodns.net",
    "hosted.example": "mta6.am0.yahoodns.net",
    "qq.com": "mx1.qq.com",
    "x.example": "mx.x.example",
}


@contextlib.asynccontextmanager
async def providers(
    folder: Path,
    sink: SmtpSink,
    first: SendingPolicy | None = None,
    clock: StepClock | None = None,
) -> AsyncIterator[Worker]:
    """A worker to which the hosts of known providers are one sink on the loopback."""
    with DnsServer() as dns:
        for domain, host in HOSTS.items():
            dns.add(domain, "MX", f"10 {host}.")
            dns.add(host, "A", "127.0.0.1")
        options = replace(
            QUICK,
            dns_servers=(dns.address,),
            port=sink.port,
            allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
        )
        first = first or policy(0, routes=[], ips=TWO)
        async with worker(folder, first, options=options, clock=clock) as w:
            yield w


def some(count: int, domain: str = "yahoo.com") -> list[str]:
    return [f"u{number}@{domain}" for number in range(count)]


def refusing(address: str, words: str) -> Callable[[Connection, str], str]:
    """Refuse each recipient when the connection comes from an address."""
    return lambda c, line: words if c.peer == address else "250 ok"


async def queue_of(w: Worker, provider: str) -> QueueStatus:
    (found,) = [status for status in await w.engine.queues() if status.provider == provider]
    return found


async def test_a_block_pauses_the_ip_at_that_provider_and_says_so_like_a_person(
    tmp_path: Path,
) -> None:
    """T5: the recipient is not suppressed, IP and provider are slowed."""
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: TSS04_AT_RCPT if "yahoo" in line else "250 ok"
    only = policy(0, routes=[], ips=(ONE,))
    async with sink.running(), providers(tmp_path, sink, only) as w:
        await w.inject(*some(1))
        await w.until(w.events)
        await w.inject(*some(40), *some(3, "x.example"))
        await w.until(lambda: len(w.events()) == 4)  # all others flow
        status = await queue_of(w, "yahoo")
    assert {e.type for e in w.events() if e.provider == "yahoo"} == {EventType.DELAY}
    assert status.depth == 41
    assert status.why == "paused"
    assert status.reason.replace("(2 h)", "(120 min)") == (
        "Yahoo refuses mail from 127.0.0.2 as of low reputation "
        "(451 4.7.0 [TSS04] Messages from 127.0.0.2 temporarily deferred): "
        "paused until 14:00 UTC (120 min), then one connection"
    )
    assert status.until == pytest.approx(w.clock.now() + 2 * HOUR_MS, abs=MINUTE_MS)


async def test_fresh_mail_leaves_by_the_other_ip_and_refused_mail_does_not_hop(
    tmp_path: Path,
) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = refusing(ONE.address, TSS04_AT_RCPT)
    async with sink.running(), providers(tmp_path, sink, clock=clock) as w:
        await w.inject(*some(2))  # in turn: one by each
        await w.until(lambda: len(w.events()) == 2)
        (refused,) = [e for e in w.events() if e.type is EventType.DELAY]
        assert refused.sending_ip == ONE.address
        await w.inject(*some(20))
        await w.until(lambda: len(w.events()) == 22)
        clock.ahead_ms = 21 * MINUTE_MS  # it is due, and its IP paused
        await w.until(lambda: due_later(w), 8)
        assert len(w.events()) == 22
        assert w.waiting() == 1
        (status,) = await w.engine.queues()
        assert status.reason.startswith("Yahoo refuses mail from 127.0.0.2")
    assert {r.peer for r in sink.received} == {OTHER.address}


def due_later(w: Worker) -> bool:
    with snapshot(w.spool, w.shard.number) as reader:
        depths = reader.depths() if reader else []
    return [depth.earliest_due_at > w.clock.now() + 30 * MINUTE_MS for depth in depths] == [True]


async def test_refused_mail_of_an_ip_that_left_the_pool_goes_by_another(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = refusing(ONE.address, TSS04_AT_RCPT)
    async with (
        sink.running(),
        providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,)), clock) as w,
    ):
        await w.inject("a@yahoo.com")
        await w.until(w.events)
        w.engine.use_policy(policy(0, routes=[], ips=(OTHER,), version=2))
        clock.ahead_ms = 21 * MINUTE_MS
        await w.settled(1)
    assert [r.peer for r in sink.received] == [OTHER.address]


async def test_refused_mail_does_not_overflow(tmp_path: Path) -> None:
    """Overflow answers a spent allowance, never a block."""
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = refusing(ONE.address, TSS04_AT_RCPT)
    warming = SendingIp(ONE.address, ONE.hostname, 1)
    pools = [Pool(POOL, ACCOUNT, "cold", [warming], 12), Pool(12, ACCOUNT, "warm", [OTHER])]
    async with (
        sink.running(),
        providers(tmp_path, sink, policy(0, routes=[], pools=pools), clock) as w,
    ):
        await w.inject("a@yahoo.com")
        await w.until(w.events)
        await w.inject("b@yahoo.com")  # the allowance is spent: that overflows
        await w.settled(1)
        clock.ahead_ms = 21 * MINUTE_MS
        await w.until(lambda: due_later(w))
    assert [r.rcpt for r in sink.received] == ["b@yahoo.com"]


async def test_a_pause_outlives_the_worker(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = refusing(ONE.address, TSS04_AT_RCPT)
    only = policy(0, routes=[], ips=(ONE,))
    async with sink.running():
        async with providers(tmp_path, sink, only, clock) as w:
            await w.inject("a@yahoo.com")
            await w.reason("paused until")
        clock.ahead_ms = HOUR_MS
        sink.on_rcpt = lambda c, line: "250 ok"
        async with providers(tmp_path, sink, only, clock) as w:
            await w.reason("paused until 14:00 UTC (60 min)")
            await w.inject("b@yahoo.com")
            (lane,) = w.engine.paces()
            assert (lane.connections_limit, lane.configured_connections) == (1, 10)
            assert lane.paused_until == lane.until
            known = w.engine.known_ways(["yahoo.com", "unknown.example"])
            assert known.providers == {"yahoo.com": "yahoo"}
            assert [one.reason for one in known.lanes] == [lane.reason]
            assert not sink.received


async def test_too_fast_halves_the_pace_and_more_connections_than_allowed_end(
    tmp_path: Path,
) -> None:
    sink, counts = SmtpSink(), Counter[str]()

    def once(c: Connection, line: str) -> str:
        counts["rcpt"] += 1
        return "451 4.7.1 too many messages, slow down" if counts["rcpt"] == 30 else "250 ok"

    sink.on_rcpt = once
    only = policy(0, routes=[], ips=(ONE,))
    async with sink.running(), providers(tmp_path, sink, only) as w:
        await w.inject(*some(60, "x.example"))
        await w.until(lambda: len(w.events()) == 60)
        (lane,) = w.engine.paces()
        assert (lane.configured_connections, lane.connections_limit) == (10, 5)
        assert lane.messages_per_minute == 3_000
        assert "as too fast (451 4.7.1 too many messages, slow down)" in lane.reason
        assert lane.reason.endswith("until 12:10 UTC (10 min)")


async def test_a_recipient_s_own_limit_changes_no_pace(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "450 4.2.1 The user is receiving mail too quickly"
    async with sink.running(), providers(tmp_path, sink) as w:
        await w.inject(*some(20, "x.example"))
        await w.until(lambda: len(w.events()) == 20)
        assert {lane.reason for lane in w.engine.paces()} == {""}


async def test_a_refusal_in_the_greeting_pauses_too(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.banner = lambda c, line: TSS04
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,))) as w:
        await w.inject("a@yahoo.com")
        await w.reason("paused until 14:00 UTC")
        await w.until(w.rests)
        assert (w.waiting(), w.events()) == (1, [])  # it was no attempt
        (rest,) = w.rests()
        assert (rest.sending_ip, rest.provider, rest.code) == (ONE.address, "yahoo", 421)


async def test_a_421_between_messages_teaches_and_costs_no_attempt(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.offers = []
    sink.on_mail = lambda c, line: TSS04 if c.messages else "250 ok"
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,))) as w:
        await w.inject(*some(40))
        await w.reason("paused until 14:00 UTC")
        await w.until(w.events)
        await w.until(w.rests)
        assert {(e.type, e.rests) for e in w.events()} == {(EventType.DELIVERY, False)}


async def test_a_provider_that_takes_one_byte_a_minute_costs_only_its_own_slots(
    tmp_path: Path,
) -> None:
    """The budget of mail in memory is a quarter of what the slow provider could hold."""
    slow, sink = SmtpSink(), SmtpSink()

    async def stall(c: Connection) -> None:
        await c.say("220 slow.example")
        while True:
            line = await c.line()
            if line == "DATA":
                await c.say("354 go on")
                await asyncio.Event().wait()  # nobody waits for its next byte
            await c.say("250 ok")

    slow.converse = stall
    options = replace(QUICK, in_flight_bytes=400_000, timeouts=Timeouts())
    async with slow.running(limit=4_096), sink.running():
        routes = [Route("slow.example", "127.0.0.1", slow.port), Route("*", "127.0.0.1", sink.port)]
        first = policy(0, routes=routes)
        async with worker(tmp_path, first, options=options, grace=0.2) as w:
            await w.inject(*some(100, "slow.example"), text="x" * 20_000)
            await w.until(lambda: slow.open)
            await w.until(lambda: w.engine.budget.used_bytes > 150_000)
            await w.inject(*some(50, "x.example"), text="x" * 20_000)
            await w.settled(50)
            assert w.engine.budget.used_bytes < 400_000


@pytest.mark.parametrize(
    ("words", "is_slowed"),
    [
        ("451 4.7.1 rate limited due to IP reputation of 198.51.100.7", False),
        (f"451 4.7.1 rate limited due to IP reputation of {ONE.address}.", True),
        ("451 4.7.0 too many messages from you", True),
    ],
)
async def test_what_a_smart_host_passes_on_is_about_us_only_if_we_are_named(
    tmp_path: Path, words: str, is_slowed: bool
) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: words
    async with sink.running():
        first = policy(0, routes=[Route("*", "127.0.0.1", sink.port)], ips=(ONE,))
        async with worker(tmp_path, first, options=QUICK) as w:
            await w.inject(*some(1))
            await w.until(w.events)
            assert any(lane.reason for lane in w.engine.paces()) is is_slowed


async def test_to_be_asked_for_later_slows_only_when_it_goes_on(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.7.1 Please try again later"
    only = policy(0, routes=[], ips=(ONE,))
    async with sink.running(), providers(tmp_path, sink, only) as w:
        await w.inject(*some(9, "x.example"))
        await w.until(lambda: len(w.events()) == 9)
        assert not any(lane.reason for lane in w.engine.paces())
        await w.inject(*some(1, "x.example"))
        await w.until(lambda: any(lane.reason for lane in w.engine.paces()))


# What warm-up is told.


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        pytest.param(TSS04_AT_RCPT, True, id="a pause"),
        pytest.param("553 5.7.2 [TSS09] All messages deferred", True, id="a block"),
        pytest.param("451 4.7.1 [TSS01] unexpected volume", True, id="a trickle"),
        pytest.param("451 4.7.1 too many messages, slow down", False, id="half the pace"),
        pytest.param("450 4.2.0 Greylisted", False, id="greylisting"),
        pytest.param("452 4.2.2 mailbox full", False, id="a recipient's own trouble"),
    ],
)
async def test_a_refusal_that_lets_the_lane_rest_says_so(
    tmp_path: Path, words: str, is_told: bool
) -> None:
    """Pacing hides the refusals that would have followed: warm-up must take one for all."""
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: words
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,))) as w:
        await w.inject(*some(1))
        await w.until(w.events)
    assert [event.rests for event in w.events()] == [is_told]
    assert w.rests() == []  # told once


async def test_refusals_of_what_was_begun_before_the_rest_are_told_once(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_dot = lambda c, line: TSS04.replace("421", "451")
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,))) as w:
        await w.inject(*some(30))
        await w.until(lambda: len(w.events()) > 1)
    assert sum(event.rests for event in w.events()) == 1


async def test_greylisting_does_not_count_as_a_deferral_however_often(tmp_path: Path) -> None:
    """Mimecast's rule lets the lane rest after three an hour, and yet it says nothing of us."""
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "451 Internal resources are temporarily unavailable"
    with DnsServer() as dns:
        dns.add("kantor.example", "MX", "10 eu.mimecast.com.")
        dns.add("eu.mimecast.com", "A", "127.0.0.1")
        async with sink.running():
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                port=sink.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
            )
            only = policy(0, routes=[], ips=(ONE,))
            async with worker(tmp_path, only, options=options) as w:
                for recipient in some(3, "kantor.example"):
                    await w.inject(recipient)
                await w.reason("paused until")
    assert {(event.cause, event.rests) for event in w.events()} == {("greylist", False)}


# Orders.


def order(now: int, **changes: object) -> Order:
    return Order(1, now + HOUR_MS, now, "ops", "the list is checked", **changes)  # type: ignore[arg-type]


async def test_a_paused_provider_waits_until_the_order_ends(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    paused = policy(0, routes=[], ips=(ONE,))
    paused = replace_orders(paused, order(clock.now(), provider="yahoo", account_id=ACCOUNT))
    async with sink.running(), providers(tmp_path, sink, paused, clock) as w:
        await w.inject("a@yahoo.com", "b@x.example")
        await w.settled(1)
        status = await queue_of(w, "yahoo")
        assert status.reason == (
            "mail to Yahoo is paused by ops until 13:00 UTC (60 min): the list is checked"
        )
        clock.ahead_ms = HOUR_MS + 1_000
        await w.settled(2)


@pytest.mark.parametrize(
    "changes",
    [{"account_id": 7}, {"pool_id": POOL + 1}, {"provider": "google"}, {"sending_ip": "127.0.0.9"}],
)
async def test_an_order_concerns_nobody_else(tmp_path: Path, changes: dict[str, object]) -> None:
    clock, sink = StepClock(), SmtpSink()
    first = replace_orders(policy(0, routes=[], ips=(ONE,)), order(clock.now(), **changes))
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject("a@yahoo.com")
        await w.settled(1)


async def test_a_drained_ip_takes_nothing_new_and_the_others_do(tmp_path: Path) -> None:
    clock, sink = StepClock(), SmtpSink()
    drain = order(clock.now(), sending_ip=ONE.address, drains=True)
    first = replace_orders(policy(0, routes=[], ips=TWO), drain)
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject(*some(10))
        await w.settled(10)
        assert {r.peer for r in sink.received} == {OTHER.address}
        alone = replace_orders(policy(0, routes=[], ips=(ONE,), version=2), drain)
        w.engine.use_policy(alone)
        await w.inject("late@yahoo.com")
        await w.reason("127.0.0.2 (all mail) is drained by ops until 13:00 UTC")


async def test_what_waits_for_a_drained_ip_goes_within_an_hour_of_the_order_s_end(
    tmp_path: Path,
) -> None:
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.7.1 considered as spam"  # binds, and changes no pace
    first = policy(0, routes=[], ips=(ONE,))
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        drain = order(clock.now(), sending_ip=ONE.address, drains=True)
        drain = msgspec.structs.replace(drain, until=clock.now() + 48 * HOUR_MS)
        w.engine.use_policy(replace_orders(policy(0, routes=[], ips=TWO, version=2), drain))
        clock.ahead_ms = 21 * MINUTE_MS
        await w.until(lambda: due_later(w), 8)
        sink.on_rcpt = lambda c, line: "250 ok"
        w.engine.use_policy(policy(0, routes=[], ips=TWO, version=3))  # resumed
        clock.ahead_ms += HOUR_MS
        await w.settled(1)
    assert [r.peer for r in sink.received] == [ONE.address]


async def test_mail_that_outlives_its_wait_for_a_drained_ip_is_told_so(tmp_path: Path) -> None:
    """It was refused there and moves to no other of our IPs, so it ends, in words."""
    clock, sink = StepClock(), SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.7.1 considered as spam"
    first = policy(0, routes=[], ips=TWO)
    async with sink.running(), providers(tmp_path, sink, first, clock) as w:
        await w.inject("a@yahoo.com")
        await w.until(w.events)
        bound_to = w.events()[0].sending_ip
        drain = order(clock.now(), sending_ip=bound_to, drains=True)
        drain = msgspec.structs.replace(drain, until=clock.now() + 100 * HOUR_MS)
        w.engine.use_policy(replace_orders(policy(0, routes=[], ips=TWO, version=2), drain))
        (waiting,) = await w.engine.queues()
        assert waiting.reason.startswith(f"{bound_to} (all mail) is drained by ops until")
        clock.ahead_ms = 73 * HOUR_MS
        (_, end) = await w.settled(1)
    assert end.settlement is Settlement.EXPIRED
    assert "considered as spam" in end.text
    assert f"{bound_to} (all mail) is drained by ops until" in end.text


def replace_orders(first: SendingPolicy, *orders: Order) -> SendingPolicy:
    return msgspec.structs.replace(first, orders=list(orders))


# Trying again at once.


async def test_retry_tries_what_was_deferred_and_lift_forgets_what_was_learned(
    tmp_path: Path,
) -> None:
    sink = SmtpSink()
    sink.on_rcpt = refusing(ONE.address, TSS04_AT_RCPT)
    async with sink.running(), providers(tmp_path, sink, policy(0, routes=[], ips=(ONE,))) as w:
        await w.inject("a@yahoo.com")
        await w.until(w.events)
        sink.on_rcpt = lambda c, line: "250 ok"
        assert await w.engine.retry(Retry(provider="google")) == 0
        assert await w.engine.retry(Retry(provider="yahoo")) == 1
        await w.reason("paused until")  # due, and its IP still waits
        assert await w.engine.retry(Retry(provider="yahoo", lifts=True)) <= 1
        await w.settled(1)
        assert {lane.reason for lane in w.engine.paces()} == {""}
        await forgotten(w)


async def test_mail_is_found_by_its_provider_when_the_answer_of_dns_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.2.0 later"
    async with sink.running(), providers(tmp_path, sink) as w:
        await w.inject("a@hosted.example")
        await w.until(w.events)
        monkeypatch.setattr(Destinations, "known", lambda self, domain: None)
        assert (await queue_of(w, "yahoo")).depth == 1
        assert await w.engine.retry(Retry(provider="yahoo")) == 1


async def test_after_a_restart_deferred_mail_is_found_by_its_provider(tmp_path: Path) -> None:
    """Nothing has asked DNS about its domain yet, and the domain itself hints at nobody."""
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "451 4.2.0 later"
    async with sink.running():
        async with providers(tmp_path, sink) as w:
            await w.inject("a@hosted.example")
            await w.until(w.events)
        async with providers(tmp_path, sink) as w:
            assert await w.engine.retry(Retry(provider="google")) == 0
            assert await w.engine.retry(Retry(provider="yahoo")) == 1


async def test_retry_sends_nothing_before_its_schedule(tmp_path: Path) -> None:
    sink = SmtpSink()
    async with sink.running(), providers(tmp_path, sink) as w:
        await w.inject("a@yahoo.com", due_at=w.clock.now() + HOUR_MS)
        assert await w.engine.retry(Retry(lifts=True)) == 0
        assert w.waiting() == 1


async def forgotten(w: Worker) -> None:
    """Wait until nothing is kept about any lane."""
    async with asyncio.timeout(8):
        while await w.shard.paces():  # noqa: ASYNC110 - the disk is watched
            await asyncio.sleep(0.02)
