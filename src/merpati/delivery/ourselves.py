"""Which mail host would be this very Merpati: mail must not be sent there, it would come back.

Only where we listen on the port that mail goes to: another mail server may run beside us.

Source: RFC 5321 section 5.1 (MX records that name the sender itself).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from merpati.delivery.sending_ip import family_of, is_on_host


@dataclass(frozen=True, slots=True)
class Ourselves:
    """This host as others see it. names: lower case; listening: address and port of our SMTP."""

    names: frozenset[str] = frozenset()
    listening: tuple[tuple[str, int], ...] = ()

    def are(self, host: str, addresses: Iterable[str], port: int) -> bool:
        """Return whether a mail host is us. A name counts too: behind NAT our addresses differ."""
        here = [address for address, ours in self.listening if ours == port]
        if not here:
            return False
        return host in self.names or any(_is_one_of(address, here) for address in addresses)


NOBODY = Ourselves()


def _is_one_of(address: str, listening: Sequence[str]) -> bool:
    return address in listening or (
        any(ipaddress.ip_address(ours).is_unspecified for ours in listening)
        and is_on_host(address, family_of(address))
    )
