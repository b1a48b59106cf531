"""The file in which a customer lists what else is played: their domains, sending IPs, DNS records.

[[domain]]                    # mail for it is taken as this provider would
name = "shop.example"
provider = "google"           # an id of the provider directory; nobody's when left out

[[sending_ip]]                # gets an A and a PTR record
address = "127.0.0.2"
hostname = "mta1.kirim.example"

[[record]]                    # as in a zone file
name = "mp0226._domainkey.kirim.example"
type = "TXT"
value = "v=DKIM1; k=rsa; p=…"
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

import dns.exception
import dns.rdata
import msgspec

from merpati.providers.directory import directory
from merpati.sandbox.texts import EVERYBODY
from merpati.sandbox.toml_reading import TomlText, Wrong, suggestion

LONGEST_STRING = 255  # of a TXT record, RFC 1035 3.3
_NAME = re.compile(r"(?=.{1,253}\.?$)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)


class PlayedDomain(msgspec.Struct, frozen=True):
    """A recipient domain and the provider that takes its mail."""

    name: str
    provider: str = EVERYBODY


class PlayedIp(msgspec.Struct, frozen=True):
    """A sending IP and its HELO name, which lead to each other in DNS."""

    address: str
    hostname: str


class PlayedRecord(msgspec.Struct, frozen=True):
    """A DNS record; a TXT record's value may stand without quotes."""

    name: str
    type: str
    value: str


class ZoneFile(msgspec.Struct, frozen=True):
    """All of the file."""

    domain: list[PlayedDomain] = []
    sending_ip: list[PlayedIp] = []
    record: list[PlayedRecord] = []


_TABLES: dict[str, type[msgspec.Struct]] = {
    "domain": PlayedDomain,
    "sending_ip": PlayedIp,
    "record": PlayedRecord,
}


def read_zone_file(path: Path) -> ZoneFile:
    """Return what a file says. Raises TomlFileError."""
    text = TomlText(path)
    zone = text.read(ZoneFile, _TABLES)
    try:
        for row, domain in enumerate(zone.domain):
            must(check_name, domain.name, "domain", row, "name")
            must(check_provider, domain.provider, "domain", row, "provider")
        for row, ip in enumerate(zone.sending_ip):
            must(check_name, ip.hostname, "sending_ip", row, "hostname")
            must(ipaddress.ip_address, ip.address, "sending_ip", row, "address")
        records = [_checked(record, row) for row, record in enumerate(zone.record)]
    except Wrong as wrong:
        raise text.error(wrong) from None
    return msgspec.structs.replace(zone, record=records)


def must(rule: Callable[[str], object], value: str, table: str, row: int | None, key: str) -> None:
    """Raise Wrong where a rule refuses a value with ValueError."""
    try:
        rule(value)
    except ValueError as error:
        raise Wrong(str(error), table, row, key) from None


def check_provider(provider: str) -> None:
    """Raise ValueError unless the directory knows it, and its MX hosts."""
    known = [EVERYBODY, *(each.id for each in directory() if each.mx_suffixes)]
    if provider not in known:
        raise ValueError(f"unknown provider {provider!r}{suggestion(provider, known)}")


def check_name(name: str) -> None:
    """Raise ValueError for what is no name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name that DNS can hold")


def _checked(record: PlayedRecord, row: int) -> PlayedRecord:
    must(check_name, record.name, "record", row, "name")
    value = record.value
    if record.type.upper() == "TXT" and not value.startswith('"'):
        value = quoted(value)
    try:
        dns.rdata.from_text("IN", record.type, value)
    except (dns.exception.DNSException, ValueError) as error:
        what = f"record {record.name} {record.type}"
        words = f"{what}: {record.value!r} is no such record ({error})"
        raise Wrong(words, "record", row, "value") from None
    return msgspec.structs.replace(record, value=value)


def quoted(text: str) -> str:
    """Return a TXT record's text as a zone file holds it, in strings of 255 characters."""
    escaped = (
        text[at : at + LONGEST_STRING].replace("\\", "\\\\").replace('"', '\\"')
        for at in range(0, len(text), LONGEST_STRING)
    )
    return " ".join(f'"{part}"' for part in escaped)
