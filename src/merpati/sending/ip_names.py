"""The names of a sending IP in DNS: its PTR record, the way back, the HELO name.

Large providers refuse mail from addresses without a PTR record that leads back to the address.
Source: RFC 1912 2.1 (PTR and A match); Google and Yahoo sender requirements (2024-02).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum

from merpati.adapters.dns import DnsError, LookupFailed, Resolver


@dataclass(frozen=True, slots=True)
class Looked:
    """What DNS says. pointers: names in the PTR records; back: addresses of each name asked.

    failure: why the PTR could not be asked, which is no answer.
    """

    pointers: tuple[str, ...] = ()
    failure: str = ""
    back: dict[str, tuple[str, ...]] = field(default_factory=dict)
    back_failures: dict[str, str] = field(default_factory=dict)

    def leads_back(self, address: str, *names: str) -> bool:
        """Return whether one of the names leads to the address."""
        return any(address in self.back.get(name, ()) for name in names)


class Verdict(Enum):
    """Whether providers will take mail from an address, as far as its names go."""

    RIGHT = "right"
    NOT_PUBLIC = "not_public"  # it stands behind a translation: the world sees another one
    NOT_ASKED = "not_asked"  # DNS gave no answer
    NO_PTR = "no_ptr"
    ASTRAY = "astray"  # the PTR record leads to a name that does not lead back
    HELO_ASTRAY = "helo_astray"  # the HELO name does not lead to it


def judge(address: str, hostname: str, looked: Looked) -> Verdict:
    """Return what is to be said of an address with this HELO name."""
    helo = hostname.lower()
    if not ipaddress.ip_address(address).is_global:
        return Verdict.NOT_PUBLIC
    if looked.failure or looked.back_failures:
        return Verdict.NOT_ASKED
    if not looked.pointers:
        return Verdict.NO_PTR
    if not looked.leads_back(address, *looked.pointers):
        return Verdict.ASTRAY
    return Verdict.RIGHT if looked.leads_back(address, helo) else Verdict.HELO_ASTRAY


async def look(resolver: Resolver, address: str, hostname: str) -> Looked:
    """Ask for the names of an address, and where they and its HELO name lead."""
    pointers: tuple[str, ...] = ()
    failure = ""
    try:
        pointers = (await resolver.pointers(address)).records
    except LookupFailed as error:
        failure = str(error)
    except DnsError:
        pass  # it has none
    back: dict[str, tuple[str, ...]] = {}
    failures: dict[str, str] = {}
    kind = "AAAA" if ":" in address else "A"
    for name in dict.fromkeys([*pointers, hostname.lower()]):
        try:
            back[name] = (await resolver.addresses(name, kind)).records
        except LookupFailed as error:
            failures[name] = str(error)
        except DnsError:
            back[name] = ()
    return Looked(pointers, failure, back, failures)
