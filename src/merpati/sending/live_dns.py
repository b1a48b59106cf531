"""Live DNS as domain verification asks it: a missing record is an answer, a failure is none."""

from __future__ import annotations

from collections.abc import Sequence

from merpati.adapters import dns
from merpati.sending.domains import TxtLookup
from merpati.sending.errors import DnsLookupFailed


def txt_lookup(servers: Sequence[str]) -> TxtLookup:
    """Return a function from a name to its TXT values; `servers` as in the setting dns.servers."""

    def lookup(name: str) -> list[str]:
        try:
            return dns.txt_records(name, servers)
        except (dns.NameNotFound, dns.NoSuchRecords):
            return []
        except dns.DnsError as error:
            raise DnsLookupFailed(name, str(error)) from error

    return lookup
