"""A mail receiver that remembers: `python -m chaos.sink PORT FILE [DEFER REJECT]`.

It takes mail with PIPELINING, but for the percentages of recipients to defer once and to reject.
A line `moment recipient message-id` is written to FILE *before* the 250, so that the file knows of
every message the sender may believe delivered.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import TextIO

from chaos.fate import Fate, Manners

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)


class Session(asyncio.Protocol):
    """One SMTP connection; speaks just enough of RFC 5321 for an honest sender."""

    def __init__(self, log: TextIO, manners: Manners, deferred: set[str]) -> None:
        """deferred: who was deferred already; of all sessions."""
        self._log = log
        self._manners = manners
        self._deferred = deferred
        self._buffer = b""
        self._recipients: list[str] = []
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n" if self._in_data else b"\r\n")
        if end < 0:
            return False
        if self._in_data:
            self._message(self._buffer[:end])
            self._buffer = self._buffer[end + 5 :]
        else:
            line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
            self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            answer = b"250-sink\r\n250-PIPELINING\r\n250 SIZE 50000000"
        elif verb == b"DATA":
            self._in_data = bool(self._recipients)
            answer = b"354 go on" if self._in_data else b"503 5.5.1 no recipient"
        elif verb == b"QUIT":
            answer = b"221 bye"
        elif verb == b"RCPT":
            answer = self._recipient(line.split(b"<", 1)[1].split(b">", 1)[0].decode())
        else:
            self._recipients = []
            answer = b"250 ok"
        self._transport.write(answer + b"\r\n")
        if verb == b"QUIT":
            self._transport.close()

    def _recipient(self, recipient: str) -> bytes:
        fate = self._manners.fate_of(recipient)
        if fate is Fate.REJECTED:
            return b"550 5.1.1 no such user"
        if fate is Fate.DEFERRED_ONCE and recipient not in self._deferred:
            self._deferred.add(recipient)
            return b"451 4.3.0 come again"
        self._recipients.append(recipient)
        return b"250 ok"

    def _message(self, body: bytes) -> None:
        found = MESSAGE_ID.search(body)
        message_id = found.group(1).decode() if found else "-"
        for recipient in self._recipients:
            self._log.write(f"{time.time():.6f} {recipient} {message_id}\n")
        self._log.flush()
        self._recipients, self._in_data = [], False
        self._transport.write(b"250 2.0.0 kept\r\n")


async def serve(port: int, log: TextIO, manners: Manners) -> None:
    """Receive until the process ends."""
    deferred = set[str]()
    server = await asyncio.get_running_loop().create_server(
        lambda: Session(log, manners, deferred), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


if __name__ == "__main__":
    with Path(sys.argv[2]).open("a") as file:
        asyncio.run(serve(int(sys.argv[1]), file, Manners(*map(int, sys.argv[3:]))))
