"""MTA-STS against a real DNS server and a real https server."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from merpati.adapters.dns import Resolver
from merpati.adapters.fetch import Fetcher, FetchFailed
from merpati.contracts.event import EventType
from merpati.delivery import mta_sts
from merpati.delivery.mta_sts import Policies, Policy, parse_policy, policy_id
from merpati.sandbox.dns_server import DnsServer
from tests.support.certificates import authority, server_tls
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import QUICK, policy, worker

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
HOST = "mta-sts.x.example"
ENFORCE = "version: STSv1\r\nmode: enforce\r\nmx: mx.mail.example\r\nmax_age: 86400\r\n"


@dataclass
class Site:
    """The https server of a domain's policy."""

    dns: DnsServer
    text: str = ENFORCE
    status: int = 200
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    port: int = 0

    def say(self, record: str) -> None:
        """Publish another TXT record."""
        self.dns.remove("_mta-sts.x.example")
        if record:
            self.dns.add_txt("_mta-sts.x.example", record)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(
            text=self.text,
            status=self.status,
            content_type=self.content_type,
            headers=self.headers,
        )

    def fetcher(self, allowed: bool = True, trusted: bool = True) -> Fetcher:
        return Fetcher(
            Resolver([self.dns.address], 1.0),
            LOOPBACK if allowed else (),
            authority() if trusted else "",
            self.port,
        )


@contextlib.asynccontextmanager
async def policy_site(*names: str) -> AsyncIterator[Site]:
    """Serve x.example's policy, with a certificate for these names."""
    with DnsServer() as dns:
        site = Site(dns)
        dns.add("x.example", "MX", "10 mx.mail.example.")
        dns.add("mx.mail.example", "A", "127.0.0.1")
        dns.add(HOST, "A", "127.0.0.1")
        site.say("v=STSv1; id=1;")
        app = web.Application()
        app.router.add_get("/.well-known/mta-sts.txt", site.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        tls = server_tls(*(names or (HOST,)))
        listener = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await listener.start()
        site.port = runner.addresses[0][1]
        try:
            yield site
        finally:
            await runner.cleanup()


async def get(fetcher: Fetcher, host: str = HOST) -> bytes:
    return await fetcher.get(host, "/.well-known/mta-sts.txt", most_bytes=1_000, seconds=2.0)


# The guarded fetch.


async def test_a_document_is_fetched() -> None:
    async with policy_site() as site:
        assert await get(site.fetcher()) == ENFORCE.encode()


async def test_internal_addresses_are_not_reached_unless_allowed() -> None:
    """W1, W4: a name that leads to one is refused before a connection; so is a literal."""
    async with policy_site() as site:
        with pytest.raises(FetchFailed, match="no public address"):
            await get(site.fetcher(allowed=False))
        for literal in ("127.0.0.1", "::1", "8.8.8.8"):
            with pytest.raises(FetchFailed, match="is an address"):
                await get(site.fetcher(), literal)
        assert site.asked == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
async def test_an_address_in_disguise_is_not_reached(host: str) -> None:
    """W1: decimal, octal and hexadecimal forms are names that do not exist."""
    async with policy_site() as site:
        with pytest.raises(FetchFailed):
            await get(site.fetcher(), host)
        assert site.asked == 0


async def test_redirects_are_not_followed() -> None:
    """W3."""
    async with policy_site() as site:
        site.status, site.headers = 302, {"Location": f"https://{HOST}:{site.port}/other"}
        with pytest.raises(FetchFailed, match="answered 302"):
            await get(site.fetcher())
        assert site.asked == 1


async def test_what_is_too_long_or_no_text_is_refused() -> None:
    async with policy_site() as site:
        site.text = "x" * 1_001
        with pytest.raises(FetchFailed, match="more than 1000 bytes"):
            await get(site.fetcher())
        site.text, site.content_type = ENFORCE, "text/html"
        with pytest.raises(FetchFailed, match="no text/plain"):
            await get(site.fetcher())


async def test_a_certificate_that_is_not_valid_is_refused() -> None:
    async with policy_site("other.example") as site:
        for fetcher in (site.fetcher(), site.fetcher(trusted=False)):
            with pytest.raises(FetchFailed, match="certificate verify failed"):
                await get(fetcher)
        assert site.asked == 0


# What is read.


def test_a_policy_is_read() -> None:
    text = (
        b"version: STSv1\nmode: testing\nmx: MX.a.example.\nmx: *.b.example\nmax_age: 99999999999\n"
    )
    with pytest.raises(ValueError, match="max_age"):
        parse_policy(text)
    assert parse_policy(text.replace(b"99999999999", b"9999999999")) == Policy(
        "testing", ("mx.a.example", "*.b.example"), 31_557_600
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mode: enforce\nmx: a.example\nmax_age: 1",
        "version: STSv1\nmode: strict\nmx: a.example\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1",
        "\udcff",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_policy(text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("mx.a.example", True),
        ("mx.b.example", True),
        ("b.example", False),
        ("x.mx.b.example", False),
        ("a.example", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, is_allowed: bool) -> None:
    assert Policy("enforce", ("mx.a.example", "*.b.example"), 1).allows(host) is is_allowed


@pytest.mark.parametrize(
    ("records", "found"),
    [
        (("v=STSv1; id=20260101T00;",), "20260101T00"),
        (("v=spf1 -all", "v=STSv1;id=7"), "7"),
        (("v=STSv1; id=1;", "v=STSv1; id=2;"), ""),
        (("v=STSv1;",), ""),
        (("v=STSv10; id=1;",), ""),
        ((), ""),
    ],
)
def test_the_record_is_read(records: tuple[str, ...], found: str) -> None:
    assert policy_id(records) == found


# What is kept.


async def test_a_policy_outlives_its_record_and_its_site_until_its_age_is_over() -> None:
    """T3: cached policy, DNS lame, site down."""
    now = [0.0]
    async with policy_site() as site:
        policies = Policies(Resolver([site.dns.address], 0.5), site.fetcher(), lambda: now[0])
        first = await policies.of("x.example")
        assert first is not None
        assert await policies.of("x.example") is first
        assert site.asked == 1
        site.say("v=STSv1; id=2;")
        site.status = 503
        assert await policies.of("x.example") is first
        site.say("")
        site.dns.broken.add("_mta-sts.x.example")
        assert await policies.of("x.example") is first
        now[0] = 86_400.0
        assert await policies.of("x.example") is None


async def test_a_new_id_brings_a_new_policy() -> None:
    async with policy_site() as site:
        policies = Policies(Resolver([site.dns.address], 0.5), site.fetcher(), time.monotonic)
        await policies.of("x.example")
        site.say("v=STSv1; id=2;")
        site.text = ENFORCE.replace("enforce", "none")
        found = await policies.of("x.example")
        assert found is not None
        assert not found.is_enforced


async def test_a_policy_that_cannot_be_had_is_not_asked_for_all_the_time() -> None:
    """T3: bad policy."""
    now = [0.0]
    async with policy_site() as site:
        site.text = "<html>"
        policies = Policies(Resolver([site.dns.address], 0.5), site.fetcher(), lambda: now[0])
        for _ in range(3):
            assert await policies.of("x.example") is None
        assert site.asked == 1
        now[0], site.text = 300.0, ENFORCE
        assert await policies.of("x.example") is not None


async def test_lookups_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """T3: a silent DNS server holds nothing up for long."""
    monkeypatch.setattr(mta_sts, "RECORD_SECONDS", 0.1)
    async with policy_site() as site:
        site.dns.silent.add("_mta-sts.x.example")
        policies = Policies(Resolver([site.dns.address], 60.0), site.fetcher(), time.monotonic)
        assert await policies.of("x.example") is None


# What becomes of the mail.


@pytest.mark.parametrize(
    ("mode", "mx", "certificate", "offers_tls", "trouble"),
    [
        pytest.param("enforce", "mx.mail.example", "mx.mail.example", True, "", id="as asked"),
        pytest.param("enforce", "*.mail.example", "mx.mail.example", True, "", id="wildcard"),
        pytest.param(
            *("enforce", "mx.mail.example", "other.example", True, "Hostname mismatch"),
            id="certificate of another",
        ),
        pytest.param(
            *("enforce", "mx.mail.example", "mx.mail.example", False, "not offer STARTTLS"),
            id="no TLS",
        ),
        pytest.param(
            *("enforce", "mx.other.example", "mx.mail.example", True, "allows none"),
            id="MX not allowed",
        ),
        pytest.param("testing", "mx.other.example", "other.example", True, "", id="testing"),
        pytest.param("none", "mx.other.example", "other.example", False, "", id="none"),
    ],
)
async def test_mail_keeps_to_the_policy(
    tmp_path: Path, mode: str, mx: str, certificate: str, offers_tls: bool, trouble: str
) -> None:
    """T2, T3: under an enforced policy never plain, and never with another's certificate."""
    sink = SmtpSink()
    sink.tls = server_tls(certificate) if offers_tls else None
    async with policy_site() as site, sink.running():
        site.text = ENFORCE.replace("enforce", mode).replace("mx.mail.example", mx)
        options = replace(
            QUICK,
            dns_servers=(site.dns.address,),
            port=sink.port,
            https_port=site.port,
            allow_private=LOOPBACK,
            tls_authorities=authority(),
            patience=0,
        )
        async with worker(tmp_path, policy(0, routes=[]), options=options) as w:
            await w.inject("a@x.example")
            await w.until(w.events)
            (event, *_) = w.events()
    if trouble:
        assert (event.type, event.tls) == (EventType.DELAY, False)
        assert trouble in event.text
        assert "MTA-STS policy of x.example" in event.text
        assert not sink.received
    else:
        assert (event.type, event.tls) == (EventType.DELIVERY, offers_tls)
