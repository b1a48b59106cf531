"""Rows of a split queue's feeds that one side met and the other is to send.

A feed mixes both sides: without this, a side that stands still would stop the other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from merpati.delivery.reasons import sentence

if TYPE_CHECKING:
    from merpati.delivery.feed import Feed
    from merpati.delivery.ready_queue import Pick, QueueHost, ReadyQueue
    from merpati.spool.shapes import SpooledMessage

MOST_ASIDE = 500  # rows of a side in memory; more wait on disk
LOOK_AGAIN_MS = 15 * 60_000  # those on disk are looked at again after so long


class Aside:
    """What is kept for one of the two queues: `queue`."""

    def __init__(self, host: QueueHost, queue: ReadyQueue) -> None:
        self._host = host
        self._queue = queue
        self._rows: deque[Pick] = deque()

    def __len__(self) -> int:
        """Return how many are kept in memory."""
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Return whether what is added goes to disk."""
        return len(self._rows) >= MOST_ASIDE

    def add(self, feed: Feed, row: SpooledMessage) -> None:
        """Keep a row in memory, or else on disk, so that it is in nobody's way."""
        if not self.is_full:
            if not self._rows:
                self._host.wake(self._queue)
            self._rows.append((feed, row))
            return
        now, reason = self._host.clock.now(), self._queue.reason
        until, why = now + LOOK_AGAIN_MS, ""
        if reason is not None:
            until, why = max(until, reason.until or 0), sentence(reason, now)
        self._host.put_off(feed, row, until, why)

    def drop_cancelled(self) -> None:
        """End the messages that were cancelled meanwhile."""
        if not (self._rows and self._rows[0][0].home.cancelled):  # all of them are of one account
            return
        for feed, row in self.take(len(self._rows)):
            if row.message_id in feed.home.cancelled:
                self._host.cancelled_in_queue(feed, row)
            else:
                self._rows.append((feed, row))

    def take(self, count: int) -> list[Pick]:
        """Return up to so many, those kept longest first."""
        return [self._rows.popleft() for _ in range(min(count, len(self._rows)))]
