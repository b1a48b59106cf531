"""Outcomes on their way to disk, gathered so that one commit carries many.

**The one window in which a message can be sent twice**: between the far end's 250 and the commit
that records it, `settle_interval` (20 ms) plus one commit. A crash in it repeats those
messages, with the same Message-ID. (`Uncertain` is its kin: the 250 itself was lost on the way.)

When outcomes cannot be stored, delivery of the shard pauses: nothing further is begun, and the
same outcomes are offered until they are stored, so nothing is sent twice meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from merpati.adapters.faults import fault
from merpati.contracts.event import Event
from merpati.delivery.feed import ShardFeeds
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import Postponed

log = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.1, 5.0  # seconds


class Settler:
    """The only one who settles for a shard; `run` is its task.

    on_change: called when delivery of this shard pauses and when it may go on; on_stored: with each
    batch of outcomes that is on disk.
    """

    def __init__(
        self,
        feeds: ShardFeeds,
        interval: float,
        most: int,
        on_change: Callable[[ShardFeeds], None],
        on_stored: Callable[[Sequence[Event]], None],
    ) -> None:
        self.reason = ""  # why outcomes cannot be stored
        self._feeds = feeds
        self._interval = interval
        self._most = most
        self._on_change = on_change
        self._on_stored = on_stored
        self._settled: list[int] = []
        self._postponed: list[tuple[int, Postponed]] = []  # with the queue's id
        self._events: list[Event] = []
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._is_finishing = False

    def settle(self, message_id: int, event: Event) -> None:
        """Record that a message has left the spool."""
        self._settled.append(message_id)
        self._add(event)

    def postpone(self, queue_id: int, postponed: Postponed, event: Event) -> None:
        """Record that a message stays, and until when."""
        self._postponed.append((queue_id, postponed))
        self._add(event)

    def put_off(self, queue_id: int, postponed: Postponed) -> None:
        """Record that a message waits longer, without a try and without an event."""
        self._postponed.append((queue_id, postponed))
        self._some.set()

    def finish(self) -> None:
        """Have `run` return once everything recorded so far is stored."""
        self._is_finishing = True
        self._some.set()
        self._many.set()

    async def run(self) -> None:
        """Store outcomes until told to finish."""
        while not (self._is_finishing and not self._has_work):
            await self._some.wait()
            if len(self._events) < self._most and not self._is_finishing:
                self._many.clear()
                await self._gather_more()
            self._some.clear()
            if self._has_work:
                await self._store()
            if self._has_work or self._is_finishing:
                self._some.set()

    @property
    def _has_work(self) -> bool:
        return bool(self._events or self._postponed)

    def _add(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) == 1:
            self._some.set()
        elif len(self._events) == self._most:
            self._many.set()

    async def _gather_more(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._many.wait()
        except TimeoutError:
            pass

    async def _store(self) -> None:
        """Store what gathered, however often it takes; more gathers meanwhile."""
        settled, self._settled = self._settled, []
        postponed, self._postponed = self._postponed, []
        events, self._events = self._events, []
        if settled:
            fault("delivery.after_250_before_settle")
        wait = FIRST_RETRY
        while not await self._try(settled, [put_off for _, put_off in postponed], events):
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_RETRY)
        self._feeds.release(settled, postponed)
        self._on_stored(events)
        if self._feeds.is_sick:
            log.info("settle_resumed shard=%d", self._feeds.shard.number)
            self._feeds.is_sick = False
            self.reason = ""
            self._on_change(self._feeds)

    async def _try(
        self, settled: Sequence[int], postponed: Sequence[Postponed], events: Sequence[Event]
    ) -> bool:
        try:
            await self._feeds.shard.settle(settled, postponed, events)
        except SpoolUnavailable as error:
            self.reason = f"delivery pauses, since outcomes cannot be stored: {error.reason}"
            if not self._feeds.is_sick:
                self._pause(len(events), error.reason)
            return False
        return True

    def _pause(self, outcomes: int, reason: str) -> None:
        log.error(
            "settle_failed shard=%d outcomes=%d effect=delivery_pauses reason=%s",
            self._feeds.shard.number,
            outcomes,
            reason,
        )
        self._feeds.is_sick = True
        self._on_change(self._feeds)
