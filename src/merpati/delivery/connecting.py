"""Opening a connection: the hosts of a destination in turn, until one of them greets us.

Each is bound to the sending IP. What failed is remembered, so that the next connection begins
with a host that works.

Source: RFC 5321 section 5.1 (the next host is tried when one fails).
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from merpati.delivery.session import GreetingFailed, Manners, Session

if TYPE_CHECKING:
    from merpati.delivery.lane import Line

MOST_ADDRESSES = 10  # tried in one go before the line backs off


async def connect(line: Line) -> Session:
    """Return a greeted session with the first host that gives one. Raises GreetingFailed."""
    lane, destination = line.lane, line.destination
    where = list(destination.addresses_from(lane.ip.address))
    if not where:
        kind = "IPv6" if ":" in lane.ip.address else "IPv4"
        names = ", ".join(host.name for host in destination.hosts)
        raise GreetingFailed(f"no {kind} address for {names}, as {lane.ip.address} needs")
    last = GreetingFailed("no host was tried")
    hosts, elapsed = lane.hosts, lane.host.clock.elapsed
    for name, address in hosts.order(where, elapsed())[:MOST_ADDRESSES]:
        try:
            return await _greet(line, name, address)
        except GreetingFailed as error:
            last = error
            if lane.ip.is_missing or lane.host.is_stopping:
                break
            hosts.failed(address, elapsed())
    raise last


async def _greet(line: Line, name: str, address: str) -> Session:
    lane, port = line.lane, line.destination.port
    timeouts = lane.host.options.timeouts
    session = await _open(line, f"{'' if name == address else name}[{address}]:{port}", address)
    try:
        async with asyncio.timeout(timeouts.banner + 2 * timeouts.ehlo):
            await session.greeted
    except TimeoutError:
        session.abort("timed out before the greeting was complete")
        raise GreetingFailed(f"timed out before the greeting ({session.remote})") from None
    except asyncio.CancelledError:
        session.abort("stopped")
        raise
    return session


async def _open(line: Line, remote: str, address: str) -> Session:
    lane, host = line.lane, line.lane.host
    timeouts = host.options.timeouts
    manners = Manners(lane.ip.hostname, timeouts, lane.messages_per_connection, lane.provider)
    try:
        async with asyncio.timeout(timeouts.connect):
            _, session = await asyncio.get_running_loop().create_connection(
                lambda: Session(line, remote, manners, host.clock.elapsed),
                address,
                line.destination.port,
                local_addr=(lane.ip.address, 0),
            )
    except TimeoutError:
        raise GreetingFailed(f"connecting to {remote} timed out") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            host.ip_missing(lane.ip)
        # asyncio puts words of its own into strerror.
        words = os.strerror(error.errno).lower() if error.errno else str(error)
        raise GreetingFailed(f"connecting to {remote} failed: {words}") from None
    return session
