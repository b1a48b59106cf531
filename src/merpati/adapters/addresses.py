"""Which addresses we connect to when somebody else named them: public ones, and allowed networks.

Otherwise anybody could have us connect to our own networks, with an MX record or a URL.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_global(address: Address) -> bool:
    """Return whether an address is public; IPv4 addresses inside IPv6 ones count as themselves."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_global(inner)
    return address.is_global and not address.is_multicast


def is_allowed(address: str, allow_private: Sequence[Network]) -> bool:
    """Return whether we connect to an address that somebody else named."""
    parsed = ipaddress.ip_address(address)
    if is_global(parsed):
        return True
    return any(parsed.version == network.version and parsed in network for network in allow_private)
