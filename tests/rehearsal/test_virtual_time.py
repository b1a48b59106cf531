"""Virtual time: weeks pass at once, in order, and work for threads keeps its place."""

from __future__ import annotations

import asyncio
import threading
import time

from merpati.rehearsal.virtual_time import VirtualClock, VirtualLoop


def test_weeks_pass_in_the_order_of_their_timers() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop, 1_000)
    seen: list[tuple[str, int]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, clock.now()))

    async def both() -> None:
        await asyncio.gather(wait("month", 30 * 86_400), wait("minute", 60), wait("day", 86_400))

    began = time.monotonic()
    loop.run_until_complete(both())
    loop.close()
    assert seen == [("minute", 61_000), ("day", 86_401_000), ("month", 2_592_001_000)]
    assert clock.elapsed() == 2_592_000
    assert time.monotonic() - began < 60  # a month would not fit


def test_work_for_threads_is_done_at_once_where_it_was_asked() -> None:
    loop = VirtualLoop()

    async def ask() -> int:
        return await asyncio.to_thread(threading.get_ident)

    assert loop.run_until_complete(ask()) == threading.get_ident()
    loop.close()


def test_timeouts_of_virtual_time_end_waits() -> None:
    loop = VirtualLoop()

    async def wait() -> str:
        try:
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        except TimeoutError:
            return f"after {loop.time():.0f}"
        return "never"

    assert loop.run_until_complete(wait()) == "after 3600"
    loop.close()
