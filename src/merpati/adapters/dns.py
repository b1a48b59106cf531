"""DNS lookups through dnspython: bounded in time, answers as types, errors in three kinds.

Servers are given as "address" or "address:port" ("[v6]:port"); none given means the system's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.nameserver
import dns.resolver
import dns.reversename

DEADLINE_SECONDS = 10.0


class DnsError(Exception):
    """Base of what a lookup can come to instead of an answer."""


class NameNotFound(DnsError):
    """The name does not exist (NXDOMAIN)."""


class NoSuchRecords(DnsError):
    """The name exists and has no records of this type."""


class LookupFailed(DnsError):
    """No usable answer: timeout, SERVFAIL, no server. Another time it may work."""


@dataclass(frozen=True, slots=True)
class MailExchange:
    """One MX record; host is lower case without the final dot, "" for a null MX (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record, RFC 6698 section 2.1."""

    usage: int
    selector: int
    matching: int
    data: bytes


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """Records, and for how many seconds they may be kept.

    is_authenticated: a validating resolver on this host vouches for them (DNSSEC).
    """

    records: tuple[T, ...]
    ttl_seconds: int
    is_authenticated: bool = False


class Resolver:
    """Asynchronous lookups; make and use it on one event loop.

    validating: the servers check DNSSEC. `is_validating` says whether that counts: what they say
    of it could be forged on the way unless all of them are on the loopback interface.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        deadline_seconds: float = DEADLINE_SECONDS,
        validating: bool = False,
    ) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            self._resolver.nameservers = [_nameserver(server) for server in servers]
        self._resolver.lifetime = deadline_seconds
        self._resolver.timeout = max(deadline_seconds / 3, 0.1)
        self.is_validating = validating and all(map(_is_here, self._resolver.nameservers))
        if self.is_validating:
            self._resolver.flags = dns.flags.RD | dns.flags.AD  # RFC 6840 section 5.7

    def _answer(self, records: Iterable[T], answer: dns.resolver.Answer) -> Answer[T]:
        is_authenticated = self.is_validating and bool(answer.response.flags & dns.flags.AD)
        return Answer(tuple(records), _ttl(answer), is_authenticated)

    async def mail_exchanges(self, domain: str) -> Answer[MailExchange]:
        """Return the MX records, best first. Raises DnsError."""
        answer = await self._ask(domain, "MX")
        found = [MailExchange(rr.preference, _name(rr.exchange)) for rr in answer]
        return self._answer(sorted(found, key=lambda mx: mx.preference), answer)

    async def addresses(self, host: str, record_type: str) -> Answer[str]:
        """Return the addresses in A or AAAA records. Raises DnsError."""
        answer = await self._ask(host, record_type)
        return self._answer((rr.address for rr in answer), answer)

    async def tlsa(self, host: str, port: int) -> Answer[Tlsa]:
        """Return the TLSA records of a TCP service. Raises DnsError."""
        answer = await self._ask(f"_{port}._tcp.{host}", "TLSA")
        found = [Tlsa(rr.usage, rr.selector, rr.mtype, rr.cert) for rr in answer]
        return self._answer(found, answer)

    async def texts(self, name: str) -> Answer[str]:
        """Return the TXT records, each with its strings joined. Raises DnsError."""
        answer = await self._ask(name, "TXT")
        return self._answer(map(_text, answer), answer)

    async def pointers(self, address: str) -> Answer[str]:
        """Return the names in an address's PTR records, lower case. Raises DnsError."""
        answer = await self._ask(dns.reversename.from_address(address).to_text(True), "PTR")
        return self._answer((_name(rr.target) for rr in answer), answer)

    async def _ask(self, name: str, record_type: str) -> dns.resolver.Answer:
        try:
            return await self._resolver.resolve(name + ".", record_type)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise _translated(name, record_type, error) from error


def txt_records(
    name: str, servers: Sequence[str] = (), deadline_seconds: float = DEADLINE_SECONDS
) -> list[str]:
    """Return a name's TXT records, each with its strings joined (RFC 6376 3.6.2.2). Blocking.

    Raises DnsError.
    """
    return records(name, "TXT", servers, deadline_seconds)


def records(
    name: str,
    record_type: str,
    servers: Sequence[str] = (),
    deadline_seconds: float = DEADLINE_SECONDS,
) -> list[str]:
    """Return a name's TXT, A, AAAA, MX (hosts, best first) or PTR records as texts. Blocking.

    For PTR the name is an address. Raises DnsError.
    """
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = [_nameserver(server) for server in servers]
        resolver.lifetime = deadline_seconds
        if record_type == "PTR":
            name = dns.reversename.from_address(name).to_text()
        found = list(resolver.resolve(name.rstrip(".") + ".", record_type))
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise _translated(name, record_type, error) from error
    if record_type == "MX":
        found.sort(key=lambda record: record.preference)
    return [_as_text(record, record_type) for record in found]


def _as_text(record: Any, record_type: str) -> str:
    match record_type:
        case "TXT":
            return _text(record)
        case "MX":
            return _name(record.exchange)
        case "PTR":
            return _name(record.target)
        case _:
            return str(record.address)


def _translated(name: str, record_type: str, error: Exception) -> DnsError:
    match error:
        case dns.resolver.NXDOMAIN():
            return NameNotFound(f"{name} does not exist")
        case dns.resolver.NoAnswer():
            return NoSuchRecords(f"{name} has no {record_type} record")
        case dns.exception.Timeout():
            return LookupFailed(f"{record_type} lookup of {name} timed out")
        case _:
            return LookupFailed(f"{record_type} lookup of {name} failed ({type(error).__name__})")


def _nameserver(server: str) -> dns.nameserver.Nameserver:
    """Raises ValueError when the server is not an address with an optional port."""
    host, separator, port = server.rpartition(":")
    if not separator or (":" in host and not server.startswith("[")):
        host, port = server, "53"
    host = host.strip("[]")
    ipaddress.ip_address(host)
    return dns.nameserver.Do53Nameserver(host, int(port))


def _text(record: Any) -> str:
    return b"".join(record.strings).decode("utf-8", "replace")


def _is_here(server: object) -> bool:
    address = server if isinstance(server, str) else getattr(server, "address", "")
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _name(name: object) -> str:
    return str(name).rstrip(".").lower()


def _ttl(answer: dns.resolver.Answer) -> int:
    return int(answer.rrset.ttl) if answer.rrset is not None else 0
