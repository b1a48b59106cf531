"""Request and answer over a Unix socket: how the other processes reach a worker.

`rpc_wire` says what a frame is, `rpc_line` is the caller's end of a connection. A request is sent
once and never again: when its answer does not come, the caller is told that it does not know. The
socket is for our own user only (0600).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from merpati.adapters.codec import DecodeError
from merpati.adapters.rpc_line import AnswerTooLate, Line, LineBroken
from merpati.adapters.rpc_wire import GIVE_UP, Answer, FrameReader, Request, framed

log = logging.getLogger(__name__)

Handler = Callable[[bytes], Awaitable[bytes]]

_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds


class RpcError(Exception):
    """What a handler raises to refuse; reaches the caller as RpcRefused with the same kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class RpcRefused(Exception):
    """The other side refused. kind: a word to act on; message: for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class RpcUnavailable(Exception):
    """No answer: nobody listens, too late, or broken off midway. Whether it was done is unknown."""


class RpcServer:
    """Serves `handlers` on a socket at `path`; one task a request."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._connections: set[_ServerConnection] = set()

    async def start(self) -> None:
        """Listen. A socket left behind by a crash is replaced. Raises OSError."""
        with short_address(self._path) as address:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._path.unlink(missing_ok=True)
                listener.bind(address)
                self._path.chmod(0o600)  # before listen(): nobody can have connected yet
                listener.listen(1024)
                listener.setblocking(False)
            except BaseException:
                listener.close()
                raise
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _ServerConnection(self._handlers, self._connections), sock=listener
        )

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Stop listening, let running requests be answered within the grace, then hang up."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._path.unlink(missing_ok=True)
        running = [task for one in self._connections for task in one.running.values()]
        if running:
            await asyncio.wait(running, timeout=grace_seconds)
        for connection in list(self._connections):
            connection.hang_up()


class _ServerConnection(asyncio.Protocol):
    """One calling process and the requests it has under way."""

    def __init__(
        self, handlers: Mapping[str, Handler], connections: set[_ServerConnection]
    ) -> None:
        self.running: dict[int, asyncio.Task[None]] = {}
        self._handlers = handlers
        self._connections = connections
        self._frames = FrameReader(Request)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._frames.feed(data)
        except DecodeError as error:
            log.error("rpc_malformed error=%s", error)  # noqa: TRY400
            self.hang_up()
            return
        for request in requests:
            if request.op == GIVE_UP:
                self._give_up(request.number)
            else:
                self.running[request.number] = asyncio.create_task(self._serve(request))

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        for number in list(self.running):
            self._give_up(number)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _give_up(self, number: int) -> None:
        task = self.running.pop(number, None)
        if task is not None:
            task.cancel()  # what has not begun need not be done: nobody waits for it

    async def _serve(self, request: Request) -> None:
        answer = await self._answer(request)
        self.running.pop(request.number, None)
        if self._transport is not None:
            self._transport.write(framed(answer))

    async def _answer(self, request: Request) -> Answer:
        number = request.number
        handler = self._handlers.get(request.op)
        if handler is None:
            return Answer(
                number, b"", "unknown_operation", f"no operation is called {request.op!r}"
            )
        try:
            return Answer(number, await handler(request.payload))
        except RpcError as error:
            return Answer(number, b"", error.kind, error.message)
        except Exception:
            log.exception("rpc_failed op=%s", request.op)
            return Answer(number, b"", "internal", "the worker failed; its log says how")


class RpcClient:
    """Calls one server, from any number of threads over one connection, made when it is needed.

    timeout_seconds: how long a call waits for its answer, and how long for room to send.
    """

    def __init__(self, path: Path, timeout_seconds: float = 15.0) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._line: Line | None = None
        self._connecting = threading.Lock()

    def call(self, op: str, payload: bytes) -> bytes:
        """Send one request and return its answer. Raises RpcUnavailable, RpcRefused."""
        try:
            answer = self._open_line().call(op, payload, self._timeout_seconds)
        except AnswerTooLate:
            raise RpcUnavailable(
                f"no answer from {self._path.name} within {self._timeout_seconds:g} s"
            ) from None
        except (OSError, LineBroken) as error:
            raise RpcUnavailable(f"{self._path.name}: {error}") from error
        if answer.kind:
            raise RpcRefused(answer.kind, answer.message)
        return answer.payload

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._connecting:
            if self._line is not None:
                self._line.close()
            self._line = None

    def _open_line(self) -> Line:
        line = self._line
        if line is not None and not line.is_broken:
            return line
        with self._connecting:
            if self._line is None or self._line.is_broken:
                self._line = Line(self._connect(), self._path.stem)
            return self._line

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Not settimeout(), which asks poll() before each call. Reading has no limit.
            limit = self._timeout_seconds
            timeval = _TIMEVAL.pack(int(limit), int(limit % 1 * 1_000_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
            with short_address(self._path) as address:
                connection.connect(address)
        except BaseException:
            connection.close()
            raise
        return connection


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Give the path in a form that fits the 108 bytes of a socket address, however deep it is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
