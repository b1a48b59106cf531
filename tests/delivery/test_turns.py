"""So many begin at once; a slow one holds up no other for long."""

from __future__ import annotations

import asyncio

from merpati.delivery.turns import Turns


class Crowd:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun = 0
        self.go_on = asyncio.Event()

    async def one(self) -> None:
        async with self.turns.turn():
            self.begun += 1
            await self.go_on.wait()

    async def until(self, begun: int) -> None:
        async with asyncio.timeout(10):
            while self.begun < begun:  # noqa: ASYNC110 - timers tell nobody
                await asyncio.sleep(0.001)


async def test_those_behind_wait_for_who_ends() -> None:
    crowd = Crowd(Turns(2, 1_000.0))
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(crowd.one())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert crowd.begun == 2
        crowd.go_on.set()
    assert crowd.begun == 5


async def test_the_slow_make_room_once_each() -> None:
    crowd = Crowd(Turns(2, 0.01))
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(crowd.one())
        await crowd.until(5)
        crowd.go_on.set()
    assert crowd.turns._free._value == 2
