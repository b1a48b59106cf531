"""A probe against real hosts: the sandbox's, and scripted ones for what it does not play."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from merpati.adapters.dns import Resolver
from merpati.contracts.sending_policy import Route
from merpati.delivery.destinations import Destinations
from merpati.runtime.tls import ensure_certificate
from merpati.sandbox.dns_server import DnsServer
from merpati.sandbox.play import playing
from merpati.sandbox.seen import Try
from merpati.sandbox.world import make_world
from merpati.settings import TlsSettings
from merpati.upkeep.doctor.finding import Level
from merpati.upkeep.doctor.scene import Ip
from merpati.upkeep.probe.certificate import describe
from merpati.upkeep.probe.step import Step
from merpati.upkeep.probe.trial import Wanted, probe
from tests.support.smtp_sink import SmtpSink

HERE = Ip("127.0.0.2", "mta.example")
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


async def walked(
    domain: str,
    server: DnsServer,
    port: int,
    *,
    recipient: str | None = None,
    ip: Ip = HERE,
    routes: tuple[Route, ...] = (),
    is_private_allowed: bool = True,
    answer_seconds: float = 10.0,
) -> list[Step]:
    destinations = Destinations(
        Resolver([server.address]),
        time.monotonic,
        port=port,
        allow_private=LOCAL if is_private_allowed else (),
    )
    destinations.use_routes(routes)
    wanted = Wanted(
        domain=domain,
        ip=ip,
        sender="a@b.example",
        recipient=recipient,
        now=datetime.now(UTC),
        dns_servers=(server.address,),
        answer_seconds=answer_seconds,
    )
    steps: list[Step] = []
    await probe(wanted, destinations, steps.append)
    return steps


def levels(steps: list[Step]) -> dict[str, str]:
    return {step.name: str(step.level) for step in steps}


def one(steps: list[Step], name: str) -> Step:
    (step,) = [step for step in steps if step.name == name]
    return step


@contextlib.asynccontextmanager
async def sink(dns: DnsServer, *addresses: str) -> AsyncIterator[SmtpSink]:
    """Run a scripted host for a.example: on the last address, the others are dead."""
    for number, address in enumerate(addresses or ("127.0.0.1",)):
        dns.add("a.example", "MX", f"{number} mx{number}.a.example.")
        dns.add(f"mx{number}.a.example", "A", address)
    async with SmtpSink().running(addresses[-1] if addresses else "127.0.0.1") as it:
        yield it


async def test_the_whole_way_is_walked_and_nothing_sent() -> None:
    """O8: every step is told, in order."""
    tries: list[Try] = []
    async with playing(make_world("127.0.0.40"), tries.append) as it:
        to = "sari@gmail-like.test"
        steps = await walked("gmail-like.test", it.dns, it.smtp_port, recipient=to)
        names = "sending-ip mx provider mta-sts connect banner ehlo starttls mail.from rcpt.to rset"
        assert [step.name for step in steps] == [n.replace(".", " ") for n in names.split()]
        assert "sandbox.google.com (127.0.0.41)" in one(steps, "mx").text
        assert one(steps, "provider").text == "Gmail and Google Workspace (google)"
        assert one(steps, "provider").meaning.startswith("delivery begins with 5 connections of 50")
        assert one(steps, "rcpt to").text == "<sari@gmail-like.test> 250 2.1.5 Recipient ok"
        assert tries == []


async def test_only_what_a_probe_may_say_is_said(dns: DnsServer) -> None:
    async with sink(dns) as it:
        steps = await walked("a.example", dns, it.port, recipient="sari@a.example")
        assert one(steps, "provider").text == "nobody known: a.example"
        (connection,) = it.connections
        assert connection.peer == "127.0.0.2"
        assert connection.lines == [
            "EHLO mta.example",
            "MAIL FROM:<a@b.example>",
            "RCPT TO:<sari@a.example>",
            "RSET",
            "QUIT",
        ]


async def test_names_beyond_ascii_are_asked_for_as_delivery_does(dns: DnsServer) -> None:
    async with sink(dns) as it:
        await walked("a.example", dns, it.port, recipient="sárí@a.example")
        assert it.connections[0].lines[1] == "MAIL FROM:<a@b.example> SMTPUTF8"


async def test_a_dead_host_is_told_and_passed_over(dns: DnsServer) -> None:
    async with sink(dns, "127.0.0.44", "127.0.0.1") as it:
        steps = await walked("a.example", dns, it.port)
        dead, alive = [step for step in steps if step.name == "connect"]
        assert (dead.level, alive.level) == (Level.WARN, Level.OK)
        assert "mx0.a.example 127.0.0.44" in dead.text and "connection refused" in dead.text
        assert dead.meaning == "delivery goes on to the next address"
        assert levels(steps)["rset"] == "OK"


async def test_no_host_at_all_fails_with_what_to_do(dns: DnsServer) -> None:
    async with sink(dns, "127.0.0.44", "127.0.0.1") as it:
        port = it.port
    steps = await walked("a.example", dns, port)
    assert [step.level for step in steps if step.name == "connect"] == [Level.WARN, Level.FAIL]
    assert "port 25" in steps[-1].remedy


async def test_a_refusing_banner_blames_us_and_ends_the_walk(dns: DnsServer) -> None:
    async with sink(dns) as it:
        it.banner = lambda c, line: "554 5.7.1 blocked using zen.spamhaus.org"
        steps = await walked("a.example", dns, it.port)
        assert steps[-1].name == "banner" and steps[-1].level is Level.FAIL
        assert "wait for another attempt" in steps[-1].meaning
        assert "it blames this sending IP" in steps[-1].meaning
        assert "merpati doctor" in steps[-1].remedy


@pytest.mark.parametrize(
    ("recipient", "level", "meaning", "remedy"),
    [
        ("reject", "FAIL", "mail would bounce, class 10 (invalid recipient)", "another recipient"),
        ("rate", "WARN", "wait for another attempt, class 51 (spam block)", "in the field: 1 conn"),
        ("greylist", "WARN", "greylist", "nothing: delivery comes back"),
        ("block", "FAIL", "it blames this sending IP", "takes requests at"),
    ],
)
async def test_a_refused_recipient_is_read_as_delivery_reads_it(
    recipient: str, level: str, meaning: str, remedy: str
) -> None:
    async with playing(make_world("127.0.0.40"), lambda seen: None) as it:
        to = f"{recipient}@outlook-like.test"
        steps = await walked("outlook-like.test", it.dns, it.smtp_port, recipient=to)
        assert (steps[-1].name, steps[-1].level) == ("rcpt to", level)
        assert meaning in steps[-1].meaning
        assert remedy in steps[-1].remedy


def certificate(folder: Path) -> ssl.SSLContext:
    names = [host.name for host in make_world("127.0.0.40").hosts]
    return ensure_certificate(folder, TlsSettings(), names, datetime.now(UTC)).context()


async def test_a_certificate_that_nobody_vouches_for_is_shown_and_warned_of(tmp_path: Path) -> None:
    async with playing(make_world("127.0.0.40"), print, tls=certificate(tmp_path)) as it:
        steps = await walked("plain-like.test", it.dns, it.smtp_port)
        assert one(steps, "starttls").text.startswith("TLSv1.3")
        shown = one(steps, "certificate")
        assert shown.level is Level.WARN
        assert "issuer CN=Merpati certificate authority" in shown.text
        assert "not verified: self-signed certificate" in shown.text
        assert "STARTTLS" not in one(steps, "ehlo again").text
        assert levels(steps)["rset"] == "OK"


async def test_a_certificate_of_a_known_authority_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with playing(make_world("127.0.0.40"), print, tls=context) as it:
        shown = one(await walked("plain-like.test", it.dns, it.smtp_port), "certificate")
        assert (shown.level, shown.text[-8:]) == (Level.OK, "verified")
        assert "mx.plain-like.test" in shown.text


def test_a_certificate_near_its_end_is_warned_of(tmp_path: Path) -> None:
    certificate(tmp_path)
    made = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
    der = made.public_bytes(Encoding.DER)
    found = describe(der, "", made.not_valid_after_utc - timedelta(days=3))
    assert (found.level, found.meaning) == (Level.WARN, "it ends in 3 days")
    assert describe(b"no", "", datetime.now(UTC)).text.startswith("it cannot be read")


@pytest.mark.parametrize(
    ("domain", "level"), [("plain-like.test", "WARN"), ("gmail-like.test", "FAIL")]
)
async def test_no_starttls_is_worse_where_the_provider_asks_for_it(domain: str, level: str) -> None:
    async with playing(make_world("127.0.0.40"), print) as it:
        assert levels(await walked(domain, it.dns, it.smtp_port))["starttls"] == level


async def test_a_static_route_goes_before_mx(dns: DnsServer) -> None:
    async with sink(dns) as it:
        dns.remove("a.example")
        routes = (Route("a.example", "127.0.0.1", it.port),)
        steps = await walked("a.example", dns, 1, routes=routes)
        assert one(steps, "route").text.startswith("a static route leads to 127.0.0.1")
        assert levels(steps)["rset"] == "OK"


async def test_a_domain_without_mail_is_told_as_delivery_would(dns: DnsServer) -> None:
    steps = await walked("none.example", dns, 25)
    assert [step.name for step in steps] == ["sending-ip", "mx"]
    assert steps[-1].meaning == "mail to the domain bounces, class 21"


async def test_addresses_that_are_not_public_are_refused(dns: DnsServer) -> None:
    async with sink(dns) as it:
        steps = await walked("a.example", dns, it.port, is_private_allowed=False)
        assert it.connections == []
    assert (steps[-1].name, steps[-1].level) == ("mx", Level.FAIL)
    assert "safety.allow_private" in steps[-1].text


async def test_an_address_this_host_has_not_got_ends_the_walk(dns: DnsServer) -> None:
    async with sink(dns) as it:
        steps = await walked("a.example", dns, it.port, ip=Ip("198.51.100.9", "mta.example"))
        assert (steps[0].name, steps[0].level) == ("sending-ip", Level.FAIL)
        assert "ip address add" in steps[0].remedy
        assert it.connections == []


async def test_an_ipv6_sending_ip_needs_an_ipv6_host(dns: DnsServer) -> None:
    async with sink(dns) as it:
        steps = await walked("a.example", dns, it.port, ip=Ip("::1", "mta.example"))
        assert steps[-1].text.startswith("none of the hosts has an IPv6 address")


async def test_a_silent_host_is_given_up(dns: DnsServer) -> None:
    async def say_nothing(connection: object) -> None:
        await connection.reader.read()  # type: ignore[attr-defined]

    async with sink(dns) as it:
        it.converse = say_nothing
        steps = await walked("a.example", dns, it.port, answer_seconds=0.05)
        assert (steps[-1].name, steps[-1].text) == ("banner", "no answer within 0 s")


async def test_a_policy_for_transport_is_told_of(dns: DnsServer) -> None:
    async with sink(dns) as it:
        dns.add_txt("_mta-sts.a.example", "v=STSv1; id=1")
        steps = await walked("a.example", dns, it.port)
        assert one(steps, "mta-sts").text == "the domain has a policy: v=STSv1; id=1"
        dns.broken.add("_mta-sts.a.example")
        assert "is not known" in one(await walked("a.example", dns, it.port), "mta-sts").text
