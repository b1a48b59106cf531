"""Requests over a Unix socket: whole, in step, and never in doubt about whose answer it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from merpati.adapters.rpc import RpcClient, RpcError, RpcRefused, RpcServer, RpcUnavailable


class Handlers:
    """Operations for the tests; `release` lets `wait` end."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waiting = 0
        self.cancelled = 0

    async def echo(self, payload: bytes) -> bytes:
        return payload

    async def refuse(self, payload: bytes) -> bytes:
        raise RpcError("too_late", f"no {payload.decode()}")

    async def crash(self, payload: bytes) -> bytes:
        raise ZeroDivisionError("secret")

    async def wait(self, payload: bytes) -> bytes:
        self.waiting += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return payload

    def by_name(self) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
        return {name: getattr(self, name) for name in ("echo", "refuse", "crash", "wait")}


@pytest.fixture
async def operations() -> Handlers:
    return Handlers()


@pytest.fixture
async def server(operations: Handlers, tmp_path: Path) -> AsyncIterator[RpcServer]:
    server = RpcServer(tmp_path / "it.sock", operations.by_name())
    await server.start()
    yield server
    await server.close(grace_seconds=0.1)


@pytest.fixture
def client(server: RpcServer, tmp_path: Path) -> RpcClient:
    return RpcClient(tmp_path / "it.sock", timeout_seconds=5)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the other side has no event to offer
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
async def test_a_payload_comes_back_whole(client: RpcClient, size: int) -> None:
    payload = os.urandom(size)
    assert await asyncio.to_thread(client.call, "echo", payload) == payload


async def test_refusals_carry_kind_and_words(client: RpcClient) -> None:
    with pytest.raises(RpcRefused, match="too_late: no more") as refused:
        await asyncio.to_thread(client.call, "refuse", b"more")
    assert (refused.value.kind, refused.value.message) == ("too_late", "no more")
    with pytest.raises(RpcRefused, match=r"unknown_operation: .*'nothing'"):
        await asyncio.to_thread(client.call, "nothing", b"")
    with pytest.raises(RpcRefused, match="internal") as crashed:
        await asyncio.to_thread(client.call, "crash", b"")
    assert "secret" not in str(crashed.value)
    assert await asyncio.to_thread(client.call, "echo", b"still here") == b"still here"


async def test_threads_wait_side_by_side(client: RpcClient, operations: Handlers) -> None:
    calls = [
        asyncio.create_task(asyncio.to_thread(client.call, "wait", b"%d" % n)) for n in range(4)
    ]
    await until(lambda: operations.waiting == 4)
    operations.release.set()
    assert await asyncio.gather(*calls) == [b"0", b"1", b"2", b"3"]


async def test_callers_share_a_connection_and_pass_each_other(
    server: RpcServer, client: RpcClient, operations: Handlers
) -> None:
    slow = asyncio.create_task(asyncio.to_thread(client.call, "wait", b"slow"))
    await until(lambda: operations.waiting == 1)
    assert await asyncio.to_thread(client.call, "echo", b"quick") == b"quick"
    assert len(server._connections) == 1
    operations.release.set()
    assert await slow == b"slow"


async def test_everybody_gets_their_own_answer(client: RpcClient) -> None:
    def calls(caller: int) -> None:
        for n in range(100):
            payload = b"%d-%d" % (caller, n) * (1 + 5_000 * (n % 20 == 0))
            assert client.call("echo", payload) == payload

    await asyncio.gather(*(asyncio.to_thread(calls, caller) for caller in range(16)))


async def test_a_late_answer_is_not_taken_for_the_next(
    server: RpcServer, operations: Handlers, tmp_path: Path
) -> None:
    hasty = RpcClient(tmp_path / "it.sock", timeout_seconds=0.2)

    def two_calls() -> bytes:
        with pytest.raises(RpcUnavailable, match=r"no answer from it\.sock within 0\.2 s"):
            hasty.call("wait", b"late")
        return hasty.call("echo", b"next")

    assert await asyncio.to_thread(two_calls) == b"next"


async def test_a_request_nobody_waits_for_is_cancelled_alone(
    server: RpcServer, operations: Handlers, tmp_path: Path
) -> None:
    hasty = RpcClient(tmp_path / "it.sock", timeout_seconds=0.3)
    first = asyncio.create_task(asyncio.to_thread(hasty.call, "wait", b"first"))
    await until(lambda: operations.waiting == 1)
    hasty._timeout_seconds = 5.0
    second = asyncio.create_task(asyncio.to_thread(hasty.call, "wait", b"second"))
    with pytest.raises(RpcUnavailable):
        await first
    await until(lambda: operations.cancelled == 1)
    operations.release.set()
    assert await second == b"second"
    assert operations.waiting == 2


async def test_a_lost_connection_cancels_what_was_under_way(
    client: RpcClient, operations: Handlers
) -> None:
    calls = [asyncio.create_task(asyncio.to_thread(client.call, "wait", b"")) for _ in range(3)]
    await until(lambda: operations.waiting == 3)
    client.close()
    for call in calls:
        with pytest.raises(RpcUnavailable, match=r"it\.sock: the connection was closed by this"):
            await call
    await until(lambda: operations.cancelled == 3)
    assert await asyncio.to_thread(client.call, "echo", b"again") == b"again"


async def test_a_restarted_server_is_found_again(
    server: RpcServer, operations: Handlers, tmp_path: Path
) -> None:
    client = RpcClient(tmp_path / "it.sock")
    assert await asyncio.to_thread(client.call, "echo", b"1") == b"1"
    await server.close()
    await until(lambda: "rpc-it" not in {thread.name for thread in threading.enumerate()})
    with pytest.raises(RpcUnavailable, match="No such file"):
        await asyncio.to_thread(client.call, "echo", b"nobody")
    again = RpcServer(tmp_path / "it.sock", operations.by_name())
    await again.start()
    assert await asyncio.to_thread(client.call, "echo", b"2") == b"2"
    await again.close()


async def test_a_server_that_dies_midway_leaves_it_unknown_and_is_not_asked_again(
    tmp_path: Path,
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "it.sock"))
    listener.listen()
    listener.settimeout(0.2)
    asked = []

    def die_midway() -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                connection, _ = listener.accept()
                asked.append(connection.recv(100))
                connection.sendall(b"\x00\x00\x00\x09half")
                connection.close()

    dying = threading.Thread(target=die_midway)
    dying.start()
    with pytest.raises(RpcUnavailable, match="closed before the answer"):
        await asyncio.to_thread(RpcClient(tmp_path / "it.sock").call, "echo", b"")
    await asyncio.to_thread(dying.join)
    listener.close()
    assert len(asked) == 1


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RpcUnavailable, match="No such file"):
        RpcClient(tmp_path / "it.sock").call("echo", b"")
    with pytest.raises(RpcUnavailable, match="No such file"):
        RpcClient(tmp_path / "no" / "it.sock").call("echo", b"")


async def test_the_socket_is_for_its_owner_and_goes_with_the_server(
    server: RpcServer, tmp_path: Path
) -> None:
    path = tmp_path / "it.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.close()
    assert not path.exists()


async def test_a_socket_left_by_a_crash_is_replaced(operations: Handlers, tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "it.sock"))
    left.close()
    server = RpcServer(tmp_path / "it.sock", operations.by_name())
    await server.start()
    client = RpcClient(tmp_path / "it.sock")
    assert await asyncio.to_thread(client.call, "echo", b"hi") == b"hi"
    await server.close()


async def test_a_folder_deeper_than_a_socket_address_works(
    operations: Handlers, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    server = RpcServer(deep / "it.sock", operations.by_name())
    await server.start()
    assert await asyncio.to_thread(RpcClient(deep / "it.sock").call, "echo", b"hi") == b"hi"
    await server.close()


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param(b"\xff\xff\xff\xff", id="absurd length"),
        pytest.param(b"\x00\x00\x00\x02\xc1\xc1", id="no msgpack"),
        pytest.param(b"\x00\x00\x00\x01\x90", id="another shape"),
    ],
)
async def test_who_does_not_speak_the_protocol_is_hung_up_on(
    client: RpcClient, tmp_path: Path, noise: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(tmp_path / "it.sock")
    writer.write(noise)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert await asyncio.to_thread(client.call, "echo", b"others go on") == b"others go on"


async def test_closing_lets_running_requests_finish(
    server: RpcServer, operations: Handlers, client: RpcClient
) -> None:
    call = asyncio.create_task(asyncio.to_thread(client.call, "wait", b"done"))
    await until(lambda: operations.waiting == 1)
    closing = asyncio.create_task(server.close(grace_seconds=5))
    await asyncio.sleep(0)
    operations.release.set()
    await closing
    assert await call == b"done"
