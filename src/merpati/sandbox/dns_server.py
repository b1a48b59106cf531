"""A real DNS server, over UDP and TCP, that says what it was told: authority and resolver in one.

Threads serve it, so that both blocking and asynchronous callers can ask it from one process.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

UDP_SIZE = 512  # without EDNS; a longer answer is asked for again over TCP
FREE_PORT_TRIES = 20
MOST_REMEMBERED = 10_000  # questions


class DnsServer:
    """Answers from `add`ed records; unknown names do not exist.

    broken: names that get SERVFAIL; silent: names that get no answer at all.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen, on a free port when none is given. Raises OSError."""
        self.host = host
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.signed: set[str] = set()  # names whose answers are said to be authenticated
        self.ttl = 60  # seconds, of all records
        self.asked: list[tuple[str, str]] = []  # (name, type), in the order of the questions
        self._records: dict[str, dict[str, list[str]]] = {}
        self._tcp, self._udp = self._listen(port)
        self.port: int = self._tcp.server_address[1]

    @property
    def address(self) -> str:
        """Return the server as the setting dns.servers names it."""
        return f"{self.host}:{self.port}"

    def add(self, name: str, record_type: str, *values: str) -> None:
        """Add records, as in a zone file: `add("a.example", "MX", "10 mx.a.example.")`."""
        self._records.setdefault(name.lower(), {}).setdefault(record_type, []).extend(values)

    def add_txt(self, name: str, text: str) -> None:
        """Add a TXT record, split into strings of 255 characters."""
        parts = [text[at : at + 255] for at in range(0, len(text), 255)]
        self.add(name, "TXT", " ".join(f'"{part}"' for part in parts))

    def remove(self, name: str) -> None:
        """Forget all records of a name."""
        self._records.pop(name.lower(), None)

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
        answer = self._answer(data)
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
                answer = self._answer(stream.read(struct.unpack("!H", prefix)[0]))
                if answer is None:
                    return
                wire = answer.to_wire()
                stream.write(struct.pack("!H", len(wire)) + wire)
                stream.flush()

    def _answer(self, wire: bytes) -> dns.message.Message | None:
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None  # no question: a stray packet
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if len(self.asked) > MOST_REMEMBERED:
            del self.asked[: MOST_REMEMBERED // 2]
        if name in self.silent:
            return None
        answer = dns.message.make_response(query, recursion_available=True)
        if name in self.signed:
            answer.flags |= dns.flags.AD
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self._records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add_records(answer, question.name, kind)
        return answer

    def _add_records(self, answer: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        records = self._records.get(name.to_text(omit_final_dot=True).lower(), {})
        ttl = self.ttl
        if (alias := records.get("CNAME")) and kind != "CNAME":
            answer.answer.append(dns.rrset.from_text_list(name, ttl, "IN", "CNAME", alias))
            self._add_records(answer, dns.name.from_text(alias[0]), kind)
        elif found := records.get(kind):
            answer.answer.append(dns.rrset.from_text_list(name, ttl, "IN", kind, found))


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
