"""From the spool's queues into memory: pages of due messages, each handed on once.

A Feed reads one queue of a shard ahead of need. Its cursor is in memory only; what makes a second
hand-out impossible is `ShardFeeds.held`: the ids of all messages between their reading and the
commit that settles or postpones them.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from merpati.adapters.clock import Clock
from merpati.contracts.event import Event, JournalKind
from merpati.delivery.outcome import Bounced
from merpati.spool.errors import ContentUnreadable, SpoolUnavailable
from merpati.spool.shapes import (
    Arrival,
    Cancellation,
    Grant,
    LanePace,
    Postponed,
    QueueDepth,
    QueueKey,
    Scheduled,
    SpooledMessage,
)

log = logging.getLogger(__name__)

LONGEST_PAGE = 500
SHORTEST_PAGE = 16
MOST_AHEAD = 20_000  # messages read ahead, all queues of a shard together
TROUBLE_SECONDS = 1.0  # before a failed read is tried again
ACCEPTING_SECONDS = 0.1  # after new messages came, more are expected for so long
DEFECT_SECONDS = 60.0  # the same, when not the disk failed but something unforeseen


class Spool(Protocol):
    """What the engine needs of a shard (`spool.shard.Shard`)."""

    number: int
    on_due: Callable[[Arrival], None] | None
    on_cancel: Callable[[], None] | None
    on_append: Callable[[], None] | None

    async def queues(self) -> dict[int, QueueDepth]:
        """Return the queues that hold messages."""

    def queue_key(self, queue_id: int) -> QueueKey:
        """Return what a queue id stands for."""

    async def due(
        self, queue_id: int, now: int, limit: int, after: tuple[int, int] | None = None
    ) -> list[SpooledMessage]:
        """Return due messages behind `after`."""

    async def next_due_at(self, queue_id: int, after: int) -> int | None:
        """Return the earliest due time later than `after`."""

    async def contents(
        self, content_ids: Sequence[int]
    ) -> dict[int, bytes | ContentUnreadable | None]:
        """Return contents, None for what is gone; what is left out: ask again.

        Raises SpoolUnavailable.
        """

    def settle(
        self,
        settled: Sequence[int],
        postponed: Sequence[Postponed] = (),
        events: Sequence[Event] = (),
    ) -> Awaitable[None]:
        """Store outcomes, with the next commit."""

    async def record(self, kind: JournalKind, payload: bytes) -> None:
        """Journal what moves no message."""

    async def cancellations(self) -> list[Cancellation]:
        """Return what is to be cancelled and not done."""

    async def cancellable(
        self, wanted: Cancellation, after: int, limit: int
    ) -> tuple[int | None, list[SpooledMessage]]:
        """Return how far was looked, and the messages found there."""

    async def end_cancel(self, cancellation_id: int) -> None:
        """Forget a cancellation that is done."""

    async def keep_pace(self, sending_ip: str, provider: str, state: bytes | None) -> None:
        """Remember what was learned about the pace of a lane; None forgets it."""

    async def paces(self) -> list[LanePace]:
        """Return what was kept about the pace of lanes."""

    async def zone_rules(self) -> str:
        """Return by which edition of the time zones' rules mail is scheduled."""

    async def keep_zone_rules(self, edition: str) -> None:
        """Remember that edition."""

    async def scheduled(
        self, after: int, now: int, limit: int
    ) -> tuple[int | None, list[Scheduled]]:
        """Return how far was looked, and what is scheduled for later."""

    async def make_due(self, queue_id: int, now: int, last_ip: str = "") -> int:
        """Have what a queue deferred tried again now; return how many it was."""

    async def reserve(
        self, sending_ip: str, provider: str, day: int, block: int, limit: int
    ) -> Grant:
        """Return the granted part of a day's allowance."""

    @property
    def nonce(self) -> str:
        """Return what makes this file's Message-IDs its own."""

    async def close(self) -> None:
        """Finish and close."""


class Feed:
    """One queue of a shard. `placed_in` is the ready queue that draws from it, if any."""

    __slots__ = (
        "buffer",
        "cursor",
        "home",
        "in_turn",
        "is_looking_up",
        "is_reading",
        "key",
        "may_have_more",
        "next_due_at",
        "placed_in",
        "queue_id",
        "reason",
        "rewind_to",
        "until",
    )

    def __init__(self, home: ShardFeeds, queue_id: int, key: QueueKey) -> None:
        self.home = home
        self.queue_id = queue_id
        self.key = key
        self.buffer: deque[SpooledMessage] = deque()
        self.cursor: tuple[int, int] | None = None
        self.rewind_to: int | None = None  # a due time announced while a page was read
        self.may_have_more = True
        self.is_reading = False
        self.next_due_at: int | None = None
        self.placed_in: Any = None  # ReadyQueue
        self.in_turn = False
        self.is_looking_up = False
        self.reason = ""  # why it is not placed
        self.until: int | None = None

    def announce(self, earliest_due_at: int) -> None:
        """Learn of new messages that are due from then on."""
        if self.is_reading:
            self.rewind_to = min(earliest_due_at, self.rewind_to or earliest_due_at)
        elif self.cursor is not None and earliest_due_at < self.cursor[0]:
            self.cursor = (earliest_due_at, 0)
        self.may_have_more = True


class ShardFeeds:
    """All feeds of one shard.

    on_rows: called with a feed when it got messages; keep: takes the contents that came with them,
    by shard. is_sick is set by the settler: outcomes cannot be stored, so nothing is begun.
    """

    def __init__(
        self,
        shard: Spool,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        on_rows: Callable[[Feed], None],
        on_timer: Callable[[], None],
        *,
        keep: Callable[[int, Mapping[int, bytes]], None],
    ) -> None:
        self.shard = shard
        self.feeds: dict[int, Feed] = {}
        self.held: set[int] = set()
        self.cancelled: dict[int, Bounced] = {}  # those held that no connection may take any more
        self.is_sick = False
        self.trouble = ""  # of the last read
        self._clock = clock
        self._spawn = spawn
        self._on_rows = on_rows
        self._on_timer = on_timer
        self._keep = keep
        self._knows_all = False  # what the shard held before we came
        self._timers: list[tuple[int, int]] = []  # (due_at, queue_id)
        self._reads = 0  # begun so far
        self._reading: set[int] = set()  # their numbers, those not finished
        self._arrived_at = float("-inf")  # clock.elapsed()
        self._leaving: deque[tuple[int, list[int]]] = deque()
        shard.on_due = self.on_due

    def on_due(self, arrival: Arrival) -> None:
        """Learn from the shard that a queue got messages."""
        self._arrived_at = self._clock.elapsed()
        feed = self._feed(arrival.queue_id)
        if arrival.earliest_due_at > self._clock.now():
            self._set_timer(feed, arrival.earliest_due_at)
            return
        if arrival.contents:
            self._keep(self.shard.number, arrival.contents)
        if len(arrival.rows) == arrival.count and self._is_read_up(feed):
            # The cursor stays: a read, when there is one, passes over what is held.
            self.held.update([row.message_id for row in arrival.rows])
            feed.buffer.extend(arrival.rows)
            self._on_rows(feed)
        else:
            feed.announce(arrival.earliest_due_at)
            self.read_ahead(feed)

    def _is_read_up(self, feed: Feed) -> bool:
        """Return whether all that is due is in memory, and not too much of it for some more."""
        is_all = self._knows_all and not (feed.is_reading or feed.may_have_more)
        return is_all and len(feed.buffer) <= self._page() // 2

    @property
    def is_accepting(self) -> bool:
        """Return whether new messages came within the last moment."""
        return self._clock.elapsed() - self._arrived_at < ACCEPTING_SECONDS

    async def learn(self) -> None:
        """Find out what waits. Raises SpoolUnavailable."""
        now = self._clock.now()
        for queue_id, depth in (await self.shard.queues()).items():
            if queue_id in self.feeds:
                continue
            feed = self.feeds[queue_id] = Feed(self, queue_id, depth.key)
            if depth.earliest_due_at <= now:
                self.read_ahead(feed)
            else:
                feed.may_have_more = False
                self._set_timer(feed, depth.earliest_due_at)
        self._knows_all = True

    def read_ahead(self, feed: Feed) -> None:
        """Read a further page if little is left in memory."""
        if feed.is_reading or not feed.may_have_more:
            return
        page = self._page()
        if len(feed.buffer) <= page // 2:
            feed.is_reading = True
            self._spawn(self._read(feed, page))

    def release(self, settled: Sequence[int], postponed: Iterable[tuple[int, Postponed]]) -> None:
        """Forget messages whose outcome is stored; postponed ones with their queue's id.

        A read that began before that commit may still bring them as they were, so their ids are
        kept until it has ended.
        """
        ids = list(settled)
        if self.cancelled:
            for message_id in ids:
                self.cancelled.pop(message_id, None)
        for queue_id, put_off in postponed:
            ids.append(put_off.message_id)
            self._set_timer(self._feed(queue_id), put_off.due_at)
        if self._reading:
            self._leaving.append((self._reads, ids))
        else:
            self.held.difference_update(ids)

    def next_timer_at(self) -> int | None:
        """Return when the next message falls due of which nothing was read yet."""
        return self._timers[0][0] if self._timers else None

    def fall_due(self, now: int) -> None:
        """Read the queues whose time has come."""
        while self._timers and self._timers[0][0] <= now:
            due_at, queue_id = heapq.heappop(self._timers)
            feed = self.feeds.get(queue_id)
            if feed is not None and feed.next_due_at is not None and feed.next_due_at <= due_at:
                feed.next_due_at = None
                feed.announce(due_at)
                self.read_ahead(feed)

    def current(self, feed: Feed) -> Feed:
        """Return the feed in use for a queue: this one, unless it was forgotten and made anew."""
        return self.feeds.setdefault(feed.queue_id, feed)

    def discard_if_empty(self, feed: Feed) -> None:
        """Forget a feed that has nothing, in memory or later."""
        if not (feed.buffer or feed.is_reading or feed.may_have_more or feed.next_due_at):
            if feed.placed_in is not None:
                feed.placed_in.detach(feed)
            self.feeds.pop(feed.queue_id, None)

    def _feed(self, queue_id: int) -> Feed:
        feed = self.feeds.get(queue_id)
        if feed is None:
            feed = Feed(self, queue_id, self.shard.queue_key(queue_id))
            feed.may_have_more = False
            self.feeds[queue_id] = feed
        return feed

    def _page(self) -> int:
        share = MOST_AHEAD // max(1, len(self.feeds))
        return max(SHORTEST_PAGE, min(LONGEST_PAGE, share))

    def _set_timer(self, feed: Feed, due_at: int) -> None:
        if feed.next_due_at is None or due_at < feed.next_due_at:
            feed.next_due_at = due_at
            heapq.heappush(self._timers, (due_at, feed.queue_id))
            if self._timers[0] == (due_at, feed.queue_id):
                self._on_timer()

    async def _read(self, feed: Feed, page: int) -> None:
        self._reads += 1
        number = self._reads
        self._reading.add(number)
        now = self._clock.now()
        try:
            rows = await self.shard.due(feed.queue_id, now, page, feed.cursor)
            is_last = len(rows) < page
            next_due_at = await self.shard.next_due_at(feed.queue_id, now) if is_last else None
            self._store(feed, rows, is_last)
            self.trouble = ""
        except SpoolUnavailable as error:
            if not self.trouble:
                log.warning("spool_unreadable shard=%d reason=%s", self.shard.number, error.reason)
            self.trouble = error.reason
            # may_have_more stays; this brings us back to it.
            next_due_at = self._clock.now() + int(TROUBLE_SECONDS * 1000)
        except Exception as error:
            log.exception(
                "queue_unreadable shard=%d queue=%d effect=tried_again_later",
                self.shard.number,
                feed.queue_id,
            )
            self.trouble = f"an internal error ({type(error).__name__}); see the log"
            next_due_at = self._clock.now() + int(DEFECT_SECONDS * 1000)
        finally:
            feed.is_reading = False
            self._take_leave(number)
        if next_due_at is not None:
            self._set_timer(feed, next_due_at)
        if feed.buffer:
            self._on_rows(feed)
        if not self.trouble:
            self.read_ahead(feed)
        self.discard_if_empty(feed)

    def _store(self, feed: Feed, rows: list[SpooledMessage], is_last: bool) -> None:
        held = self.held
        for row in rows:
            if row.message_id not in held:
                held.add(row.message_id)
                feed.buffer.append(row)
        if rows:
            feed.cursor = (rows[-1].due_at, rows[-1].message_id)
        if feed.rewind_to is None:
            feed.may_have_more = not is_last
        else:
            if feed.cursor is not None and feed.rewind_to < feed.cursor[0]:
                feed.cursor = (feed.rewind_to, 0)
            feed.rewind_to = None
            feed.may_have_more = True

    def _take_leave(self, number: int) -> None:
        """End a read; release what was settled while reads ran that could have seen it."""
        self._reading.discard(number)
        oldest = min(self._reading, default=self._reads + 1)
        while self._leaving and self._leaving[0][0] < oldest:
            self.held.difference_update(self._leaving.popleft()[1])
