"""What a shard's worker tells of where mail goes, over its socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.rpc import RpcServer
from merpati.contracts.queues import KnownWays
from merpati.events.worker_view import known_ways


async def test_the_worker_that_owns_the_shard_is_asked(tmp_path: Path) -> None:
    async def known(payload: bytes) -> bytes:
        return pack(KnownWays(dict.fromkeys(unpacker(list[str]).decode(payload), "google")))

    server = RpcServer(tmp_path / "deliver-1.sock", {"known_ways": known})
    await server.start()
    ask = known_ways(tmp_path, 2)
    try:
        of_one, of_none = [
            await asyncio.to_thread(ask, shard, ["kantor.example"]) for shard in (3, 2)
        ]
    finally:
        await server.close()
    assert of_one.providers == {"kantor.example": "google"}
    assert of_none == KnownWays()  # nobody listens at deliver-0.sock
