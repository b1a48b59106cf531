"""Who is played: mail hosts with an address each, domains, and the DNS records that lead there.

A host's name lies below the provider's own MX suffix, `sandbox.google.com`, so that Merpati
recognises the provider as it does in the world. Only the sandbox's DNS server knows these names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dns.reversename

from merpati.providers.directory import directory
from merpati.sandbox.providers_file import ProvidersFile
from merpati.sandbox.texts import EVERYBODY, Texts, all_texts
from merpati.sandbox.toml_reading import TomlFileError
from merpati.sandbox.zone_file import ZoneFile

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class MailHost:
    """A provider's host. provider: id in the directory, or EVERYBODY."""

    name: str
    address: str
    provider: str
    texts: Texts


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS record as a zone file writes it; the name without its final dot."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class World:
    """domains: recipient domain to the host that takes its mail."""

    hosts: tuple[MailHost, ...]
    domains: Mapping[str, MailHost]
    records: tuple[Record, ...]


def make_world(
    first_address: str, zone: ZoneFile | None = None, providers_file: ProvidersFile | None = None
) -> World:
    """Return the world; hosts take addresses from the first one on.

    zone: what is played besides; providers_file: who is played instead of the providers with words
    of their own. Raises TomlFileError for a domain whose provider is not played.
    """
    zone = zone or ZoneFile()
    if providers_file is not None:
        return _described(ipaddress.ip_address(first_address), zone, providers_file)
    texts = all_texts()
    providers = dict.fromkeys([*texts, *(domain.provider for domain in zone.domain)])
    first = ipaddress.ip_address(first_address)
    hosts = {
        provider: MailHost(
            _host_name(provider), str(first + n), provider, texts.get(provider, texts[EVERYBODY])
        )
        for n, provider in enumerate(providers)
    }
    domains = {own.domain: hosts[provider] for provider, own in texts.items()}
    domains |= {domain.name.lower(): hosts[domain.provider] for domain in zone.domain}
    of_each = {name: (host,) for name, host in domains.items()}
    records = tuple(_records(hosts.values(), of_each, zone))
    return World(tuple(hosts.values()), domains, records)


def _described(first: IpAddress, zone: ZoneFile, file: ProvidersFile) -> World:
    """Return the providers of a file, each with as many hosts as it says."""
    texts = all_texts()
    hosts: list[MailHost] = []
    domains: dict[str, tuple[MailHost, ...]] = {}
    for one in file.provider:
        words = texts.get(one.like, texts[EVERYBODY])
        own = tuple(
            MailHost(_host_name(one.like, n), str(first + len(hosts) + n), one.like, words)
            for n in range(one.hosts)
        )
        hosts += own
        domains |= {domain.lower(): own for domain in one.domains}
    by_like = {host.provider: host for host in reversed(hosts)}
    for domain in zone.domain:
        if (host := by_like.get(domain.provider)) is None:
            problem = f"domain {domain.name}: no provider of the providers file is like"
            raise TomlFileError(f"{problem} {domain.provider!r}; there are: {', '.join(by_like)}")
        domains[domain.name.lower()] = (host,)
    records = tuple(_records(hosts, domains, zone))
    return World(tuple(hosts), {name: own[0] for name, own in domains.items()}, records)


def _host_name(provider: str, number: int = 0) -> str:
    known = directory().get(provider)
    first = f"sandbox{known.mx_suffixes[0]}" if known else f"mx.{all_texts()[EVERYBODY].domain}"
    return f"{number + 1}.{first}" if number else first


def _records(
    hosts: Iterable[MailHost], domains: Mapping[str, Sequence[MailHost]], zone: ZoneFile
) -> Iterator[Record]:
    for host in hosts:
        yield from _both_ways(host.name, host.address)
    for ip in zone.sending_ip:
        yield from _both_ways(ip.hostname, ip.address)
    for domain, own in domains.items():
        for n, host in enumerate(own, 1):
            yield Record(domain, "MX", f"{10 * n} {host.name}.")
        yield Record(domain, "TXT", '"v=spf1 mx -all"')
    for record in zone.record:
        yield Record(record.name.rstrip(".").lower(), record.type.upper(), record.value)


def _both_ways(name: str, address: str) -> Iterator[Record]:
    yield Record(name.lower(), "AAAA" if ":" in address else "A", address)
    reverse = dns.reversename.from_address(address).to_text(omit_final_dot=True)
    yield Record(reverse, "PTR", f"{name}.")
