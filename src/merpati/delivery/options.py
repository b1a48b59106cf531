"""What the operator may set of the engine; `runtime/deliver.py` fills it from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from merpati.adapters.addresses import Network
from merpati.delivery.late import LateRule
from merpati.delivery.ourselves import NOBODY, Ourselves
from merpati.delivery.retry import RetrySchedule
from merpati.delivery.session import Timeouts


@dataclass(frozen=True, slots=True)
class Options:
    """Durations in seconds, sizes in bytes.

    dns_validating: the DNS servers check DNSSEC; counts only for those on the loopback interface.
    https_port: where MTA-STS policies are fetched.
    tls_authorities: PEM file of authorities trusted besides the system's where certificates count.
    fresh_bytes: of contents that came just now and wait for their first hand-over. deferred_bytes:
    of messages that are kept as they were composed, for their next attempt.
    route_…: per sending IP and static route, where the route says nothing else. connections: per
    sending IP and mailbox provider at most, however many the directory gives that provider.
    longest_sleep: between looks at what is due, since the wall clock may be set meanwhile.
    missing_ip_recheck: how often an address that is not on the host is looked for again.
    patience: failed connection attempts in a row before the message at the head is deferred; until
    then mail only waits, so that a receiver's restart costs nobody a retry of 20 minutes. retry: of
    accounts that have no schedule of their own. signs: False where nobody reads a signature, as in
    a rehearsal. zone_rules: the edition of the time zones' rules.
    """

    dns_servers: tuple[str, ...] = ()
    dns_deadline: float = 10.0
    dns_validating: bool = False
    port: int = 25
    https_port: int = 443
    allow_private: tuple[Network, ...] = ()
    ourselves: Ourselves = NOBODY
    tls_authorities: str = ""
    route_connections: int = 20
    connections: int = 20
    route_messages_per_connection: int = 100_000
    in_flight_bytes: int = 32 << 20
    content_cache_bytes: int = 64 << 20
    fresh_bytes: int = 32 << 20
    deferred_bytes: int = 32 << 20
    compose_threads: int = 2
    settle_interval: float = 0.02
    settle_most: int = 500
    sweep_interval: float = 1.0
    longest_sleep: float = 5.0
    missing_ip_recheck: float = 30.0
    patience: int = 5
    first_backoff: float = 1.0
    longest_backoff: float = 300.0
    signs: bool = True
    retry: RetrySchedule = field(default_factory=RetrySchedule)
    late: LateRule = field(default_factory=LateRule)
    zone_rules: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
