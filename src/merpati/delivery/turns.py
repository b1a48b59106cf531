"""Turns: of what may begin at once, so that it does not get into its own way.

A thousand lookups begun in one moment overrun the resolver and this process, and then time out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Turns:
    """Lets so many begin; who takes longer than `seconds` makes room for the next, and goes on."""

    def __init__(self, most: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(most)
        self._seconds = seconds

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        await self._free.acquire()
        timer = asyncio.get_running_loop().call_later(self._seconds, self._free.release)
        try:
            yield
        finally:
            if timer.when() > asyncio.get_running_loop().time():
                timer.cancel()
                self._free.release()
