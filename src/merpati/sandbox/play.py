"""The sandbox as a whole: its mail hosts and its DNS server, together while a block lasts."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from merpati.sandbox.dns_server import DnsServer
from merpati.sandbox.seen import Try
from merpati.sandbox.smtp_server import MailHosts
from merpati.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Playing:
    """A sandbox that runs: the port of all its mail hosts, and its DNS server."""

    world: World
    smtp_port: int
    dns: DnsServer


@contextlib.asynccontextmanager
async def playing(
    world: World,
    tell: Callable[[Try], None],
    *,
    smtp_port: int = 0,
    dns_host: str = "127.0.0.1",
    dns_port: int = 0,
    tls: ssl.SSLContext | None = None,
    keep: Path | None = None,
) -> AsyncIterator[Playing]:
    """Run until the block ends; port 0 takes a free one. Raises OSError."""
    hosts = MailHosts(world.hosts, tell, tls, keep)
    with DnsServer(dns_host, dns_port) as dns:
        for record in world.records:
            dns.add(record.name, record.type, record.value)
        async with hosts.listening(smtp_port) as port:
            yield Playing(world, port, dns)
