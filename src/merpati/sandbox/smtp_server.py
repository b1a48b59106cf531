"""The sandbox's mail hosts on the network: each on its own address, all on one port."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import msgspec

from merpati.sandbox.dialogue import Act, Dialogue, Hang, Keep, Memory, Note, Say, Secure
from merpati.sandbox.seen import Outcome, Try
from merpati.sandbox.world import MailHost

IDLE_SECONDS = 300.0  # RFC 5321 4.5.3.2.7
READ_BYTES = 1 << 16
FREE_PORT_TRIES = 20
_NOT_IN_FILE = re.compile(r"[^A-Za-z0-9@.+_-]")


class MailHosts:
    """All hosts. tell: hears of each try; tls: for STARTTLS, None: not offered.

    keep: a folder that gets each accepted message as a file, byte for byte; None: nothing is kept.
    memory: of what was before; got: hears of each recipient's accepted message.
    """

    def __init__(
        self,
        hosts: Iterable[MailHost],
        tell: Callable[[Try], None],
        tls: ssl.SSLContext | None = None,
        keep: Path | None = None,
        *,
        memory: Memory | None = None,
        got: Callable[[Try, bytes], None] | None = None,
    ) -> None:
        self._hosts = tuple(hosts)
        self._tell = tell
        self._tls = tls
        self._keep = keep
        # What an earlier sandbox kept stays: its numbers are taken.
        self._kept = sum(1 for _ in keep.glob("*.eml")) if keep is not None else 0
        self._memory = memory or Memory()
        self._got = got
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[int]:
        """Serve until the block ends; gives the port, a free one for 0. Raises OSError."""
        async with contextlib.AsyncExitStack() as stack:
            found = await self._listen(stack, port)
            try:
                yield found
            finally:
                for connection in self._connections:
                    connection.cancel()
                await asyncio.gather(*self._connections, return_exceptions=True)

    async def _listen(self, stack: contextlib.AsyncExitStack, port: int) -> int:
        for tries_left in reversed(range(1 if port else FREE_PORT_TRIES)):
            async with contextlib.AsyncExitStack() as servers:
                try:
                    found = port
                    for host in self._hosts:
                        server = await servers.enter_async_context(await self._serve(host, found))
                        found = server.sockets[0].getsockname()[1]
                except OSError:  # another host's address has the port taken
                    if not tries_left:
                        raise
                    continue
                stack.push_async_exit(servers.pop_all())
                return int(found)
        raise AssertionError

    async def _serve(self, host: MailHost, port: int) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - streams run each connection as a task
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                await self._converse(host, reader, writer)
            writer.close()

        return await asyncio.start_server(connected, host.address, port, backlog=512)

    async def _converse(
        self, host: MailHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        peer = str(writer.get_extra_info("peername")[0])
        dialogue = Dialogue(host, peer, self._memory, self._tls is not None)
        loop = asyncio.get_running_loop()
        acts: Iterable[Act] = dialogue.greet()
        while True:
            for act in acts:
                match act:
                    case Say(data, 0.0):
                        writer.write(data)
                    case Say(data, seconds_per_byte):
                        await _say_slowly(writer, data, seconds_per_byte)
                    case Secure():
                        await writer.drain()
                        await writer.start_tls(self._tls, ssl_handshake_timeout=IDLE_SECONDS)  # type: ignore[arg-type]
                        dialogue.secured()
                    case Hang(at_once):
                        if at_once:
                            writer.transport.abort()
                        return
                    case Keep(data, tries):
                        self._on_message(data, tries)
                    case Note(seen):
                        self._tell(seen)
            await writer.drain()
            async with asyncio.timeout(IDLE_SECONDS):
                data = await reader.read(READ_BYTES)
            if not data:
                return
            acts = dialogue.receive(data, loop.time())

    def _on_message(self, data: bytes, tries: tuple[Try, ...]) -> None:
        file = ""
        if self._keep is not None and tries[0].outcome is Outcome.ACCEPTED:
            self._kept += 1
            recipient = _NOT_IN_FILE.sub("_", tries[0].rcpt_to)[:100]
            path = self._keep / f"{self._kept:06}-{recipient}.eml"
            path.write_bytes(data)
            file = str(path)
        for seen in tries:
            if self._got is not None and seen.outcome is Outcome.ACCEPTED:
                self._got(seen, data)
            self._tell(msgspec.structs.replace(seen, file=file))


async def _say_slowly(writer: asyncio.StreamWriter, data: bytes, seconds_per_byte: float) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(seconds_per_byte)
