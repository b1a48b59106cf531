"""The spool through the worker's socket, as web, receive and clock use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from merpati.adapters.clock import SystemClock
from merpati.adapters.rpc import RpcServer
from merpati.contracts.batch import Accepted
from merpati.spool.client import LoopSpoolClient, SpoolClient
from merpati.spool.errors import (
    BatchRefused,
    IdempotencyConflict,
    ShardInUse,
    SpoolFull,
    SpoolUnavailable,
)
from merpati.spool.reading import snapshot
from merpati.spool.server import handlers
from merpati.spool.shard import Shard
from tests.spool.samples import addresses, batch

WORKERS = 2


@pytest.fixture
async def shards(tmp_path: Path) -> AsyncIterator[dict[int, Shard]]:
    """Four shards of two workers, served from this process."""
    shards = {
        number: Shard(tmp_path / "spool", number, SystemClock(), reserve_bytes=0)
        for number in range(4)
    }
    servers = []
    for worker in range(WORKERS):
        own = {number: shard for number, shard in shards.items() if number % WORKERS == worker}
        servers.append(RpcServer(tmp_path / f"deliver-{worker}.sock", handlers(own)))
        await servers[-1].start()
    yield shards
    for server in servers:
        await server.close()
    for shard in shards.values():
        await shard.close()


@pytest.fixture
def client(tmp_path: Path, shards: dict[int, Shard]) -> SpoolClient:
    return SpoolClient(tmp_path, WORKERS)


async def test_each_shard_is_reached_through_its_worker(
    shards: dict[int, Shard], client: SpoolClient
) -> None:
    for number in (0, 1, 3):
        await asyncio.to_thread(client.append, number, batch([f"u{number}@x.example"]))
    held = {number: await addresses(shard) for number, shard in shards.items()}
    assert held == {0: ["u0@x.example"], 1: ["u1@x.example"], 2: [], 3: ["u3@x.example"]}
    states = await asyncio.to_thread(client.status)
    assert [(one.number, one.waiting) for one in states] == [(0, 1), (1, 1), (2, 0), (3, 1)]
    (depth,) = await asyncio.to_thread(client.depth, 3)
    assert (depth.count, depth.key.domain) == (1, "x.example")


async def test_many_threads_append_at_once(shards: dict[int, Shard], client: SpoolClient) -> None:
    def append(n: int) -> int:
        return client.append(1, batch([f"u{n:03}@x.example"])).base_id

    ids = await asyncio.gather(*(asyncio.to_thread(append, n) for n in range(100)))
    assert sorted(ids) == list(range(1, 101))
    assert await addresses(shards[1]) == [f"u{n:03}@x.example" for n in range(100)]


async def test_a_repeated_key_is_answered_as_then(client: SpoolClient) -> None:
    first = await asyncio.to_thread(client.append, 0, batch(key="k", reply=b"then"))
    again = await asyncio.to_thread(client.append, 0, batch(key="k", reply=b"now"))
    assert (again.base_id, again.repeated, again.reply) == (first.base_id, True, b"then")


async def test_what_is_handed_over_together_is_judged_each_for_itself(
    shards: dict[int, Shard], tmp_path: Path
) -> None:
    client = LoopSpoolClient(tmp_path, WORKERS)
    await client.append_all(0, [batch(["k@x.example"], key="k")])
    outcomes = await client.append_all(
        0,
        [
            batch(["a@x.example"]),
            batch(key="k", fingerprint=b"g"),
            batch([]),
            batch(due_at=1 << 63),  # what only SQLite refuses
            batch(["b@x.example"]),
        ],
    )
    assert [type(one) for one in outcomes] == [
        *(Accepted, IdempotencyConflict, BatchRefused, SpoolUnavailable, Accepted)
    ]
    held = await addresses(shards[0])
    assert sorted(held) == ["a@x.example", "b@x.example", "k@x.example"]


async def test_refusals_arrive_as_what_they_are(
    shards: dict[int, Shard], client: SpoolClient, tmp_path: Path
) -> None:
    await asyncio.to_thread(client.append, 0, batch(key="k"))
    with pytest.raises(IdempotencyConflict) as conflict:
        await asyncio.to_thread(client.append, 0, batch(key="k", fingerprint=b"g"))
    assert conflict.value.key == "k"
    assert str(conflict.value) == "idempotency key 'k' was used for a different request"
    with pytest.raises(SpoolUnavailable, match="belongs to another worker"):
        await asyncio.to_thread(SpoolClient(tmp_path, 1).append, 1, batch())
    store = shards[0]._writer.store
    assert store is not None
    store.reserve._reserve_bytes = 1 << 60
    store.reserve._asked_at = float("-inf")
    with pytest.raises(SpoolFull, match="below its reserve"):
        await asyncio.to_thread(client.append, 0, batch())
    other = Shard(tmp_path / "spool", 0, SystemClock())
    server = RpcServer(tmp_path / "other" / "deliver-0.sock", handlers({0: other}))
    (tmp_path / "other").mkdir()
    await server.start()
    with pytest.raises(ShardInUse):
        await asyncio.to_thread(SpoolClient(tmp_path / "other", 1).append, 0, batch())
    await server.close()
    await other.close()


async def test_no_worker_is_unavailable(tmp_path: Path) -> None:
    client = SpoolClient(tmp_path, 1)
    with pytest.raises(SpoolUnavailable, match=r"deliver-0\.sock"):
        client.append(0, batch())


async def test_trimming_through_the_worker(client: SpoolClient, tmp_path: Path) -> None:
    for _ in range(3):
        await asyncio.to_thread(client.append, 2, batch())
    await asyncio.to_thread(client.trim, 2, 2)
    with snapshot(tmp_path / "spool", 2) as shard:
        assert shard is not None
        assert [row.seq for row in shard.journal_after(0, 10)] == [3]


async def test_asking_for_status_looks_at_the_disk_again(
    shards: dict[int, Shard], client: SpoolClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who is taken out of a load balancer for want of space would never come back."""
    await asyncio.to_thread(client.append, 0, batch(["a@x.example"]))
    reserve = shards[0]._writer.known().reserve
    monkeypatch.setattr("merpati.spool.disk_reserve.RECHECK_SECONDS", 0.0)
    reserve._reserve_bytes = 1 << 62  # the disk is full now
    states = await asyncio.to_thread(client.status)
    assert [one.number for one in states if one.below_reserve] == [0]
    reserve._reserve_bytes = 0  # there is room again
    states = await asyncio.to_thread(client.status)
    assert not any(one.below_reserve for one in states)
