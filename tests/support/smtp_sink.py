"""A scripted SMTP receiver: a test says how each line is answered, and reads what came.

The default script is a polite server. A test changes single answers (`sink.on_rcpt = ...`) or
replaces the whole dialogue of a connection (`sink.converse = ...`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

CLOSE = "CLOSE"  # an answer that closes the connection without a word


@dataclass
class Received:
    """One message as it arrived. data: as on the wire, still dot-stuffed, without the last dot."""

    peer: str
    helo: str
    mail: str
    rcpt: str
    data: bytes

    @property
    def message_id(self) -> str:
        for line in self.data.split(b"\r\n"):
            if line.lower().startswith(b"message-id:"):
                return line.partition(b":")[2].strip().decode()
        return ""


Answer = Callable[["Connection", str], str]


@dataclass
class Connection:
    number: int
    peer: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    helo: str = ""
    mail: str = ""
    rcpt: str = ""
    messages: int = 0
    lines: list[str] = field(default_factory=list)

    async def say(self, text: str) -> None:
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def line(self) -> str:
        raw = await self.reader.readline()
        if not raw:
            raise ConnectionResetError
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        self.lines.append(text)
        return text


class SmtpSink:
    """Listens on 127.0.0.1 (or another loopback address); see `running`."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.connections: list[Connection] = []
        self.open = 0
        self.most_open = 0
        self.banner: Answer = lambda c, line: "220 sink.example ESMTP"
        self.offers = ["PIPELINING", "SIZE 10240000", "8BITMIME"]
        self.on_ehlo: Answer = lambda c, line: "\r\n".join(
            f"250{'-' if index < len(self.offers) else ' '}{text}"
            for index, text in enumerate(["sink.example", *self.offers])
        )
        self.on_helo: Answer = lambda c, line: "250 sink.example"
        self.on_mail: Answer = lambda c, line: "250 2.1.0 ok"
        self.on_rcpt: Answer = lambda c, line: "250 2.1.5 ok"
        self.on_data: Answer = lambda c, line: "354 go on" if c.rcpt else "554 5.5.1 no recipient"
        self.on_dot: Answer = lambda c, line: f"250 2.0.0 queued as {len(self.received)}"
        self.on_message: Callable[[bytes], None] = lambda data: None  # taken or not
        self.converse: Callable[[Connection], Awaitable[None]] = self.dialogue

    @contextlib.asynccontextmanager
    async def running(
        self, host: str | list[str] = "127.0.0.1", port: int = 0, limit: int = 1 << 24
    ) -> AsyncIterator[SmtpSink]:
        """Listen until the block ends; limit: bytes read ahead of the script."""
        hosts = [host] if isinstance(host, str) else host
        if len(hosts) > 1 and not port:
            with socket.socket(socket.AF_INET6) as probe:  # one that is free in both families
                probe.bind(("", 0))
                port = probe.getsockname()[1]
        server = await asyncio.start_server(self._serve, hosts, port, limit=limit)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for connection in self.connections:
                connection.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        connection = Connection(len(self.connections), peer, reader, writer)
        self.connections.append(connection)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self.converse(connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, connection: Connection, text: str) -> bool:
        """Give an answer; return False when the connection is to be closed after it."""
        if text == CLOSE:
            return False
        await connection.say(text)
        return not text.startswith("421") and "221 " not in text

    async def dialogue(self, c: Connection) -> None:
        if not await self._answer(c, self.banner(c, "")):
            return
        while True:
            line = await c.line()
            verb = line.split(" ")[0].upper().rstrip(":")
            if verb == "DATA":
                answer = self.on_data(c, line)
                if not await self._answer(c, answer):
                    return
                if answer.startswith("354") and not await self._take_data(c):
                    return
                continue
            if not await self._answer(c, self._command(c, verb, line)):
                return

    def _command(self, c: Connection, verb: str, line: str) -> str:  # noqa: PLR0911 - a table
        match verb:
            case "EHLO":
                c.helo = line[5:]
                return self.on_ehlo(c, line)
            case "HELO":
                c.helo = line[5:]
                return self.on_helo(c, line)
            case "MAIL":
                if c.mail:
                    return "503 5.5.1 nested MAIL"
                answer = self.on_mail(c, line)
                c.mail = line if answer.startswith("2") else ""
                return answer
            case "RCPT":
                if not c.mail:
                    return "503 5.5.1 MAIL first"
                answer = self.on_rcpt(c, line)
                c.rcpt = line if answer.startswith("2") else ""
                return answer
            case "RSET":
                c.mail = c.rcpt = ""
                return "250 2.0.0 reset"
            case "QUIT":
                return "221 2.0.0 bye"
            case _:
                return "500 5.5.2 what?"

    async def _take_data(self, c: Connection) -> bool:
        data = bytearray()
        while (line := await c.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            data += line
        c.messages += 1
        if c.rcpt:
            mail = c.mail.split("<", 1)[1].split(">")[0]
            rcpt = c.rcpt.split("<", 1)[1].split(">")[0]
            received = Received(c.peer, c.helo, mail, rcpt, bytes(data))
            self.on_message(received.data)
            answer = self.on_dot(c, rcpt)
            if answer.startswith("2"):
                self.received.append(received)
        else:
            answer = "554 5.5.1 no valid recipients"
        c.mail = c.rcpt = ""
        return await self._answer(c, answer)
