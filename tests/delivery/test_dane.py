"""DANE: which certificates TLSA records accept, and what becomes of the mail."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from merpati.adapters.dns import Resolver, Tlsa
from merpati.contracts.event import EventType
from merpati.delivery.dane import is_accepted, usable
from merpati.sandbox.dns_server import DnsServer
from tests.support.certificates import certificate, server_tls
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import NOON, QUICK, StepClock, policy, worker

MX = "mx.mail.example"
NOW = datetime.now(UTC)


def chain(*names: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(certificate(*names).chain.read_bytes())


def data_of(cert: x509.Certificate, selector: int, matching: int) -> bytes:
    wanted = (
        cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if selector
        else cert.public_bytes(Encoding.DER)
    )
    return [wanted, hashlib.sha256(wanted).digest(), hashlib.sha512(wanted).digest()][matching]


def record(usage: int, cert: x509.Certificate, selector: int = 1, matching: int = 1) -> Tlsa:
    return Tlsa(usage, selector, matching, data_of(cert, selector, matching))


def accepted(*records: Tlsa, names: tuple[str, ...] = (MX,), now: datetime = NOW) -> bool:
    sent = [cert.public_bytes(Encoding.DER) for cert in chain(*names)]
    return is_accepted(records, sent, MX, now)


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("usage", [2, 3])
def test_every_form_of_a_record_matches(usage: int, selector: int, matching: int) -> None:
    own, issuer = chain(MX)
    assert accepted(record(usage, own if usage == 3 else issuer, selector, matching))


def test_one_record_of_several_is_enough() -> None:
    own, _ = chain(MX)
    other, _ = chain("other.example")
    assert accepted(record(3, other), record(3, own))
    assert not accepted(record(3, other))


def test_the_host_s_own_certificate_needs_no_name_and_no_date() -> None:
    """RFC 7671 section 5.1; with an authority both count."""
    own, issuer = chain("other.example")
    late = NOW + timedelta(days=1_000)
    assert accepted(record(3, own), names=("other.example",), now=late)
    assert not accepted(record(2, issuer), names=("other.example",))
    assert not accepted(record(2, issuer), now=late)


def test_an_authority_is_no_end_entity_and_the_reverse() -> None:
    own, issuer = chain(MX)
    assert not accepted(record(3, issuer))
    assert not accepted(record(2, own))


def test_what_we_do_not_know_is_unusable() -> None:
    own, _ = chain(MX)
    good = record(3, own)
    bad = [Tlsa(0, 1, 1, good.data), Tlsa(1, 1, 1, good.data), Tlsa(3, 2, 1, good.data)]
    bad += [Tlsa(3, 1, 3, good.data), Tlsa(3, 1, 1, good.data[:-1]), Tlsa(3, 1, 2, good.data)]
    assert usable([*bad, good]) == (good,)


@pytest.mark.parametrize(
    ("servers", "validating", "counts"),
    [
        (["127.0.0.1"], True, True),
        (["[::1]:5353"], True, True),
        (["127.0.0.1"], False, False),
        (["127.0.0.1", "9.9.9.9"], True, False),
    ],
)
async def test_only_a_resolver_on_this_host_is_believed(
    servers: list[str], validating: bool, counts: bool
) -> None:
    assert Resolver(servers, validating=validating).is_validating is counts


ALL = ("x.example", MX)
GOOD, OTHER, UNKNOWN = "good", "other", "unknown"


@pytest.mark.parametrize(
    ("signed", "tlsa", "offers_tls", "expected"),
    [
        pytest.param((*ALL, "tlsa"), GOOD, True, "encrypted", id="good"),
        pytest.param((*ALL, "tlsa"), OTHER, True, "matches none", id="of another key"),
        pytest.param((*ALL, "tlsa"), GOOD, False, "not offer STARTTLS", id="no TLS"),
        pytest.param((*ALL, "tlsa"), UNKNOWN, True, "encrypted", id="unusable"),
        pytest.param((*ALL, "tlsa"), UNKNOWN, False, "not offer STARTTLS", id="unusable, no TLS"),
        pytest.param(ALL, "broken", True, "cannot be looked up (DANE)", id="bogus"),
        pytest.param(ALL, "", False, "plain", id="no record"),
        pytest.param(ALL, OTHER, False, "plain", id="record not signed"),
        pytest.param((MX, "tlsa"), OTHER, False, "plain", id="MX not signed"),
        pytest.param(("x.example", "tlsa"), OTHER, False, "plain", id="address not signed"),
        pytest.param(("x.example",), "broken", False, "plain", id="broken and not signed"),
    ],
)
async def test_mail_keeps_to_dane(
    tmp_path: Path, signed: tuple[str, ...], tlsa: str, offers_tls: bool, expected: str
) -> None:
    """T2, T3: never plain where signed records say so; what is not signed says nothing."""
    sink = SmtpSink()
    sink.tls = server_tls(MX) if offers_tls else None
    async with sink.running():
        with DnsServer() as dns:
            name = f"_{sink.port}._tcp.{MX}"
            dns.signed.update(name if each == "tlsa" else each for each in signed)
            dns.add("x.example", "MX", f"10 {MX}.")
            dns.add(MX, "A", "127.0.0.1")
            if tlsa == "broken":
                dns.broken.add(name)
            elif tlsa:
                own, _ = chain(MX if tlsa == GOOD else "other.example")
                usage = 1 if tlsa == UNKNOWN else 3
                dns.add(name, "TLSA", f"{usage} 1 1 {data_of(own, 1, 1).hex()}")
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                dns_validating=True,
                port=sink.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
                patience=0,
            )
            async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
                await w.inject("a@x.example")
                await w.until(w.events)
                (event, *_) = w.events()
    if expected in ("encrypted", "plain"):
        assert (event.type, event.tls) == (EventType.DELIVERY, expected == "encrypted")
    else:
        assert event.type is EventType.DELAY
        assert expected in event.text
        assert not sink.received


async def test_with_dane_no_connection_is_resumed(tmp_path: Path) -> None:
    """Each shows its certificates again; resuming would bring none, and no record would match."""
    sink, resumed = SmtpSink(), []
    sink.tls = server_tls(MX)
    sink.on_mail = lambda c, line: resumed.append(c.tls and c.tls.session_reused) or "250 ok"
    async with sink.running():
        with DnsServer() as dns:
            name = f"_{sink.port}._tcp.{MX}"
            dns.signed.update((*ALL, name))
            dns.add("x.example", "MX", f"10 {MX}.")
            dns.add(MX, "A", "127.0.0.1")
            _, issuer = chain(MX)
            dns.add(name, "TLSA", f"2 1 1 {data_of(issuer, 1, 1).hex()}")
            options = replace(
                QUICK,
                dns_servers=(dns.address,),
                dns_validating=True,
                port=sink.port,
                allow_private=(ipaddress.ip_network("127.0.0.0/8"),),
            )
            clock = StepClock(ahead_ms=int(time.time() * 1000) - NOON)  # certificates have dates
            first = policy(0, routes=[])
            async with worker(tmp_path, first, options=options, clock=clock) as w:
                for number in range(2):
                    await w.inject(f"u{number}@x.example")
                    await w.settled(number + 1)
                    w.engine._lanes.close()
                    await w.until(lambda: not w.engine.connections)
    assert resumed == [False, False]
