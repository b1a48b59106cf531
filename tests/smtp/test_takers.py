"""Messages that came while others were being stored are taken as one group."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from merpati.accounts.keys import KeyIdentity
from merpati.smtp.session import Envelope
from merpati.smtp.takers import GROUP, GROUP_BYTES, Incoming, Takers


def incoming(sender: object, size: int = 10, account_id: int = 7) -> Incoming:
    identity = KeyIdentity(1, "abcd", account_id, frozenset(), is_suspended=False)
    envelope = Envelope(str(sender), ("a@x.example",), b"x" * size, "h", "ESMTP", identity)
    return Incoming(envelope, "::1")


class Store:
    """Stores the groups of accounts whose gate is open; what `poison` sent breaks its group."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gates = {7: asyncio.Event(), 8: asyncio.Event()}

    def judge(self, messages: Sequence[Incoming]) -> list[Incoming]:
        senders = [message.envelope.msg_from for message in messages]
        self.groups.append(senders)
        if "poison" in senders:
            raise RuntimeError
        return list(messages)

    async def store(self, judged: Sequence[Incoming]) -> list[str]:
        (identity,) = {one.envelope.identity for one in judged}
        assert identity is not None
        await self.gates[identity.account_id].wait()
        return [f"250 {one.envelope.msg_from}" for one in judged]


class Door:
    """Messages handed in, and their replies as they come."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.store = Store()
        self.takers = Takers(self.store, threads)
        self.replies: list[asyncio.Future[str]] = []

    async def hand_in(self, *messages: Incoming) -> None:
        for message in messages:
            self.replies.append(asyncio.get_running_loop().create_future())
            self.takers.take(message, self.replies[-1].set_result)
            await asyncio.sleep(0)

    async def answered(self) -> list[str]:
        async with asyncio.timeout(10):
            return list(await asyncio.gather(*self.replies))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
async def door(threads: ThreadPoolExecutor) -> Door:
    return Door(threads)


async def test_each_message_gets_its_own_reply(door: Door) -> None:
    await door.hand_in(*(incoming(n) for n in range(300)))
    door.store.gates[7].set()
    assert await door.answered() == [f"250 {n}" for n in range(300)]
    await asyncio.sleep(0)
    assert not door.takers._lanes  # an account that sends no more takes no memory


async def test_what_came_while_others_were_stored_is_one_group(door: Door) -> None:
    await door.hand_in(*(incoming(n) for n in range(1 + GROUP + 5)))
    door.store.gates[7].set()
    await door.answered()
    assert [len(group) for group in door.store.groups] == [1, GROUP, 5]


async def test_large_messages_are_not_grouped_with_many(door: Door) -> None:
    await door.hand_in(*(incoming(n, GROUP_BYTES) for n in range(7)))
    door.store.gates[7].set()
    await door.answered()
    assert max(len(group) for group in door.store.groups) == 1


async def test_nobody_waits_for_the_messages_of_another(door: Door) -> None:
    """As when the worker that owns one account's shard does not answer."""
    await door.hand_in(*(incoming("stuck") for _ in range(9)), incoming("other", 10, 8))
    door.store.gates[8].set()
    async with asyncio.timeout(10):
        assert await door.replies[-1] == "250 other"
    assert not any(reply.done() for reply in door.replies[:-1])
    door.store.gates[7].set()
    await door.answered()


async def test_a_broken_group_is_answered_and_the_next_is_taken(door: Door) -> None:
    door.store.gates[7].set()
    await door.hand_in(incoming("poison"))
    assert (await door.answered())[0].startswith("451 ")
    await door.hand_in(incoming(1))
    assert (await door.answered())[1] == "250 1"
