"""A worker that only stores: all 16 shards of a data folder behind `run/deliver-0.sock`.

From SIGUSR1 on it says "asked" when mail comes to be stored, and stores it after SIGUSR2.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from merpati.adapters.clock import SystemClock
from merpati.adapters.rpc import Handler, RpcServer
from merpati.spool.server import handlers
from merpati.spool.shard import Shard


async def serve(data: Path) -> None:
    shards = {n: Shard(data / "spool", n, SystemClock()) for n in range(16)}
    loop, may_store = asyncio.get_running_loop(), asyncio.Event()
    may_store.set()
    loop.add_signal_handler(signal.SIGUSR1, lambda: (may_store.clear(), say("holding")))
    loop.add_signal_handler(signal.SIGUSR2, may_store.set)
    calls = handlers(shards)
    calls["append"] = held(calls["append"], may_store)
    await RpcServer(data / "run" / "deliver-0.sock", calls).start()
    say("ready")
    await asyncio.Event().wait()


def held(append: Handler, may_store: asyncio.Event) -> Handler:
    async def answer(payload: bytes) -> bytes:
        if not may_store.is_set():
            say("asked")
            await may_store.wait()
        return await append(payload)

    return answer


def say(word: str) -> None:
    print(word, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
