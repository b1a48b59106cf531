"""Who is played: mail hosts with an address each, domains, and the DNS records that lead there.

A host's name lies below the provider's own MX suffix, `sandbox.google.com`, so that Merpati
recognises the provider as it does in the world. Only the sandbox's DNS server knows these names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dns.reversename

from merpati.providers.directory import directory
from merpati.sandbox.texts import EVERYBODY, Texts, all_texts
from merpati.sandbox.zone_file import ZoneFile


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


def make_world(first_address: str, zone: ZoneFile | None = None) -> World:
    """Return the world; hosts take addresses from the first one on.

    zone: what is played besides the providers with words of their own.
    """
    zone = zone or ZoneFile()
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
    records = tuple(_records(hosts, domains, zone))
    return World(tuple(hosts.values()), domains, records)


def _host_name(provider: str) -> str:
    known = directory().get(provider)
    return f"sandbox{known.mx_suffixes[0]}" if known else f"mx.{all_texts()[provider].domain}"


def _records(
    hosts: Mapping[str, MailHost], domains: Mapping[str, MailHost], zone: ZoneFile
) -> Iterator[Record]:
    for host in hosts.values():
        yield from _both_ways(host.name, host.address)
    for ip in zone.sending_ip:
        yield from _both_ways(ip.hostname, ip.address)
    for domain, host in domains.items():
        yield Record(domain, "MX", f"10 {host.name}.")
        yield Record(domain, "TXT", '"v=spf1 mx -all"')
    for record in zone.record:
        yield Record(record.name.rstrip(".").lower(), record.type.upper(), record.value)


def _both_ways(name: str, address: str) -> Iterator[Record]:
    yield Record(name.lower(), "AAAA" if ":" in address else "A", address)
    reverse = dns.reversename.from_address(address).to_text(omit_final_dot=True)
    yield Record(reverse, "PTR", f"{name}.")
