"""Messages that came while others were being stored are taken as one group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from merpati.smtp.session import Envelope
from merpati.smtp.takers import BUSY, GROUP, GROUP_BYTES, Incoming, Takers


def incoming(number: int, size: int = 10) -> Incoming:
    return Incoming(Envelope(str(number), ("a@x.example",), b"x" * size, "h", "ESMTP", None), "::1")


class Store:
    """Stores groups once the gate is open; what `poison` sent breaks its group."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = threading.Event()

    def take(self, messages: Sequence[Incoming]) -> list[str]:
        assert self.gate.wait(10)
        senders = [message.envelope.msg_from for message in messages]
        self.groups.append(senders)
        if "poison" in senders:
            raise RuntimeError
        return [f"250 {sender}" for sender in senders]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(BUSY) as pool:
        yield pool


async def taken(store: Store, takers: Takers, messages: Sequence[Incoming]) -> list[str]:
    loop = asyncio.get_running_loop()
    replies = []
    for message in messages:
        replies.append(loop.create_future())
        takers.take(message, replies[-1].set_result)
        await asyncio.sleep(0)
    store.gate.set()
    async with asyncio.timeout(10):
        return list(await asyncio.gather(*replies))


async def test_each_message_gets_its_own_reply(threads: ThreadPoolExecutor) -> None:
    store = Store()
    replies = await taken(store, Takers(store.take, threads), [incoming(n) for n in range(300)])
    assert replies == [f"250 {n}" for n in range(300)]


async def test_what_came_while_all_were_busy_is_one_group(threads: ThreadPoolExecutor) -> None:
    store = Store()
    await taken(store, Takers(store.take, threads), [incoming(n) for n in range(BUSY + GROUP + 5)])
    sizes = sorted(len(group) for group in store.groups)
    assert sizes[-1] == GROUP
    assert len(sizes) == BUSY + 2


async def test_large_messages_are_not_grouped_with_many(threads: ThreadPoolExecutor) -> None:
    store = Store()
    large = [incoming(n, GROUP_BYTES) for n in range(BUSY + 6)]
    await taken(store, Takers(store.take, threads), large)
    assert max(len(group) for group in store.groups) == 1


async def test_a_broken_group_is_answered_and_the_next_is_taken(
    threads: ThreadPoolExecutor,
) -> None:
    store = Store()
    takers = Takers(store.take, threads)
    poison = Incoming(Envelope("poison", ("a@x.example",), b"", "h", "ESMTP", None), "::1")
    (reply,) = await taken(store, takers, [poison])
    assert reply.startswith("451 ")
    assert await taken(store, takers, [incoming(1)]) == ["250 1"]


async def test_a_service_that_waits_for_each_gets_them_one_by_one(
    threads: ThreadPoolExecutor,
) -> None:
    store = Store()
    await taken(store, Takers(store.take, threads, most=1), [incoming(n) for n in range(20)])
    assert max(len(group) for group in store.groups) == 1
