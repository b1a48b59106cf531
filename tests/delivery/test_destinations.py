"""Routes and MX lookups against a real DNS server."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from merpati.adapters.addresses import Network, is_global
from merpati.adapters.crypto import SecretBoxError
from merpati.adapters.dns import LookupFailed, NameNotFound, Resolver, txt_records
from merpati.contracts.sending_policy import Route, TlsMode
from merpati.delivery.destinations import (
    LOOKUPS_AT_ONCE,
    MOST_HOSTS,
    Destination,
    Destinations,
    Host,
    RouteTable,
    Undeliverable,
    Unreachable,
)
from merpati.delivery.host_addresses import FAILURE_TTL, LONGEST_TTL, SHORTEST_TTL
from merpati.delivery.ourselves import Ourselves
from merpati.delivery.protocol import Credentials
from merpati.sandbox.dns_server import DnsServer

LOOPBACK: Network = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def destinations(dns: DnsServer, *allowed: Network, deadline: float = 2.0) -> Destinations:
    resolver = Resolver([dns.address], deadline)
    return Destinations(resolver, time.monotonic, port=2525, allow_private=allowed)


async def test_mx_hosts_come_by_preference(dns: DnsServer) -> None:
    dns.add("a.example", "MX", "20 mx2.big.example.", "10 mx1.big.example.")
    dns.add("mx1.big.example", "A", "8.8.8.8")
    dns.add("mx2.big.example", "A", "9.9.9.9")
    dns.add("mx2.big.example", "AAAA", "2620:fe::fe")
    found = await destinations(dns).find("a.example")
    assert found == Destination(
        "big.example",
        (
            Host("mx1.big.example", ("8.8.8.8",)),
            Host("mx2.big.example", ("9.9.9.9", "2620:fe::fe")),
        ),
        2525,
        connections=10,
        messages_per_connection=100,
    )


async def test_a_host_of_many_domains_is_looked_up_once(dns: DnsServer) -> None:
    """More domains than have a turn at once, all of them together."""
    domains = [f"d{number}.example" for number in range(2 * LOOKUPS_AT_ONCE)]
    for domain in domains:
        dns.add(domain, "MX", "10 mx1.big.example.")
    dns.add("mx1.big.example", "A", "8.8.8.8")
    where = destinations(dns)
    found = await asyncio.gather(*map(where.find, domains))
    assert {one.hosts for one in found if isinstance(one, Destination)} == {
        (Host("mx1.big.example", ("8.8.8.8",)),)
    }
    assert len(found) == len(domains)
    assert [asked for asked in dns.asked if asked[0].startswith("mx1")] == [
        ("mx1.big.example", "A"),
        ("mx1.big.example", "AAAA"),
    ]


async def test_a_host_without_addresses_is_found_so_for_all_its_domains(dns: DnsServer) -> None:
    for domain in ("a.example", "b.example"):
        dns.add(domain, "MX", "10 mx1.gone.example.")
    where = destinations(dns)
    for domain in ("a.example", "b.example"):
        found = await where.find(domain)
        assert isinstance(found, Unreachable)
        assert domain in found.reason
    assert [kind for name, kind in dns.asked if name.startswith("mx1")] == ["A", "AAAA"]


async def test_without_mx_the_domain_itself_is_the_host(dns: DnsServer) -> None:
    dns.add("a.example", "A", "9.9.9.9")
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Destination)
    assert found.hosts == (Host("a.example", ("9.9.9.9",)),)


@pytest.mark.parametrize(
    ("records", "enhanced", "bounce_class"),
    [
        pytest.param([("MX", "0 .")], "5.1.10", 10, id="null MX"),
        pytest.param([], "5.4.4", 21, id="no such domain"),
        pytest.param([("TXT", '"x"')], "5.4.4", 21, id="neither MX nor address"),
    ],
)
async def test_certain_refusals_bounce(
    dns: DnsServer, records: list[tuple[str, str]], enhanced: str, bounce_class: int
) -> None:
    for kind, value in records:
        dns.add("a.example", kind, value)
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Undeliverable)
    assert found.bounce.reply.enhanced == enhanced
    assert found.bounce.bounce_class == bounce_class
    assert "[internal]" in found.bounce.reply.text


async def test_doubt_defers(dns: DnsServer) -> None:
    dns.broken.add("a.example")
    dns.add("b.example", "MX", "10 mx.b.example.")
    dns.broken.add("mx.b.example")
    dns.add("c.example", "MX", "10 mx.gone.example.")
    dns.silent.add("d.example")
    for domain in ("a.example", "b.example", "c.example", "d.example"):
        found = await destinations(dns, deadline=0.3).find(domain)
        assert isinstance(found, Unreachable), domain


async def test_an_implicit_mx_whose_address_fails_defers(dns: DnsServer) -> None:
    """No MX, and the A lookup fails: the domain may well exist."""
    dns.add("a.example", "TXT", '"x"')
    resolver = Resolver([dns.address], 0.5)

    async def fails(host: str, record_type: str) -> object:
        raise LookupFailed("down")

    resolver.addresses = fails  # type: ignore[assignment,method-assign]
    assert isinstance(await Destinations(resolver, time.monotonic).find("a.example"), Unreachable)


async def test_addresses_that_are_not_public_are_refused_unless_allowed(dns: DnsServer) -> None:
    dns.add("a.example", "MX", "10 mx.a.example.", "20 mx2.a.example.")
    dns.add("mx.a.example", "A", "127.0.0.1", "10.0.0.1")
    dns.add("mx2.a.example", "AAAA", "::ffff:192.168.0.1")
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Unreachable)
    assert "safety.allow_private" in found.reason
    found = await destinations(dns, LOOPBACK).find("a.example")
    assert isinstance(found, Destination)
    assert found.hosts == (Host("mx.a.example", ("127.0.0.1",)),)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::"),
    ],
)
def test_not_global(address: str) -> None:
    assert not is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"])
def test_global(address: str) -> None:
    assert is_global(ipaddress.ip_address(address))


async def test_answers_are_kept_and_failures_only_briefly(dns: DnsServer) -> None:
    now = [0.0]
    looked = Destinations(Resolver([dns.address], 1.0), lambda: now[0])
    dns.add("a.example", "A", "9.9.9.9")
    dns.broken.add("b.example")
    assert looked.known("a.example") is None
    found = await looked.find("a.example")
    await looked.find("b.example")
    assert looked.known("a.example") is found
    now[0] = 30.0
    assert looked.known("a.example") is found
    assert looked.known("b.example") is None
    now[0] = 61.0
    assert looked.known("a.example") is None
    assert looked.last_known("a.example") is found
    assert looked.last_known("c.example") is None


@pytest.mark.parametrize(
    ("ttl", "kept"),
    [
        pytest.param(5, SHORTEST_TTL, id="short"),
        pytest.param(600, 600, id="as said"),
        pytest.param(86_400, LONGEST_TTL, id="long"),
    ],
)
@pytest.mark.parametrize("domain", ["a.example", "null.example"])
async def test_what_is_kept_has_bounds(dns: DnsServer, domain: str, ttl: int, kept: float) -> None:
    now = [0.0]
    looked = Destinations(Resolver([dns.address], 1.0), lambda: now[0])
    dns.ttl = ttl
    dns.add("a.example", "MX", "10 mx.a.example.")
    dns.add("mx.a.example", "A", "9.9.9.9")
    dns.add("null.example", "MX", "0 .")
    found = await looked.find(domain)
    now[0] = kept - 1
    assert looked.known(domain) is found
    now[0] = kept
    assert looked.known(domain) is None


@pytest.mark.parametrize(
    ("domain", "kept"),
    [("none.example", SHORTEST_TTL), ("bare.example", SHORTEST_TTL), ("down.example", FAILURE_TTL)],
)
async def test_a_negative_answer_is_kept_briefly(dns: DnsServer, domain: str, kept: float) -> None:
    now = [0.0]
    looked = Destinations(Resolver([dns.address], 1.0), lambda: now[0])
    dns.add("bare.example", "TXT", '"x"')
    dns.broken.add("down.example")
    found = await looked.find(domain)
    now[0] = kept - 1
    assert looked.known(domain) is found
    now[0] = kept
    assert looked.known(domain) is None


async def test_the_cache_is_bounded(dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merpati.delivery.destinations.MOST_CACHED", 2)
    looked = destinations(dns)
    for domain in ("a.example", "b.example", "c.example"):
        await looked.find(domain)
    known = [looked.known(domain) is not None for domain in ("a.example", "b.example", "c.example")]
    assert known == [False, True, True]


async def test_a_lookup_ends_however_many_hosts_are_silent(
    dns: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merpati.delivery.destinations.LOOKUP_SECONDS", 0.2)
    dns.add("a.example", "MX", *(f"10 mx{n}.a.example." for n in range(9)))
    dns.silent.update(f"mx{n}.a.example" for n in range(9))
    found = await destinations(dns, deadline=60.0).find("a.example")
    assert found == Unreachable("DNS lookups for a.example took too long")


async def test_one_silent_host_of_two_does_not_hide_the_other(dns: DnsServer) -> None:
    dns.add("a.example", "MX", "10 mx1.a.example.", "20 mx2.a.example.")
    dns.silent.add("mx1.a.example")
    dns.add("mx2.a.example", "A", "9.9.9.9")
    found = await destinations(dns, deadline=0.3).find("a.example")
    assert isinstance(found, Destination)
    assert [host.name for host in found.hosts] == ["mx2.a.example"]


async def test_an_mx_that_is_an_alias_is_followed(dns: DnsServer) -> None:
    """T4: RFC 5321 forbids it, and it is common."""
    dns.add("a.example", "MX", "10 alias.a.example.")
    dns.add("alias.a.example", "CNAME", "mx.other.example.")
    dns.add("mx.other.example", "A", "9.9.9.9")
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Destination)
    assert found.hosts == (Host("alias.a.example", ("9.9.9.9",)),)


async def test_of_fifty_mx_the_best_ten_are_asked_for(dns: DnsServer) -> None:
    """T4: the answer comes over TCP, and few of its hosts are looked up."""
    dns.add("a.example", "MX", *(f"{n} mx{n}.a.example." for n in range(50, 0, -1)))
    for n in range(1, 51):
        dns.add(f"mx{n}.a.example", "A", f"9.9.9.{n}")
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Destination)
    assert [host.name for host in found.hosts] == [
        f"mx{n}.a.example" for n in range(1, MOST_HOSTS + 1)
    ]
    assert len({name for name, kind in dns.asked if kind == "A"}) == MOST_HOSTS


async def test_an_mx_that_is_an_address_is_one(dns: DnsServer) -> None:
    """T4: not allowed either; a public one is used, another is refused like any."""
    dns.add("a.example", "MX", "10 9.9.9.9.")
    dns.add("b.example", "MX", "10 127.0.0.1.")
    found = await destinations(dns).find("a.example")
    assert isinstance(found, Destination)
    assert found.hosts == (Host("9.9.9.9", ("9.9.9.9",)),)
    assert isinstance(await destinations(dns).find("b.example"), Unreachable)


OURSELVES = Ourselves(frozenset({"mail.kirim.example"}), (("127.0.0.9", 2525),))
EVERYWHERE = Ourselves(frozenset(), (("0.0.0.0", 2525),))
ELSEWHERE = Ourselves(frozenset({"mail.kirim.example"}), (("127.0.0.9", 26),))


@pytest.mark.parametrize(
    ("ourselves", "mx", "hosts"),
    [
        pytest.param(OURSELVES, ["10 us"], None, id="our address"),
        pytest.param(OURSELVES, ["10 mail.kirim.example."], None, id="our name, behind NAT"),
        pytest.param(EVERYWHERE, ["10 us"], None, id="any address of this host"),
        pytest.param(EVERYWHERE, ["10 mx"], ["mx"], id="not of this host"),
        pytest.param(ELSEWHERE, ["10 us"], ["us"], id="another server on our host"),
        pytest.param(OURSELVES, ["10 mx", "20 us", "30 mx2"], ["mx"], id="we are the second"),
        pytest.param(OURSELVES, ["10 us", "10 mx", "20 mx2"], None, id="others are no better"),
    ],
)
async def test_mail_is_not_sent_round_to_ourselves(
    dns: DnsServer, ourselves: Ourselves, mx: list[str], hosts: list[str] | None
) -> None:
    """T4: hosts of our own preference or a lower one are left out, RFC 5321 section 5.1."""
    dns.add(
        "a.example", "MX", *(f"{entry}.a.example." if entry[-1] != "." else entry for entry in mx)
    )
    dns.add("us.a.example", "A", "127.0.0.9")
    dns.add("mail.kirim.example", "A", "9.9.9.9")
    for name in ("mx", "mx2"):
        dns.add(f"{name}.a.example", "A", "8.8.8.8")
    looked = Destinations(
        Resolver([dns.address], 2.0),
        time.monotonic,
        port=2525,
        allow_private=(LOOPBACK,),
        ourselves=ourselves,
    )
    found = await looked.find("a.example")
    if hosts is None:
        assert isinstance(found, Unreachable)
        assert "Merpati itself" in found.reason
    else:
        assert isinstance(found, Destination)
        assert [host.name.partition(".")[0] for host in found.hosts] == hosts


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("a.example", "exact"),
        ("x.a.example", "under-a"),
        ("y.x.a.example", "under-a"),
        ("b.example", "under-example"),
        ("other.test", "rest"),
        ("example", "rest"),
    ],
)
def test_the_most_specific_route_wins(domain: str, host: str) -> None:
    patterns = {"*": "rest", "*.example": "under-example", "*.a.example": "under-a"}
    patterns["a.example"] = "exact"
    table = RouteTable(Route(pattern, name, 25) for pattern, name in patterns.items())
    route = table.find(domain)
    assert route is not None
    assert route.host == host


def test_no_route_is_no_route() -> None:
    assert RouteTable([]).find("a.example") is None
    assert RouteTable([Route("*.a.example", "h", 25)]).find("a.example") is None


async def test_a_route_may_name_a_private_address_and_any_host(dns: DnsServer) -> None:
    dns.add("relay.example", "A", "10.0.0.1")
    looked = destinations(dns)
    looked.use_routes(
        [
            Route("a.example", "127.0.0.1", 2599, connections=3, messages_per_minute=60),
            Route("b.example", "relay.example", 25),
            Route("c.example", "localhost", 25),
            Route("d.example", "nowhere.invalid", 25),
        ]
    )
    assert looked.known("a.example") == Destination(
        "route:127.0.0.1:2599",
        (Host("127.0.0.1", ("127.0.0.1",)),),
        2599,
        True,
        3,
        60,
        tls_because="the route for a.example says so",
    )
    by_dns = await looked.find("b.example")
    assert isinstance(by_dns, Destination)
    assert by_dns.hosts == (Host("relay.example", ("10.0.0.1",)),)
    by_system = await looked.find("c.example")
    assert isinstance(by_system, Destination)
    assert "127.0.0.1" in by_system.hosts[0].addresses
    assert isinstance(await looked.find("d.example"), Unreachable)


async def test_a_routes_login_is_opened_and_one_that_cannot_be_waits(dns: DnsServer) -> None:
    def open_secret(sealed: bytes) -> bytes:
        if sealed == b"foreign":
            raise SecretBoxError("not ours")
        return sealed[::-1]

    looked = Destinations(Resolver([dns.address]), time.monotonic, open_secret=open_secret)
    looked.use_routes(
        [
            Route("a.example", "127.0.0.1", 25, username="kirim", password=b"terces"),
            Route("b.example", "127.0.0.1", 25, username="kirim", password=b"foreign"),
        ]
    )
    found = looked.known("a.example")
    assert isinstance(found, Destination)
    assert found.credentials == Credentials("kirim", "secret")
    assert "secret" not in repr(found)
    waits = looked.known("b.example")
    assert isinstance(waits, Unreachable)
    assert "set it anew" in waits.reason


def test_a_connection_is_shared_only_by_mail_that_wants_it_as_secure_and_as_the_same_user() -> None:
    there = Destination("p", (Host("mx.a.example", ("9.9.9.9",)),), 25)
    others = [
        replace(there, tls=TlsMode.VERIFY),
        replace(there, credentials=Credentials("kirim", "p")),
        replace(there, credentials=Credentials("toko", "p")),
        replace(there, hosts=(Host("mx.b.example", ("9.9.9.9",)),)),
    ]
    assert len({there.site, *(other.site for other in others)}) == 5
    assert replace(there, hosts=(Host("mx.a.example", ("8.8.8.8",)),)).site == there.site


async def test_a_changed_route_is_followed(dns: DnsServer) -> None:
    dns.add("a.example", "A", "9.9.9.9")
    looked = destinations(dns)
    await looked.find("a.example")
    looked.use_routes([Route("*", "127.0.0.1", 2599)])
    known = looked.known("a.example")
    assert isinstance(known, Destination)
    assert known.is_route
    looked.use_routes([])
    assert looked.known("a.example") is None


async def test_the_mx_host_names_the_provider_whatever_the_domain_hints_at(dns: DnsServer) -> None:
    dns.add("firm.example", "MX", "10 aspmx.l.google.com.", "20 mx.firm.example.")
    dns.add("aspmx.l.google.com", "A", "8.8.8.8")
    dns.add("mx.firm.example", "A", "9.9.9.9")
    dns.add("comcast.net", "MX", "10 mx.am0.yahoodns.net.")
    dns.add("mx.am0.yahoodns.net", "A", "8.8.4.4")
    dns.add("gmail.com", "MX", "10 google.com.evil.example.")
    dns.add("google.com.evil.example", "A", "9.9.9.9")
    looked = destinations(dns)
    found = [await looked.find(d) for d in ("firm.example", "comcast.net", "gmail.com")]
    assert [
        (d.provider, d.connections, d.messages_per_connection, d.messages_per_minute)
        for d in found
        if isinstance(d, Destination)
    ] == [
        ("google", 5, 50, 6_000),
        ("yahoo", 10, 20, 6_000),
        ("evil.example", 10, 100, None),
    ]


def test_txt_records(dns: DnsServer) -> None:
    dns.add_txt("s1._domainkey.a.example", "v=DKIM1; p=" + "A" * 400)
    found = txt_records("s1._domainkey.a.example", [dns.address])
    assert found == ["v=DKIM1; p=" + "A" * 400]
    with pytest.raises(NameNotFound):
        txt_records("none.example", [dns.address])
