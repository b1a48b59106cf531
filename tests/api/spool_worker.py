"""A worker that only stores: all 16 shards of a data folder behind `run/deliver-0.sock`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from merpati.adapters.clock import SystemClock
from merpati.adapters.rpc import RpcServer
from merpati.spool.server import handlers
from merpati.spool.shard import Shard


async def serve(data: Path) -> None:
    shards = {n: Shard(data / "spool", n, SystemClock()) for n in range(16)}
    await RpcServer(data / "run" / "deliver-0.sock", handlers(shards)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
