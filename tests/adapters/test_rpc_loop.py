"""Calls from an event loop; the server's side, and what holds for threads too: `test_rpc.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merpati.adapters.rpc import RpcRefused, RpcServer, RpcUnavailable
from merpati.adapters.rpc_loop import LoopRpcClient
from tests.adapters.test_rpc import Handlers, until


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
async def client(server: RpcServer, tmp_path: Path) -> LoopRpcClient:
    return LoopRpcClient(tmp_path / "it.sock", timeout_seconds=5)


async def test_everybody_gets_their_own_answer_over_one_connection(
    server: RpcServer, client: LoopRpcClient
) -> None:
    payloads = [os.urandom(n * 5_000) for n in range(100)]
    assert await asyncio.gather(*(client.call("echo", one) for one in payloads)) == payloads
    assert len(server._connections) == 1


async def test_refusals_carry_kind_and_words(client: LoopRpcClient) -> None:
    with pytest.raises(RpcRefused, match="too_late: no more") as refused:
        await client.call("refuse", b"more")
    assert (refused.value.kind, refused.value.message) == ("too_late", "no more")
    assert await client.call("echo", b"still here") == b"still here"


async def test_a_late_answer_is_given_up_and_not_taken_for_the_next(
    server: RpcServer, operations: Handlers, tmp_path: Path
) -> None:
    hasty = LoopRpcClient(tmp_path / "it.sock", timeout_seconds=0.2)
    with pytest.raises(RpcUnavailable, match=r"no answer from it\.sock within 0\.2 s"):
        await hasty.call("wait", b"late")
    await until(lambda: operations.cancelled == 1)
    assert await hasty.call("echo", b"next") == b"next"


async def test_a_lost_connection_fails_what_was_under_way_and_is_made_again(
    client: LoopRpcClient, operations: Handlers
) -> None:
    calls = [asyncio.create_task(client.call("wait", b"")) for _ in range(3)]
    await until(lambda: operations.waiting == 3)
    client.close()
    for call in calls:
        with pytest.raises(RpcUnavailable, match=r"it\.sock: the connection was closed by this"):
            await call
    await until(lambda: operations.cancelled == 3)
    assert await client.call("echo", b"again") == b"again"


async def test_a_server_that_dies_midway_leaves_it_unknown_and_is_not_asked_again(
    tmp_path: Path,
) -> None:
    asked = []

    async def die_midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.write(b"\x00\x00\x00\x09half")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    dying = await asyncio.start_unix_server(die_midway, tmp_path / "it.sock")
    with pytest.raises(RpcUnavailable, match="closed before the answer"):
        await LoopRpcClient(tmp_path / "it.sock").call("echo", b"")
    dying.close()
    assert len(asked) == 1


async def test_who_does_not_speak_the_protocol_is_hung_up_on(tmp_path: Path) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\xff\xff\xff")
        assert await reader.read() != b"never"
        writer.close()

    babbling = await asyncio.start_unix_server(babble, tmp_path / "it.sock")
    with pytest.raises(RpcUnavailable, match="a frame of 4294967295 bytes"):
        await LoopRpcClient(tmp_path / "it.sock").call("echo", b"")
    babbling.close()


async def test_nobody_there_is_unavailable_until_somebody_is(
    operations: Handlers, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)  # deeper than a socket address
    deep.mkdir(parents=True)
    client = LoopRpcClient(deep / "it.sock")
    with pytest.raises(RpcUnavailable, match="No such file"):
        await client.call("echo", b"")
    server = RpcServer(deep / "it.sock", operations.by_name())
    await server.start()
    assert await client.call("echo", b"hi") == b"hi"
    await server.close()
    with pytest.raises(RpcUnavailable, match=r"it\.sock: "):
        await client.call("echo", b"")
