"""TLS to receivers, on both event loops: when it is used, when it is not, and what then."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merpati.contracts.event import EventType
from merpati.contracts.sending_policy import TlsMode
from merpati.delivery import tls as tls_module
from merpati.delivery.options import Options
from merpati.delivery.tls import TlsClient
from merpati.sandbox.dns_server import DnsServer
from tests.support.certificates import authority, server_tls
from tests.support.smtp_sink import Connection, SmtpSink
from tests.support.worker import QUICK, Worker, policy, worker

MX = "mx.mail.example"
GOOGLE = "aspmx.l.google.com"  # the directory says that it requires TLS
IMPATIENT = replace(QUICK, patience=0)  # a failed connection shows as a delay at once
TRUSTING = replace(IMPATIENT, tls_authorities=authority(), route_messages_per_connection=1)


def sink_with_tls(*names: str) -> SmtpSink:
    sink = SmtpSink()
    sink.tls = server_tls(*names)
    return sink


@contextlib.asynccontextmanager
async def by_mx(
    folder: Path, sink: SmtpSink, host: str = MX, options: Options = QUICK
) -> AsyncIterator[Worker]:
    """Run a worker for which x.example's mail goes to the sink, as the host of that name."""
    with DnsServer() as dns:
        dns.add("x.example", "MX", f"10 {host}.")
        dns.add(host, "A", "127.0.0.1")
        async with sink.running():
            options = replace(
                options,
                dns_servers=(dns.address,),
                port=sink.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
                connections=1,
            )
            async with worker(folder, policy(0, routes=[]), options=options) as w:
                yield w


@contextlib.asynccontextmanager
async def by_route(
    folder: Path, sink: SmtpSink, options: Options = TRUSTING, **route: Any
) -> AsyncIterator[Worker]:
    """Run a worker whose mail all goes through the sink, as a smart host, one message each time."""
    async with (
        sink.running(),
        worker(folder, policy(sink.port, **route), options=options) as w,
    ):
        yield w


async def test_tls_is_used_where_it_is_offered_whatever_the_certificate(tmp_path: Path) -> None:
    """T2: a certificate that nobody vouches for, of another name, is better than none."""
    sink, asked = sink_with_tls("other.example"), []
    assert sink.tls is not None
    sink.tls.sni_callback = lambda tls, name, context: asked.append(name)
    sink.on_rcpt = lambda c, line: "450 4.2.0 later" if "later" in line else "250 ok"
    async with by_mx(tmp_path, sink) as w:
        await w.inject("a@x.example", "b@x.example", "later@x.example")
        await w.until(lambda: len(w.events()) == 3)
        events = w.events()
        (queue,) = await w.engine.queues()
    assert {(event.type, event.tls) for event in events} == {
        (EventType.DELIVERY, True),
        (EventType.DELAY, True),
    }
    assert queue.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"
    assert asked == [MX]
    assert [line.split(" ")[0] for line in sink.connections[0].lines[:4]] == [
        *("EHLO", "STARTTLS", "EHLO", "MAIL")
    ]
    assert len(sink.connections) == 1
    assert sink.received[0].helo == "mta-2.kirim.example"


async def test_what_is_offered_before_tls_counts_no_more(tmp_path: Path) -> None:
    """RFC 3207 section 4.2: what was learnt in the clear is forgotten."""
    sink = sink_with_tls(MX)
    sink.offers = ["SIZE 10"]
    in_the_clear = sink.on_ehlo

    def ehlo(c: Connection, line: str) -> str:
        return "250 sink.example" if c.tls else in_the_clear(c, line)

    sink.on_ehlo = ehlo
    async with by_mx(tmp_path, sink) as w:
        await w.inject("a@x.example")
        events = await w.settled(1)
    assert [event.type for event in events] == [EventType.DELIVERY]


TROUBLES = ["454 4.7.0 not now", "502 5.5.1 no", "cut", "garbage", "silence"]


def make_trouble(sink: SmtpSink, trouble: str) -> None:
    """Have a sink offer TLS and not bring it about."""
    sink.on_starttls = lambda c, line: trouble if trouble[0].isdigit() else "220 go"

    async def secure(c: Connection) -> None:
        if trouble == "cut":
            raise ConnectionAbortedError
        await c.reader.read(10)
        if trouble == "garbage":
            c.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await c.reader.read()
        raise ConnectionAbortedError

    sink.secure = secure  # type: ignore[method-assign]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_broken_tls_is_done_without_and_remembered(tmp_path: Path, trouble: str) -> None:
    """T2: on a new connection; further ones do not try again for three days."""
    sink = sink_with_tls(MX)
    make_trouble(sink, trouble)
    async with by_mx(tmp_path, sink) as w:
        await w.inject("a@x.example")
        await w.settled(1)
        first = len(sink.connections)
        w.engine._lanes.close()
        await w.until(lambda: not w.engine.connections)
        await w.inject("b@x.example")
        events = await w.settled(2)
    assert [(event.type, event.tls) for event in events] == [(EventType.DELIVERY, False)] * 2
    assert first == 2
    assert [c.lines[1].split(" ")[0] for c in sink.connections] == ["STARTTLS", "MAIL", "MAIL"]


@pytest.mark.parametrize("trouble", ["not offered", *TROUBLES])
async def test_where_tls_is_required_nothing_goes_without(tmp_path: Path, trouble: str) -> None:
    """T2: the mail waits, says why, and does not bounce."""
    sink = sink_with_tls(GOOGLE)
    make_trouble(sink, trouble)
    if trouble == "not offered":
        sink.tls = None
    quick = replace(IMPATIENT, timeouts=replace(QUICK.timeouts, tls=0.3))
    async with by_mx(tmp_path, sink, GOOGLE, quick) as w:
        await w.inject("a@x.example", "b@x.example")
        await w.until(w.events)
        await w.reason("never goes there unencrypted: google requires TLS")
        events = w.events()
        if trouble == "silence":
            assert "timed out" in events[0].text
    assert {event.type for event in events} == {EventType.DELAY}
    assert not any(line.startswith("MAIL") for c in sink.connections for line in c.lines)


async def test_where_tls_is_required_a_good_handshake_is_enough(tmp_path: Path) -> None:
    sink = sink_with_tls("other.example")
    async with by_mx(tmp_path, sink, GOOGLE) as w:
        await w.inject("a@x.example")
        events = await w.settled(1)
    assert [(event.provider, event.tls) for event in events] == [("google", True)]


@pytest.mark.parametrize("is_split", [False, True])
async def test_bytes_between_starttls_and_the_handshake_are_refused(
    tmp_path: Path, is_split: bool
) -> None:
    """As GHSA-vxj7-4xrp-5vr4: what an attacker adds in the clear is taken for no answer."""
    sink = sink_with_tls(MX)

    async def converse(c: Connection) -> None:
        await c.say("220 sink")
        await c.line()
        await c.say("250-sink\r\n250 STARTTLS")
        await c.line()
        injected = "250-sink" if is_split else "250 sink"
        await c.say(f"220 go\r\n{injected}")
        await c.line()

    sink.converse = converse
    async with by_mx(tmp_path, sink, options=IMPATIENT) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        events = w.events()
    assert {event.type for event in events} == {EventType.DELAY}
    assert "before the TLS handshake" in events[0].text
    assert {len(c.lines) for c in sink.connections} == {2}


async def test_a_tls_session_is_resumed(tmp_path: Path) -> None:
    """Each connection takes one message here; all but the first shorten their handshake."""
    sink, resumed = sink_with_tls(MX), []
    sink.on_mail = lambda c, line: resumed.append(c.tls and c.tls.session_reused) or "250 ok"
    async with by_route(tmp_path, sink) as w:
        for number in range(3):
            await w.inject(f"u{number}@x.example")
            await w.settled(number + 1)
    assert resumed == [False, True, True]


@pytest.mark.parametrize(
    ("mode", "is_taken"),
    [(TlsMode.OPPORTUNISTIC, True), (TlsMode.REQUIRED, False), (TlsMode.VERIFY, False)],
)
async def test_an_old_protocol_is_better_than_none_and_not_enough_where_tls_is_required(
    tmp_path: Path, mode: TlsMode, is_taken: bool
) -> None:
    """T2: TLS 1.0."""
    sink = sink_with_tls("127.0.0.1")
    assert sink.tls is not None
    sink.tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        sink.tls.maximum_version = ssl.TLSVersion.TLSv1
    sink.tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    async with by_route(tmp_path, sink, tls=mode) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        (event, *_) = w.events()
    assert (event.type, event.tls) == (
        (EventType.DELIVERY, True) if is_taken else (EventType.DELAY, False)
    )
    if is_taken:
        assert {c.tls.version() for c in sink.connections if c.tls} == {"TLSv1"}


@pytest.mark.parametrize("mode", [TlsMode.VERIFY, TlsMode.IMPLICIT])
@pytest.mark.parametrize(
    ("name", "trusted", "trouble"),
    [
        pytest.param("127.0.0.1", True, "", id="good"),
        pytest.param("other.example", True, "IP address mismatch", id="of another host"),
        pytest.param(
            "127.0.0.1",
            False,
            "self-signed certificate in certificate chain",
            id="of nobody we know",
        ),
    ],
)
async def test_a_route_that_verifies_takes_no_other_certificate(
    tmp_path: Path, mode: TlsMode, name: str, trusted: bool, trouble: str
) -> None:
    """T2: a bad certificate never leads to plain text."""
    sink = sink_with_tls(name)
    sink.is_tls_first = mode is TlsMode.IMPLICIT
    options = TRUSTING if trusted else IMPATIENT
    async with by_route(tmp_path, sink, options, tls=mode) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
        (event, *_) = w.events()
    if trouble:
        assert (event.type, event.tls) == (EventType.DELAY, False)
        assert trouble in event.text
        assert "never goes there unencrypted: the route for * says so" in event.text
        assert not sink.received
    else:
        assert (event.type, event.tls) == (EventType.DELIVERY, True)


async def test_a_route_without_tls_does_not_ask_for_it(tmp_path: Path) -> None:
    sink = sink_with_tls("127.0.0.1")
    async with by_route(tmp_path, sink, tls=TlsMode.NONE) as w:
        await w.inject("a@x.example")
        events = await w.settled(1)
    assert [event.tls for event in events] == [False]
    assert sink.connections[0].lines[1].startswith("MAIL")


# Credentials.


def smart_host(mechanism: str = "PLAIN") -> SmtpSink:
    sink = sink_with_tls("127.0.0.1")
    sink.users = {"kirim": "päss wörd"}
    sink.mechanism = mechanism
    return sink


async def authenticated(
    folder: Path, sink: SmtpSink, password: str = "päss wörd", mode: TlsMode = TlsMode.VERIFY
) -> Worker:
    """Send two messages as user kirim, and return the worker when both have an event."""
    login = {"username": "kirim", "password": password.encode()}
    async with by_route(folder, sink, tls=mode, **login) as w:
        await w.inject("a@x.example", "b@x.example")
        await w.until(w.events)
        if password == "päss wörd":
            await w.settled(2)
    return w


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "login plain", "PLAIN CRAM-MD5"])
async def test_a_smart_host_is_told_who_we_are(tmp_path: Path, mechanism: str) -> None:
    sink = smart_host(mechanism)
    w = await authenticated(tmp_path, sink)
    assert [event.type for event in w.events()] == [EventType.DELIVERY] * 2
    for connection in sink.connections:
        assert connection.user == "kirim"
        assert connection.lines.index("STARTTLS") < next(
            at for at, line in enumerate(connection.lines) if line.startswith("AUTH")
        )


async def test_a_wrong_password_delays_and_never_bounces(tmp_path: Path) -> None:
    sink = smart_host()
    w = await authenticated(tmp_path, sink, password="secret")
    assert {event.type for event in w.events()} == {EventType.DELAY}
    assert "535 5.7.8 authentication failed" in w.events()[0].text
    assert not any("secret" in event.text for event in w.events())
    assert w.waiting() == 2


async def test_without_tls_a_password_is_said_on_the_loopback_interface_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = smart_host()
    sink.tls = None
    w = await authenticated(tmp_path, sink, mode=TlsMode.NONE)
    assert [event.type for event in w.events()] == [EventType.DELIVERY] * 2
    monkeypatch.setattr("merpati.delivery.session.is_loopback", lambda address: False)
    strict = smart_host()
    strict.tls = None
    login = {"username": "kirim", "password": b"p"}
    async with by_route(tmp_path / "2", strict, tls=TlsMode.NONE, **login) as again:
        await again.inject("a@x.example")
        await again.until(again.events)
    assert "is not told the password without TLS" in again.events()[0].text
    assert not any(line.startswith("AUTH") for c in strict.connections for line in c.lines)


async def test_a_smart_host_that_knows_no_common_mechanism_is_named(tmp_path: Path) -> None:
    sink = smart_host("CRAM-MD5")
    login = {"username": "kirim", "password": b"p"}
    async with by_route(tmp_path, sink, tls=TlsMode.VERIFY, **login) as w:
        await w.inject("a@x.example")
        await w.until(w.events)
    assert "offers neither AUTH PLAIN nor AUTH LOGIN" in w.events()[0].text


# What is remembered.


async def test_broken_tls_is_tried_again_after_three_days() -> None:
    now = [0.0]
    client = TlsClient(lambda: now[0])
    client.broke("192.0.2.1")
    now[0] = 3 * 86_400.0 - 1
    assert client.is_broken("192.0.2.1")
    assert not client.is_broken("192.0.2.2")
    now[0] += 1
    assert not client.is_broken("192.0.2.1")


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "MOST_BROKEN", 2)
    monkeypatch.setattr(tls_module, "MOST_SESSIONS", 2)
    client = TlsClient(asyncio.get_running_loop().time)
    for number in range(3):
        client.broke(f"192.0.2.{number}")
    assert [client.is_broken(f"192.0.2.{number}") for number in range(3)] == [False, True, True]
    context = client.context(TlsMode.VERIFY)
    for number in range(3):
        context.remember(f"mx{number}.example", object())  # type: ignore[arg-type]
    assert list(context.sessions) == ["mx1.example", "mx2.example"]
