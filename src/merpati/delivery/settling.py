"""Outcomes on their way to disk, gathered so that one commit carries many.

New mail needs a commit of its own, and what gathered until then rides along: half as many commits,
each of which costs a sync. Where no mail comes, outcomes wait for each other.

**The one window in which a message can be sent twice**: between the far end's 250 and the commit
that records it, at most `settle_interval` (20 ms) plus one commit. A crash in it repeats those
messages, with the same Message-ID. (`Uncertain` is its kin: the 250 itself was lost on the way.)

When outcomes cannot be stored, delivery of the shard pauses: nothing further is begun, and the
same outcomes are offered until they are stored, so nothing is sent twice meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from merpati.adapters.faults import fault
from merpati.contracts.event import Event
from merpati.delivery.feed import ShardFeeds
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import Postponed

log = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.1, 5.0  # seconds
RIDES_AFTER = 0.5  # of the interval: outcomes that gathered for less wait for more


class _Outcomes(NamedTuple):
    """What is stored together. postponed: each with its queue's id."""

    settled: Sequence[int]
    postponed: Sequence[tuple[int, Postponed]]
    events: Sequence[Event]


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
        self._is_storing = False
        self._riding: tuple[_Outcomes, Awaitable[None]] | None = None  # for `_store` to await
        self._first_at = 0.0  # when the oldest of `_events` came, by the loop's clock
        feeds.shard.on_append = self._ride

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
            is_ready = self._riding or len(self._events) >= self._most or self._is_finishing
            if not is_ready:
                self._many.clear()
                await self._gather_more()
            self._some.clear()
            if self._has_work:
                await self._store()
            if self._has_work or self._is_finishing:
                self._some.set()

    @property
    def _has_work(self) -> bool:
        return bool(self._events or self._postponed or self._riding)

    def _add(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) == 1:
            self._first_at = asyncio.get_running_loop().time()
            self._some.set()
        elif len(self._events) == self._most:
            self._many.set()

    async def _gather_more(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._many.wait()
        except TimeoutError:
            pass

    def _ride(self) -> None:
        """Have what gathered stored by the commit that is about to be made."""
        if not self._events or self._riding or self._is_storing:
            return
        age = asyncio.get_running_loop().time() - self._first_at
        if age >= self._interval * RIDES_AFTER:
            outcomes = self._take()
            self._riding = outcomes, self._submit(outcomes)
            self._some.set()
            self._many.set()

    async def _store(self) -> None:
        """Store what gathered, however often it takes; more gathers meanwhile."""
        self._is_storing = True
        outcomes, answer = self._riding or (self._take(), None)
        self._riding = None
        wait = FIRST_RETRY
        while not await self._try(outcomes, answer):
            answer = None
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_RETRY)
        self._is_storing = False
        self._feeds.release(outcomes.settled, outcomes.postponed)
        self._on_stored(outcomes.events)
        if self._feeds.is_sick:
            log.info("settle_resumed shard=%d", self._feeds.shard.number)
            self._feeds.is_sick = False
            self.reason = ""
            self._on_change(self._feeds)

    def _take(self) -> _Outcomes:
        outcomes = _Outcomes(self._settled, self._postponed, self._events)
        self._settled, self._postponed, self._events = [], [], []
        if outcomes.settled:
            fault("delivery.after_250_before_settle")
        return outcomes

    def _submit(self, outcomes: _Outcomes) -> Awaitable[None]:
        put_off = [put_off for _, put_off in outcomes.postponed]
        return self._feeds.shard.settle(outcomes.settled, put_off, outcomes.events)

    async def _try(self, outcomes: _Outcomes, answer: Awaitable[None] | None) -> bool:
        """Return whether outcomes are stored; answer: of what was submitted, None to submit it."""
        try:
            await (answer or self._submit(outcomes))
        except SpoolUnavailable as error:
            self.reason = f"delivery pauses, since outcomes cannot be stored: {error.reason}"
            if not self._feeds.is_sick:
                self._pause(len(outcomes.events), error.reason)
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
