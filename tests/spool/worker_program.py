"""A worker with nothing but a shard in FOLDER; prints "ready", then serves until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import unpack_any
from merpati.adapters.rpc import RpcServer
from merpati.spool.server import handlers
from merpati.spool.shard import Shard
from tests.spool.samples import delivered


async def main(folder: Path) -> None:
    shard = Shard(folder / "spool", 0, SystemClock(), reserve_bytes=0)

    async def settle(payload: bytes) -> bytes:
        ids = unpack_any(payload)
        await shard.settle(ids, [], [delivered(message_id) for message_id in ids])
        return b""

    server = RpcServer(folder / "deliver-0.sock", {**handlers({0: shard}), "settle": settle})
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
