"""Receivers that are dead, slow or refuse, and mail that cannot be looked up."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from merpati.contracts.event import EventType, Settlement
from merpati.contracts.sending_policy import SendingIp
from merpati.delivery.retry import MINUTE_MS
from merpati.sandbox.dns_server import DnsServer
from tests.delivery.ips import LIFE_MS, ONE, some
from tests.support.certificates import server_tls
from tests.support.smtp_sink import CLOSE, Connection, SmtpSink
from tests.support.worker import QUICK, StepClock, policy, worker


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
