"""A worker's allowance over the shard in FOLDER, killed between reserve and use.

Prints a line for each attempt it takes; after as many as it may, it reserves a block and dies with
it. Arguments: folder, moment in milliseconds, messages a day, attempts. Without a block it ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from merpati.adapters.clock import SystemClock
from merpati.contracts.sending_policy import ProviderAllowance
from merpati.delivery.allowance import DAY_MS, Allowance
from merpati.spool.shard import Shard


class _Standing(SystemClock):
    """The wall clock at the moment that the test says."""

    def __init__(self, moment: int) -> None:
        self._moment = moment

    def now(self) -> int:
        return self._moment


async def main(folder: Path, moment: int, messages: int, attempts: int) -> None:
    shard = Shard(folder, 1, SystemClock(), reserve_bytes=0)
    levels = [ProviderAllowance("google", moment // DAY_MS, messages)]
    allowance = Allowance(
        "192.0.2.1", "google", levels, shard.reserve, _Standing(moment), is_spread=False
    )
    while not allowance.is_spent:
        allowance.begin_refill()
        await allowance.refill()
        if not attempts:
            os.kill(os.getpid(), signal.SIGKILL)  # reserved, and never used
        while attempts and allowance.take():
            attempts -= 1
            print("took", flush=True)
    await shard.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
