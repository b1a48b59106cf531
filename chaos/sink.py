"""A mail receiver that remembers: `python -m chaos.sink PORT FILE`.

It accepts everything with PIPELINING and writes a line `moment recipient message-id` to FILE
*before* it answers 250, so that the file knows of every message the sender may believe delivered.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import TextIO

MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)


class Session(asyncio.Protocol):
    """One SMTP connection; speaks just enough of RFC 5321 for an honest sender."""

    def __init__(self, log: TextIO) -> None:
        self._log = log
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
            answer, self._in_data = b"354 go on", True
        elif verb == b"QUIT":
            answer = b"221 bye"
        else:
            if verb == b"RCPT":
                self._recipients.append(line.split(b"<", 1)[1].split(b">", 1)[0].decode())
            answer = b"250 ok"
        self._transport.write(answer + b"\r\n")
        if verb == b"QUIT":
            self._transport.close()

    def _message(self, body: bytes) -> None:
        found = MESSAGE_ID.search(body)
        message_id = found.group(1).decode() if found else "-"
        for recipient in self._recipients:
            self._log.write(f"{time.time():.6f} {recipient} {message_id}\n")
        self._log.flush()
        self._recipients, self._in_data = [], False
        self._transport.write(b"250 2.0.0 kept\r\n")


async def serve(port: int, log: TextIO) -> None:
    """Receive until the process ends."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Session(log), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


if __name__ == "__main__":
    with Path(sys.argv[2]).open("a") as file:
        asyncio.run(serve(int(sys.argv[1]), file))
