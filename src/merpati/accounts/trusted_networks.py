"""Networks whose SMTP clients need no password: for programs and devices that know none.

A network belongs to an API key, so what its clients may do, whose mail it is and how trust ends
(by revoking the key) are the key's. An address acts as the key with the narrowest network around
it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from merpati.accounts.errors import InvalidKeyRequest
from merpati.accounts.keys import KeyIdentity, identity_of
from merpati.accounts.models import ApiKey

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SUBMIT = "smtp/inject"
_FIELD = "trusted_networks"


@dataclass(frozen=True, slots=True)
class TrustedNetworks:
    """Who acts as which key; narrowest networks first."""

    networks: Sequence[tuple[Network, KeyIdentity]] = field(default=())

    def identity(self, address: str) -> KeyIdentity | None:
        """Return as whom a client at this address acts without a password, or None."""
        if not self.networks:
            return None
        peer = _read(address)
        return next(
            (
                identity
                for network, identity in self.networks
                if network.version == peer.version and peer in network
            ),
            None,
        )


@lru_cache(maxsize=10_000)
def _read(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    peer = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        return peer.ipv4_mapped
    return peer


def trusted_networks() -> TrustedNetworks:
    """Return all networks of keys that are not revoked. One query."""
    keys = ApiKey.objects.filter(revoked_at=None).exclude(trusted_networks=[])
    found = [
        (ipaddress.ip_network(network), identity_of(key))
        for key in keys.select_related("account")
        for network in key.trusted_networks
    ]
    return TrustedNetworks(sorted(found, key=lambda pair: pair[0].prefixlen, reverse=True))


def checked_networks(networks: Iterable[str], grants: Iterable[str]) -> list[str]:
    """Return networks as they are kept. Raises InvalidKeyRequest."""
    checked = [str(_network(text)) for text in networks]
    if checked and SUBMIT not in grants:
        raise InvalidKeyRequest(
            f"Only a key with the grant {SUBMIT} can trust networks: they submit by SMTP.", _FIELD
        )
    return list(dict.fromkeys(checked))


def check_trusted_by_no_other(networks: Iterable[str]) -> None:
    """Raise InvalidKeyRequest when another key in use trusts one of these very networks."""
    in_use = ApiKey.objects.filter(revoked_at=None).exclude(trusted_networks=[])
    taken = {
        network: pk
        for pk, others in in_use.values_list("pk", "trusted_networks")
        for network in others
    }
    for network in networks:
        if network in taken:
            raise InvalidKeyRequest(
                f"Key {taken[network]} trusts {network} already: revoke it first, or name a "
                "narrower network.",
                _FIELD,
            )


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text.strip())
    except ValueError:
        raise InvalidKeyRequest(
            f"{text!r} is no network; write it as 10.1.2.0/24, fd00::/64 or one address.", _FIELD
        ) from None
    if network.prefixlen == 0:
        raise InvalidKeyRequest(
            f"{network} is everybody: without a password only named networks may send.", _FIELD
        )
    return network
