"""A scripted SMTP receiver: a test says how each line is answered, and reads what came.

The default script is a polite server. A test changes single answers (`sink.on_rcpt = ...`) or
replaces the whole dialogue of a connection (`sink.converse = ...`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
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
    user: str = ""
    mail: str = ""
    rcpt: str = ""
    messages: int = 0
    tls: ssl.SSLObject | None = None
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
        self.on_ehlo: Answer = lambda c, line: (
            "\r\n".join(f"250-{text}" for text in ["sink.example", *self._offered(c)])
            + "\r\n250 ENHANCEDSTATUSCODES"
        )
        self.on_helo: Answer = lambda c, line: "250 sink.example"
        self.on_mail: Answer = lambda c, line: "250 2.1.0 ok"
        self.on_rcpt: Answer = lambda c, line: "250 2.1.5 ok"
        self.on_data: Answer = lambda c, line: "354 go on" if c.rcpt else "554 5.5.1 no recipient"
        self.on_dot: Answer = lambda c, line: f"250 2.0.0 queued as {len(self.received)}"
        self.tls: ssl.SSLContext | None = None  # then STARTTLS is offered
        self.is_tls_first = False
        self.on_starttls: Answer = lambda c, line: "220 2.0.0 go"
        self.mechanism = "PLAIN"
        self.users: dict[str, str] = {}  # name → password; then AUTH is wanted before MAIL
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
        first = self.tls if self.is_tls_first else None
        server = await asyncio.start_server(self._serve, hosts, port, limit=limit, ssl=first)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for connection in self.connections:
                connection.writer.close()

    def _offered(self, c: Connection) -> list[str]:
        starttls = ["STARTTLS"] if self.tls and not c.tls else []
        auth = [f"AUTH {self.mechanism}"] if self.users else []
        return [*self.offers, *starttls, *auth]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        connection = Connection(len(self.connections), peer, reader, writer)
        connection.tls = writer.get_extra_info("ssl_object")
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
            if verb == "STARTTLS":
                answer = self.on_starttls(c, line)
                if not await self._answer(c, answer):
                    return
                if answer.startswith("220"):
                    await self.secure(c)
                continue
            if verb == "AUTH":
                await c.say(await self._authenticate(c, line))
                continue
            if not await self._answer(c, self._command(c, verb, line)):
                return

    async def secure(self, c: Connection) -> None:
        """Shake hands. Raises ConnectionError, ssl.SSLError being one here."""
        if self.tls is None:
            raise ConnectionAbortedError
        try:
            await c.writer.start_tls(self.tls)
        except ssl.SSLError as error:
            raise ConnectionAbortedError from error
        c.tls = c.writer.get_extra_info("ssl_object")
        c.helo = ""

    async def _authenticate(self, c: Connection, line: str) -> str:
        words = line.split(" ")
        if words[1] == "PLAIN":
            _, name, password = base64.b64decode(words[2]).split(b"\0")
        else:
            await c.say("334 VXNlcm5hbWU6")
            name = base64.b64decode(await c.line())
            await c.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(await c.line())
        if self.users.get(name.decode()) != password.decode():
            return "535 5.7.8 authentication failed"
        c.user = name.decode()
        return "235 2.7.0 welcome"

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
                if self.users and not c.user:
                    return "530 5.7.0 authentication required"
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
