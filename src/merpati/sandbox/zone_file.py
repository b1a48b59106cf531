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

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dns.exception
import dns.rdata
import msgspec

from merpati.providers.directory import directory
from merpati.sandbox.texts import EVERYBODY

LONGEST_STRING = 255  # of a TXT record, RFC 1035 3.3
_NAME = re.compile(r"(?=.{1,253}\.?$)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)


class ZoneFileError(Exception):
    """The file cannot be used; `message` says where it is wrong and what to write instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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


_TABLES = {"domain": PlayedDomain, "sending_ip": PlayedIp, "record": PlayedRecord}


def read_zone_file(path: Path) -> ZoneFile:
    """Return what a file says. Raises ZoneFileError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return _zone(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZoneFileError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ZoneFileError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.ValidationError, ValueError) as error:
        raise ZoneFileError(f"{path}: {error}") from error


def _zone(document: dict[str, Any]) -> ZoneFile:
    """Raises ValueError with a message for people."""
    _check_known(document, _TABLES, "table")
    for table, struct in _TABLES.items():
        for n, row in enumerate(_rows(document, table), 1):
            _check_known(row, struct.__struct_fields__, f"key of {table} {n}")
    zone = msgspec.convert(document, ZoneFile)
    for domain in zone.domain:
        _check_name(domain.name)
        _check_provider(domain.provider)
    for ip in zone.sending_ip:
        _check_name(ip.hostname)
        ipaddress.ip_address(ip.address)
    return msgspec.structs.replace(zone, record=[_checked(record) for record in zone.record])


def _rows(document: dict[str, Any], table: str) -> list[dict[str, Any]]:
    rows = document.get(table, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"write each {table} as a table of its own: [[{table}]]")
    return rows


def _check_known(given: Iterable[str], known: Iterable[str], kind: str) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}{_suggestion(name, known)}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"


def _check_provider(provider: str) -> None:
    known = [EVERYBODY, *(each.id for each in directory() if each.mx_suffixes)]
    if provider not in known:
        raise ValueError(f"unknown provider {provider!r}{_suggestion(provider, known)}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name that DNS can hold")


def _checked(record: PlayedRecord) -> PlayedRecord:
    _check_name(record.name)
    value = record.value
    if record.type.upper() == "TXT" and not value.startswith('"'):
        value = quoted(value)
    try:
        dns.rdata.from_text("IN", record.type, value)
    except (dns.exception.DNSException, ValueError) as error:
        what = f"record {record.name} {record.type}"
        raise ValueError(f"{what}: {record.value!r} is no such record ({error})") from None
    return msgspec.structs.replace(record, value=value)


def quoted(text: str) -> str:
    """Return a TXT record's text as a zone file holds it, in strings of 255 characters."""
    escaped = (
        text[at : at + LONGEST_STRING].replace("\\", "\\\\").replace('"', '\\"')
        for at in range(0, len(text), LONGEST_STRING)
    )
    return " ".join(f'"{part}"' for part in escaped)
