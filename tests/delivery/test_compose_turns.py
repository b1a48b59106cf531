"""How many threads compose at once: all of them, or one while mail is being accepted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from merpati.delivery import composing
from merpati.delivery.composing import ComposeThreads, Sealing

SEALING = Sealing(0, "", "", b"k", None, None)  # type: ignore[arg-type]


class Work:
    """Stands in for composing: says how many run together, ends when told."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.done = 0
        self.go_on = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> list[object]:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go_on.acquire(timeout=10)
        with self._lock:
            self.running -= 1
            self.done += 1
        return []


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    stand_in = Work()
    monkeypatch.setattr(composing, "compose_all", stand_in)
    return stand_in


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0.001)


async def test_all_threads_compose_while_nothing_is_accepted(work: Work) -> None:
    threads = ComposeThreads(2, lambda: False)
    calls = [asyncio.create_task(threads.compose([], {}, {}, SEALING)) for _ in range(5)]
    await until(lambda: work.running == 2)
    for _ in calls:
        work.go_on.release()
    await asyncio.gather(*calls)
    assert (work.most, work.done) == (2, 5)
    threads.close()


async def test_one_thread_composes_while_mail_is_accepted_then_all_again(work: Work) -> None:
    accepting = True
    threads = ComposeThreads(2, lambda: accepting)
    calls = [asyncio.create_task(threads.compose([], {}, {}, SEALING)) for _ in range(5)]
    for done in (1, 2):
        await until(lambda: work.running == 1)
        work.go_on.release()
        await until(lambda done=done: work.done == done)  # type: ignore[misc]
    await until(lambda: work.running == 1)
    assert work.most == 1
    accepting = False
    work.go_on.release()
    await until(lambda: work.running == 2)
    for _ in range(2):
        work.go_on.release()
    await asyncio.gather(*calls)
    assert (work.most, work.done) == (2, 5)
    threads.close()


async def test_a_cancelled_call_gives_its_turn_to_the_next(work: Work) -> None:
    threads = ComposeThreads(1, lambda: False)
    first, second, third = (
        asyncio.create_task(threads.compose([], {}, {}, SEALING)) for _ in range(3)
    )
    await until(lambda: work.running == 1)
    second.cancel()
    work.go_on.release()
    await first
    await until(lambda: work.running == 1)
    work.go_on.release()
    await third
    assert work.done == 2
    assert second.cancelled()
    threads.close()
