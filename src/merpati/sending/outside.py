"""What is asked of the world for people who wait: an old provider's relay, an IP's names."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from merpati.adapters.addresses import Network
from merpati.adapters.crypto import SecretBox
from merpati.adapters.dns import Resolver
from merpati.contracts.sending_policy import TlsMode
from merpati.sending import egress_check
from merpati.sending.egress_check import Found, Relay
from merpati.sending.errors import CheckBusy
from merpati.sending.ip_names import Looked, Verdict, judge, look
from merpati.sending.models import Egress, SendingIp
from merpati.settings import HostPort, Settings

_AT_ONCE = 4  # of a web process's threads, the rest of which serve others meanwhile
_SECONDS = 8.0  # of a stage: somebody looks at an empty page


@dataclass(frozen=True, slots=True)
class Outside:
    """How to ask. allow_private: networks that may be reached although they are not public."""

    allow_private: tuple[Network, ...] = ()
    dns_servers: tuple[str, ...] = ()
    seconds: float = _SECONDS

    @classmethod
    def of(cls, settings: Settings) -> Outside:
        """Return what the settings say."""
        allowed = tuple(ipaddress.ip_network(text) for text in settings.safety.allow_private)
        return cls(allowed, tuple(settings.dns.servers))

    def check(self, egress: Egress, box: SecretBox) -> Found:
        """Return whether an old provider lets us in. Raises CheckBusy."""
        sealed = bytes(egress.password)
        relay = Relay(
            HostPort(egress.host, egress.port),
            TlsMode(egress.tls),
            egress.username,
            box.decrypt(sealed).decode() if sealed else "",
        )
        if not _turn.acquire(blocking=False):
            raise CheckBusy
        try:
            asked = egress_check.check(relay, socket.getfqdn(), self.allow_private, self.seconds)
            return asyncio.run(asked)
        finally:
            _turn.release()

    def names(self, ips: Sequence[SendingIp]) -> list[Verdict]:
        """Return of each sending IP whether its names are as providers want them."""

        async def ask() -> list[Looked]:
            resolver = Resolver(self.dns_servers, self.seconds)
            return await asyncio.gather(*(look(resolver, ip.address, ip.hostname) for ip in ips))

        looks = asyncio.run(ask())
        return [judge(ip.address, ip.hostname, one) for ip, one in zip(ips, looks, strict=True)]


NOWHERE_PRIVATE = Outside()
_turn = threading.BoundedSemaphore(_AT_ONCE)
