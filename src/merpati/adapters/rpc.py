"""Request and answer over a Unix socket: how the other processes reach a worker.

A frame is a 32-bit big-endian length and a msgpack array: [operation, payload] one way,
[payload, error kind or "", message] back. One request at a time on a connection; a caller that
wants more opens more, so a frame needs no number. The socket is for our own user only (0600).
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

import msgspec

from merpati.adapters.codec import DecodeError, pack, unpacker

log = logging.getLogger(__name__)

Handler = Callable[[bytes], Awaitable[bytes]]

MAX_FRAME_BYTES = 256 << 20  # above any batch; a longer one means the two ends lost step
READ_BYTES = 256 << 10
_LENGTH = struct.Struct(">I")
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds


class _Request(msgspec.Struct, frozen=True, array_like=True):
    op: str
    payload: bytes


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    payload: bytes
    kind: str = ""
    message: str = ""


_read_request = unpacker(_Request).decode
_read_answer = unpacker(_Answer).decode


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
        with _address(self._path) as address:
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
        running = [one.task for one in self._connections if one.task is not None]
        if running:
            await asyncio.wait(running, timeout=grace_seconds)
        for connection in list(self._connections):
            connection.hang_up()


class _ServerConnection(asyncio.Protocol):
    """One caller. Frames are cut here; what they mean is the handlers' affair."""

    def __init__(
        self, handlers: Mapping[str, Handler], connections: set[_ServerConnection]
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._handlers = handlers
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        if self.task is not None:
            self.task.cancel()  # what has not begun need not be done: nobody waits for it

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        if self.task is not None or len(self._buffer) < _LENGTH.size:
            return
        (size,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + size
        if size > MAX_FRAME_BYTES:
            log.error("rpc frame_bytes=%d refused", size)
            self.hang_up()
            return
        if len(self._buffer) < end:
            return
        with memoryview(self._buffer) as view:
            try:
                request = _read_request(view[_LENGTH.size : end])
            except DecodeError as error:
                log.error("rpc malformed request: %s", error)  # noqa: TRY400
                self.hang_up()
                return
        del self._buffer[:end]
        self.task = asyncio.create_task(self._serve(request))

    async def _serve(self, request: _Request) -> None:
        answer = await self._answer(request)
        frame = pack(answer)
        if self._transport is not None:
            self._transport.write(_LENGTH.pack(len(frame)) + frame)
        self.task = None
        if self._buffer:
            self._next()

    async def _answer(self, request: _Request) -> _Answer:
        handler = self._handlers.get(request.op)
        if handler is None:
            return _Answer(b"", "unknown_operation", f"no operation is called {request.op!r}")
        try:
            return _Answer(await handler(request.payload))
        except RpcError as error:
            return _Answer(b"", error.kind, error.message)
        except Exception:
            log.exception("rpc op=%s failed", request.op)
            return _Answer(b"", "internal", "the worker failed; its log says how")


class RpcClient:
    """Calls one server, from any number of threads; each has a connection of its own.

    timeout_seconds: no single wait on the socket is longer.
    """

    def __init__(self, path: Path, timeout_seconds: float = 15.0) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._timeval = _TIMEVAL.pack(int(timeout_seconds), int(timeout_seconds % 1 * 1_000_000))
        self._mine = threading.local()

    def call(self, op: str, payload: bytes) -> bytes:
        """Send one request and return its answer. Raises RpcUnavailable, RpcRefused."""
        frame = pack(_Request(op, payload))
        try:
            connection = self._connection()
            connection.sendall(_LENGTH.pack(len(frame)) + frame)
            answer = _read_answer(_receive_frame(connection))
        except BlockingIOError:  # how SO_RCVTIMEO and SO_SNDTIMEO say it
            self.close()  # a late answer must not be taken for that of the next request
            raise RpcUnavailable(
                f"no answer from {self._path.name} within {self._timeout_seconds:g} s"
            ) from None
        except (OSError, DecodeError) as error:
            self.close()
            raise RpcUnavailable(f"{self._path.name}: {error}") from error
        if answer.kind:
            raise RpcRefused(answer.kind, answer.message)
        return answer.payload

    def close(self) -> None:
        """Close this thread's connection; the next call makes a new one."""
        connection: socket.socket | None = getattr(self._mine, "connection", None)
        self._mine.connection = None
        if connection is not None:
            connection.close()

    def _connection(self) -> socket.socket:
        connection: socket.socket | None = getattr(self._mine, "connection", None)
        if connection is not None:
            if _is_open(connection):
                return connection
            # Seen before anything was sent, so that trying again cannot do something twice.
            self.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Not settimeout(), which asks poll() before each call, MSG_DONTWAIT or not.
            for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                connection.setsockopt(socket.SOL_SOCKET, limit, self._timeval)
            with _address(self._path) as address:
                connection.connect(address)
        except BaseException:
            connection.close()
            raise
        self._mine.connection = connection
        return connection


def _is_open(connection: socket.socket) -> bool:
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True  # nothing to read: as it must be between two requests
    except OSError:
        return False
    return False  # closed, or an answer nobody asked for


def _receive_frame(connection: socket.socket) -> bytearray:
    data = bytearray(connection.recv(READ_BYTES))
    while len(data) < _LENGTH.size:
        data += _receive(connection)
    (size,) = _LENGTH.unpack_from(data)
    if size > MAX_FRAME_BYTES:
        raise OSError(f"a frame of {size} bytes")
    while len(data) < _LENGTH.size + size:
        data += _receive(connection)
    del data[: _LENGTH.size]
    return data


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(READ_BYTES)
    if not data:
        raise ConnectionResetError("the connection was closed before the answer")
    return data


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Give the path in a form that fits the 108 bytes of a socket address, however deep it is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
