"""A real DNS server, over UDP and TCP, that says what it was told (`dns_answers.py`).

Threads serve it, so that both blocking and asynchronous callers can ask it from one process.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable
from types import TracebackType

import dns.flags

from merpati.sandbox.dns_answers import DnsAnswers

UDP_SIZE = 512  # without EDNS; a longer answer is asked for again over TCP
FREE_PORT_TRIES = 20


class DnsServer(DnsAnswers):
    """`DnsAnswers` on the network, while the block lasts."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port when none is given. Raises OSError."""
        super().__init__()
        self.host = host
        self._tcp, self._udp = self._listen(port)
        self.port: int = self._tcp.server_address[1]

    @property
    def address(self) -> str:
        """Return the server as the setting dns.servers names it."""
        return f"{self.host}:{self.port}"

    def __enter__(self) -> DnsServer:
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def _listen(self, port: int) -> tuple[_Tcp, _Udp]:
        """Take a port that is free for both; of a free TCP port UDP knows nothing."""
        for tries_left in reversed(range(1 if port else FREE_PORT_TRIES)):
            tcp = _Tcp((self.host, port), _handler(self._tcp_session))
            try:
                where = (self.host, tcp.server_address[1])
                return tcp, _Udp(where, _handler(self._udp_packet))
            except OSError:
                tcp.server_close()
                if not tries_left:
                    raise
        raise AssertionError

    def _udp_packet(self, handler: socketserver.BaseRequestHandler) -> None:
        data, socket = handler.request
        answer = self.message(data)
        if answer is None:
            return
        wire = answer.to_wire()
        if len(wire) > UDP_SIZE:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        socket.sendto(wire, handler.client_address)

    def _tcp_session(self, handler: socketserver.BaseRequestHandler) -> None:
        stream = handler.request.makefile("rwb")
        with contextlib.suppress(OSError):  # whoever asks may leave at any moment
            while len(prefix := stream.read(2)) == 2:
                answer = self.message(stream.read(struct.unpack("!H", prefix)[0]))
                if answer is None:
                    return
                wire = answer.to_wire()
                stream.write(struct.pack("!H", len(wire)) + wire)
                stream.flush()


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


def _handler(
    serve: Callable[[socketserver.BaseRequestHandler], None],
) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            serve(self)

    return Handler
