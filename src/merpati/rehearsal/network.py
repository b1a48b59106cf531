"""A network in memory: the engine's connections end at the sandbox's dialogues, without sockets.

Both ends are what they are elsewhere: `delivery/session.py` here, `sandbox/dialogue.py` there, with
SMTP's bytes between them. Only the wire is missing, and takes no time.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from typing import Any

from merpati.sandbox.dialogue import Act, Dialogue, Hang, Keep, Say, Secure
from merpati.sandbox.dns_answers import DnsAnswers

Answer = Callable[[str, str], Dialogue | None]
"""Makes a host's end, by its address and the one that connects; None: nobody listens there."""


class Network:
    """Mail hosts, and one DNS server.

    taken: called with what a host has taken whole, refusals at the dot included.
    """

    def __init__(
        self,
        answer: Answer,
        dns: DnsAnswers,
        taken: Callable[[Keep], None],
    ) -> None:
        self._answer = answer
        self._dns = dns
        self._taken = taken

    async def connect(
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, source: str
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Return a connection to a host. Raises OSError where nobody listens."""
        dialogue = self._answer(host, source)
        if dialogue is None:
            raise OSError(errno.ECONNREFUSED, "connection refused")
        protocol = protocol_factory()
        transport = Wire(protocol, dialogue, self._taken)
        protocol.connection_made(transport)
        transport.greet()
        return transport, protocol

    async def secure(self, transport: Wire) -> Wire:
        """Return the connection as it is after a TLS handshake."""
        transport.is_secure = True
        return transport

    def open_datagrams(
        self, protocol_factory: Callable[[], asyncio.DatagramProtocol]
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """Return a way to ask the DNS server."""
        protocol = protocol_factory()
        transport = _Questions(self._dns, protocol)
        protocol.connection_made(transport)
        return transport, protocol


class Wire(asyncio.Transport):
    """The engine's end of a connection."""

    def __init__(
        self,
        protocol: asyncio.Protocol,
        dialogue: Dialogue,
        taken: Callable[[Keep], None],
    ) -> None:
        super().__init__()
        self.is_secure = False
        self._protocol = protocol
        self._dialogue = dialogue
        self._taken = taken
        self._loop = asyncio.get_running_loop()
        self._is_over = False

    def greet(self) -> None:
        """Let the host speak first."""
        self._do(self._dialogue.greet())

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have the host read it."""
        if not self._is_over:
            self._do(self._dialogue.receive(bytes(data), self._loop.time()))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Have the host read it all at once."""
        self.write(b"".join(list_of_data))

    def abort(self) -> None:
        """Close; what the host still said is lost."""
        self._lose()

    close = abort

    def is_closing(self) -> bool:
        """Return whether the connection is gone."""
        return self._is_over

    def get_write_buffer_size(self) -> int:
        """Return 0: whatever is written was read."""
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the session asks of a secure connection."""
        return _Tls() if name == "ssl_object" and self.is_secure else default

    def _do(self, acts: Iterable[Act]) -> None:
        said: list[bytes] = []
        is_over = False
        for act in acts:
            match act:
                case Say(data):
                    said.append(data)
                case Secure():
                    self._dialogue.secured()
                case Keep():
                    self._taken(act)
                case Hang():
                    is_over = True
                case _:
                    pass
        if said:
            self._loop.call_soon(self._arrive, b"".join(said))
        if is_over:
            self._loop.call_soon(self._lose)

    def _arrive(self, data: bytes) -> None:
        if not self._is_over:
            self._protocol.data_received(data)

    def _lose(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._loop.call_soon(self._protocol.connection_lost, None)


class _Tls:
    """What is asked of a handshake that was not made."""

    session = None

    def version(self) -> str:
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        return ("simulated", "TLSv1.3", 256)


class _Questions(asyncio.DatagramTransport):
    def __init__(self, dns: DnsAnswers, protocol: asyncio.DatagramProtocol) -> None:
        super().__init__()
        self._dns = dns
        self._protocol = protocol

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Ask; the answer is there before anything else happens."""
        answer = self._dns.answer(bytes(data))
        if answer is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._protocol.datagram_received, answer, addr)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    abort = close
