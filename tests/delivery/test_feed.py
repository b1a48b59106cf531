"""Feeds over a shard whose answers a test holds back: nothing is handed out twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from merpati.contracts.event import Event
from merpati.delivery.feed import LONGEST_PAGE, Feed, ShardFeeds
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.shapes import Arrival, Postponed, QueueDepth, QueueKey, SpooledMessage

QUEUE = 5
KEY = QueueKey(1, 11, "x.example")


class HandClock:
    def __init__(self) -> None:
        self.at = 1_000

    def now(self) -> int:
        return self.at

    def elapsed(self) -> float:
        return self.at / 1000


class SlowShard:
    """Rows in a dictionary; a read takes its rows at once and answers when the gate opens."""

    number = 1
    nonce = "00000000"

    def __init__(self) -> None:
        self.on_due: Any = None
        self.rows: dict[int, int] = {}  # message id → due_at
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = 0
        self.fails = False
        self.is_defective = False

    def add(self, due_at: int, *ids: int) -> None:
        self.rows.update(dict.fromkeys(ids, due_at))
        if self.on_due is not None:
            self.on_due(Arrival(QUEUE, len(ids), due_at))

    def hand_over(self, due_at: int, *ids: int) -> None:
        """Add messages as a shard does that tells of them at once."""
        self.rows.update(dict.fromkeys(ids, due_at))
        rows = [_row(due_at, number) for number in ids]
        self.on_due(Arrival(QUEUE, len(ids), due_at, rows, {1: b"content"}))

    async def queues(self) -> dict[int, QueueDepth]:
        if not self.rows:
            return {}
        return {QUEUE: QueueDepth(QUEUE, KEY, len(self.rows), min(self.rows.values()))}

    def queue_key(self, queue_id: int) -> QueueKey:
        return KEY

    async def due(
        self, queue_id: int, now: int, limit: int, after: tuple[int, int] | None = None
    ) -> list[SpooledMessage]:
        self.reads += 1
        if self.fails:
            raise SpoolUnavailable("disk I/O error")
        if self.is_defective:
            raise ValueError("a row that is none")
        found = sorted((due_at, number) for number, due_at in self.rows.items() if due_at <= now)
        page = [item for item in found if after is None or item > after][:limit]
        await self.gate.wait()
        return [_row(due_at, number) for due_at, number in page]

    async def next_due_at(self, queue_id: int, after: int) -> int | None:
        return min((due_at for due_at in self.rows.values() if due_at > after), default=None)

    async def contents(
        self, content_ids: Sequence[int]
    ) -> dict[int, bytes | ContentUnreadable | None]:
        return {}

    async def settle(
        self,
        settled: Sequence[int],
        postponed: Sequence[Postponed] = (),
        events: Sequence[Event] = (),
    ) -> None:
        for number in settled:
            del self.rows[number]
        for put_off in postponed:
            self.rows[put_off.message_id] = put_off.due_at

    async def reserve(self, sending_ip: str, day: int, block: int, limit: int) -> int:
        return 0

    async def close(self) -> None:
        return


def _row(due_at: int, number: int) -> SpooledMessage:
    return SpooledMessage(number, QUEUE, due_at, 1, 0, "", "", b"", 1, "1", due_at, 1, due_at)


class Reader:
    """Takes what the feeds bring, as a ready queue would."""

    def __init__(self) -> None:
        self.shard = SlowShard()
        self.clock = HandClock()
        self.taken: list[int] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.kept: dict[int, bytes] = {}
        self.feeds = ShardFeeds(
            self.shard,
            self.clock,
            self.spawn,
            self.take,
            lambda: None,
            keep=lambda _, contents: self.kept.update(contents),
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def take(self, feed: Feed) -> None:
        while feed.buffer:
            self.taken.append(feed.buffer.popleft().message_id)

    async def quiet(self) -> None:
        while self.tasks:
            await asyncio.gather(*self.tasks)

    async def settle(self, *ids: int) -> None:
        await self.shard.settle(ids)
        self.feeds.release(ids, [])


async def test_a_queue_of_many_pages_is_read_once() -> None:
    reader = Reader()
    reader.shard.rows = dict.fromkeys(range(3 * LONGEST_PAGE + 7), 500)
    await reader.feeds.learn()
    await reader.quiet()
    assert reader.taken == list(range(3 * LONGEST_PAGE + 7))


async def test_mail_that_falls_due_earlier_than_what_was_read_is_found() -> None:
    """Batches commit in another order than their clocks were read."""
    reader = Reader()
    reader.shard.add(900, 1, 2, 3)
    await reader.quiet()
    reader.shard.add(899, 4)
    reader.shard.add(900, 5)
    await reader.quiet()
    assert reader.taken == [1, 2, 3, 4, 5]  # and what is held is not handed out again


async def test_mail_announced_during_a_read_is_found() -> None:
    reader = Reader()
    reader.shard.gate.clear()
    reader.shard.add(900, 2, 3)
    await asyncio.sleep(0)
    reader.shard.add(800, 1)
    reader.shard.gate.set()
    await reader.quiet()
    assert reader.taken == [2, 3, 1]


async def test_a_read_that_began_before_a_settlement_repeats_nothing() -> None:
    reader = Reader()
    reader.shard.add(900, 1, 2)
    await reader.quiet()
    reader.shard.gate.clear()
    reader.shard.add(899, 3)  # makes it look again at everything from there
    await asyncio.sleep(0)
    await reader.settle(1, 2)
    reader.shard.gate.set()
    await reader.quiet()
    assert reader.taken == [1, 2, 3]
    assert reader.feeds.held == {3}


async def test_a_postponed_message_comes_back_when_it_is_due() -> None:
    reader = Reader()
    reader.shard.add(900, 1)
    await reader.quiet()
    put_off = Postponed(1, 5_000)
    await reader.shard.settle([], [put_off])
    reader.feeds.release([], [(QUEUE, put_off)])
    assert reader.feeds.next_timer_at() == 5_000
    reader.clock.at = 4_999
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [1]
    reader.clock.at = 5_000
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [1, 1]


async def test_scheduled_mail_sets_a_timer_and_not_a_read() -> None:
    reader = Reader()
    reader.shard.add(7_000, 1)
    reader.shard.add(6_000, 2)
    await reader.quiet()
    assert reader.shard.reads == 0
    assert reader.feeds.next_timer_at() == 6_000
    reader.clock.at = 6_500
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [2]
    assert reader.feeds.next_timer_at() == 7_000


async def test_a_sick_disk_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader()
    reader.shard.fails = True
    reader.shard.add(900, 1)
    await reader.quiet()
    assert "disk I/O error" in reader.feeds.trouble
    for _ in range(3):
        reader.clock.at += 1_000
        reader.feeds.fall_due(reader.clock.at)
        await reader.quiet()
    assert reader.shard.reads == 4
    reader.shard.fails = False
    reader.clock.at += 1_000
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [1]
    assert reader.feeds.trouble == ""
    assert sum("spool_unreadable" in text for text in caplog.messages) == 1


async def test_a_queue_that_a_defect_keeps_from_being_read_is_tried_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = Reader()
    reader.shard.is_defective = True
    reader.shard.add(900, 1)
    await reader.quiet()
    assert "ValueError" in reader.feeds.trouble
    assert sum("queue_unreadable" in text for text in caplog.messages) == 1
    reader.shard.is_defective = False
    reader.clock.at += 60_000
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [1]
    assert reader.feeds.trouble == ""


async def test_feeds_of_empty_queues_are_forgotten() -> None:
    reader = Reader()
    reader.shard.add(900, 1)
    await reader.quiet()
    assert not reader.feeds.feeds
    await reader.settle(1)
    assert not reader.feeds.held


async def test_messages_that_came_with_their_commit_are_not_read() -> None:
    reader = Reader()
    await reader.feeds.learn()
    reader.shard.hand_over(900, 1, 2)
    reader.shard.hand_over(900, 3)
    await reader.quiet()
    assert (reader.taken, reader.shard.reads) == ([1, 2, 3], 0)
    assert reader.kept == {1: b"content"}
    reader.shard.add(900, 4)  # a read from the beginning passes over what is held
    await reader.quiet()
    assert reader.taken == [1, 2, 3, 4]


async def test_what_was_there_before_is_found_beside_messages_that_just_came() -> None:
    """Before the worker knows what a shard holds it reads what it is told of."""
    reader = Reader()
    reader.shard.rows = {1: 800}
    reader.shard.hand_over(900, 2)
    await reader.feeds.learn()
    await reader.quiet()
    assert reader.taken == [1, 2]


async def test_messages_that_come_during_a_read_are_handed_out_once() -> None:
    reader = Reader()
    await reader.feeds.learn()
    reader.shard.gate.clear()
    reader.shard.add(900, 1)
    await asyncio.sleep(0)
    reader.shard.hand_over(800, 2)
    reader.shard.gate.set()
    await reader.quiet()
    assert reader.taken == [1, 2]


async def test_a_postponed_message_due_with_one_that_just_came_is_found() -> None:
    reader = Reader()
    await reader.feeds.learn()
    reader.shard.hand_over(900, 1)
    put_off = Postponed(1, 1_500)
    await reader.shard.settle([], [put_off])
    reader.feeds.release([], [(QUEUE, put_off)])
    reader.clock.at = 1_500
    reader.shard.hand_over(1_500, 2)
    reader.feeds.fall_due(reader.clock.at)
    await reader.quiet()
    assert reader.taken == [1, 2, 1]


async def test_mail_piles_up_on_disk_and_not_in_memory() -> None:
    reader = Reader()
    reader.take = lambda feed: None  # type: ignore[method-assign]
    reader.feeds = ShardFeeds(
        reader.shard, reader.clock, reader.spawn, reader.take, lambda: None, keep=lambda *_: None
    )
    await reader.feeds.learn()
    for number in range(3 * LONGEST_PAGE):
        reader.shard.hand_over(900, number)
        await reader.quiet()
    (feed,) = reader.feeds.feeds.values()
    assert len(feed.buffer) <= LONGEST_PAGE + LONGEST_PAGE // 2
