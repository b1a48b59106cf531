"""The caller's end on an event loop: what `RpcClient` is to threads, without any.

All calls share one connection, made when it is needed. Requests that leave in one round of the loop
go out together, and an answer wakes nobody but its caller.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import cast

from merpati.adapters.codec import DecodeError
from merpati.adapters.rpc import RpcRefused, RpcUnavailable, short_address
from merpati.adapters.rpc_wire import GIVE_UP, Answer, FrameReader, Request, framed


class LoopRpcClient:
    """Calls one server from the loop it is first used on.

    timeout_seconds: how long a call waits for its answer, connecting included.
    """

    def __init__(self, path: Path, timeout_seconds: float = 15.0) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    async def call(self, op: str, payload: bytes) -> bytes:
        """Send one request and return its answer. Raises RpcUnavailable, RpcRefused."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await (await self._open_line()).call(op, payload)
        except TimeoutError:
            raise RpcUnavailable(
                f"no answer from {self._path.name} within {self._timeout_seconds:g} s"
            ) from None
        except OSError as error:  # `_LineLost` is one
            raise RpcUnavailable(f"{self._path.name}: {error}") from error
        if answer.kind:
            raise RpcRefused(answer.kind, answer.message)
        return answer.payload

    def close(self) -> None:
        """Hang up; calls under way fail, and the next one connects again."""
        if self._line is not None:
            self._line.break_off("the connection was closed by this side")

    async def _open_line(self) -> _Line:
        line = self._line
        if line is not None and not line.failure:
            return line
        async with self._connecting:
            if self._line is None or self._line.failure:
                with short_address(self._path) as address:
                    loop = asyncio.get_running_loop()
                    _, self._line = await loop.create_unix_connection(_Line, address)
            return self._line


class _LineLost(ConnectionError):
    """The connection ended before the answer. Whether the request was carried out is unknown."""


class _Line(asyncio.Protocol):
    """A connection in use; once broken it stays so, and whoever wants more makes another."""

    def __init__(self) -> None:
        self.failure = ""
        self._frames = FrameReader(Answer)
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._transport: asyncio.Transport | None = None

    async def call(self, op: str, payload: bytes) -> Answer:
        if self._transport is None:
            raise _LineLost(self.failure)
        number = next(self._numbers)
        call: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[number] = call
        self._transport.write(framed(Request(number, op, payload)))
        try:
            return await call
        except asyncio.CancelledError:
            if self._transport is not None:
                self._transport.write(framed(Request(number, GIVE_UP, b"")))
            raise
        finally:
            self._calls.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._frames.feed(data)
        except DecodeError as error:
            self.break_off(str(error))
            return
        for answer in answers:
            call = self._calls.get(answer.number)
            if call is not None and not call.done():
                call.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.break_off(str(error or "the connection was closed before the answer"))

    def break_off(self, failure: str) -> None:
        self.failure = self.failure or failure
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        for call in self._calls.values():
            if not call.done():
                call.set_exception(_LineLost(self.failure))
