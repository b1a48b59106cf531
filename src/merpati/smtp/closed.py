"""A port that is there but not in service yet: every caller is told to come back later.

RFC 5321 section 3.8 and RFC 3463 (4.3.2, system not accepting network messages): a sending server
that meets 421 keeps its mail and retries, so nothing is lost by pointing it here early.
"""

from __future__ import annotations

import asyncio
import ssl

from merpati.settings import HostPort


class ClosedPort(asyncio.Protocol):
    """Greets with 421 and hangs up; what the client says is not read."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer at once: the client needs to say nothing."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - asyncio's promise
        transport.write(self._greeting)
        transport.close()


def greeting(hostname: str, service: str) -> bytes:
    """Return the one line: `421 4.3.2 mta.example: submission is not in service yet`."""
    return f"421 4.3.2 {hostname}: {service} is not in service yet\r\n".encode()


async def serve_closed(
    address: HostPort, hostname: str, service: str, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Listen on an address and answer 421 there; raises OSError when it cannot be bound."""
    line = greeting(hostname, service)
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: ClosedPort(line), address.host, address.port, ssl=tls, backlog=256
    )
