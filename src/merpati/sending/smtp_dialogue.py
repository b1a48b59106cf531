"""A few lines of SMTP as a client speaks it, bounded in time: enough to ask, never to send."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from merpati.settings import HostPort

MOST_LINES = 100
MOST_BYTES = 8_192  # of a line


class DialogueFailed(Exception):
    """There was no usable answer; `reason` says for people why, `is_silent` that none came."""

    def __init__(self, reason: str, is_silent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_silent = is_silent


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply; its lines, the codes before them taken off, are another host's, so untrusted."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"


class Dialogue:
    """One connection. What goes wrong is raised as it is: ask inside `bounded`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: str) -> Answer:
        """Send a line and return the answer."""
        self._writer.write(line.encode() + b"\r\n")
        return await self.answer()

    async def answer(self) -> Answer:
        """Return the next answer."""
        texts = []
        for _ in range(MOST_LINES):
            raw = await self._reader.readline()
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            if not raw.endswith(b"\n") or not line[:3].isdigit():
                raise DialogueFailed(f"no SMTP there: {line[:80]!r}" if line else "it hung up")
            texts.append(line[4:])
            if line[3:4] != "-":
                return Answer(int(line[:3]), tuple(texts))
        raise DialogueFailed("its answer does not end")

    async def secure(self, context: ssl.SSLContext, name: str) -> ssl.SSLObject:
        """Negotiate TLS after a 220 to STARTTLS; name: the host's, for its certificate."""
        await self._writer.start_tls(context, server_hostname=name)
        secured: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return secured

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def connect(
    at: HostPort, local: str | None = None, tls: ssl.SSLContext | None = None, name: str = ""
) -> Dialogue:
    """Return a connection, from the local address if one is given. Ask inside `bounded`.

    name: the host's, for its certificate; "": as in `at`.
    """
    reader, writer = await asyncio.open_connection(
        at.host,
        at.port,
        limit=MOST_BYTES,
        local_addr=(local, 0) if local else None,
        ssl=tls,
        server_hostname=(name or at.host) if tls else None,
    )
    return Dialogue(reader, writer)


@contextlib.asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Give the block so long; raise whatever goes wrong with a connection as DialogueFailed."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise DialogueFailed(f"no answer within {seconds:.0f} s", is_silent=True) from None
    except ssl.SSLCertVerificationError as error:
        raise DialogueFailed(error.verify_message) from None
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise DialogueFailed(f"TLS failed: {reason}") from None
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        words = os.strerror(number).lower() if number and number > 0 else str(error)
        raise DialogueFailed(words or "it hung up") from None


@contextlib.asynccontextmanager
async def dialogue(
    at: HostPort, seconds: float, local: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Dialogue]:
    """Connect, and hang up at the end.

    seconds: for all of it. Raises DialogueFailed, from the block's own work too.
    """
    async with bounded(seconds):
        talk = await connect(at, local, tls)
        try:
            yield talk
        finally:
            talk.close()
