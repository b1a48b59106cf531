"""What all checks look at: one Merpati, its settings, and what its operator asks to be tested."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime

from merpati.accounts.trusted_networks import TrustedNetworks
from merpati.adapters.dns import Resolver
from merpati.runtime.paths import DataFolder
from merpati.sending.models import DkimKey
from merpati.sending.outbox import OutboxState
from merpati.settings import HostPort, Settings
from merpati.upkeep.running import Running

LOOKUP_SECONDS = 5.0
ANSWER_SECONDS = 10.0  # for a connection and its greeting


@dataclass(frozen=True, slots=True)
class Ip:
    """A sending IP as it is configured."""

    address: str
    hostname: str  # its HELO name

    @property
    def is_global(self) -> bool:
        """Whether the world sees this address; if not, it stands behind a translation."""
        return ipaddress.ip_address(self.address).is_global


@dataclass(frozen=True, slots=True)
class Scene:
    """running: None while Merpati is stopped.

    unconfirmed: Service Time Zones in use, and their years without confirmed bank holidays;
    outbox: Merpati's own mail; smtp_target, smtp_domain: where to test port 25, that host or the
    domain's first MX; ntp: a time server to compare the clock with.
    """

    folder: DataFolder
    settings: Settings
    now: datetime
    running: Running | None = None
    ips: tuple[Ip, ...] = ()
    trusted: TrustedNetworks = field(default_factory=TrustedNetworks)
    dkim_keys: tuple[DkimKey, ...] = ()  # with their domains; those whose record is wanted
    unconfirmed: tuple[tuple[str, int], ...] = ()
    outbox: OutboxState | None = None
    smtp_target: HostPort | None = None
    smtp_domain: str = ""
    ntp: HostPort | None = None

    def resolver(self) -> Resolver:
        """Return a resolver as the settings name it; use it on one loop."""
        return Resolver(self.settings.dns.servers, LOOKUP_SECONDS)
