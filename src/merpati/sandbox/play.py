"""The sandbox as a whole: its mail hosts and its DNS server, together while a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from merpati.adapters.clock import SystemClock
from merpati.sandbox.crowd import Crowd
from merpati.sandbox.dialogue import Memory
from merpati.sandbox.dns_server import DnsServer
from merpati.sandbox.opinions import Opinions
from merpati.sandbox.providers_file import ProvidersFile
from merpati.sandbox.seen import Try
from merpati.sandbox.smtp_server import MailHosts
from merpati.sandbox.world import World

PUBLISH_SECONDS = 1.0


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
    providers_file: ProvidersFile | None = None,
    seed: int = 1,
) -> AsyncIterator[Playing]:
    """Run until the block ends; port 0 takes a free one. Raises OSError.

    providers_file: how those played tolerate, and what their people do; chance comes from the seed.
    """
    async with contextlib.AsyncExitStack() as stack:
        dns = stack.enter_context(DnsServer(dns_host, dns_port))
        for record in world.records:
            dns.add(record.name, record.type, record.value)
        if providers_file is None:
            hosts = MailHosts(world.hosts, tell, tls, keep)
        else:
            clock = SystemClock()
            opinions = Opinions(providers_file, seed, clock.now)
            crowd = Crowd(providers_file, opinions, seed)
            stack.callback(crowd.leave)
            memory = Memory(opinions=opinions)
            hosts = MailHosts(world.hosts, tell, tls, keep, memory=memory, got=crowd.got)
            publishing = asyncio.create_task(_publish(opinions, dns, clock))
            stack.callback(publishing.cancel)
        port = await stack.enter_async_context(hosts.listening(smtp_port))
        yield Playing(world, port, dns)


async def _publish(opinions: Opinions, dns: DnsServer, clock: SystemClock) -> None:
    """Keep what the DNS server says of the blocklists up to date."""
    while True:
        opinions.blocklists.publish(dns, clock.now())
        await asyncio.sleep(PUBLISH_SECONDS)
