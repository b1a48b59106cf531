"""Cancelling the mail of a transmission or campaign that was not sent yet, in steps.

What is only on disk ends at once. What the engine holds ends where it is: in memory before it is
picked, later at the last moment before a connection takes it. What a connection has taken goes on;
if it comes back it ends then. So a message is either sent or cancelled, and told as just that.

A cancellation stays in the shard until none of its messages is left, so it survives a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from merpati.delivery import events
from merpati.delivery.feed import ShardFeeds
from merpati.delivery.outcome import Bounced
from merpati.delivery.verdict import Verdicts
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shapes import Cancellation, SpooledMessage

log = logging.getLogger(__name__)

STEP_MESSAGES = 2_000  # looked through in one reading: some milliseconds of the shard's thread
AGAIN_SECONDS = 0.5  # before messages are looked at again that were on their way
TROUBLE_SECONDS = 1.0


class Canceller:
    """Cancels what is asked of one shard; `run` is its task."""

    def __init__(self, home: ShardFeeds, verdicts: Verdicts) -> None:
        self._home = home
        self._shard = home.shard
        self._verdicts = verdicts
        self._asked = asyncio.Event()
        self._asked.set()  # what a run before this one did not finish
        self._shard.on_cancel = self._asked.set

    async def run(self) -> None:
        """Cancel whatever is asked, until the task is cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                for wanted in await self._shard.cancellations():
                    await self._finish(wanted)
            except SpoolUnavailable as error:
                log.warning("cancel_waits shard=%d reason=%s", self._shard.number, error.reason)
                self._asked.set()
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _finish(self, wanted: Cancellation) -> None:
        left = await self._pass(wanted, 0)
        while left is not None:
            await asyncio.sleep(AGAIN_SECONDS)
            left = await self._pass(wanted, left)
        await self._shard.end_cancel(wanted.cancellation_id)
        log.info(
            "cancelled account=%d campaign=%s transmission=%s",
            wanted.account_id,
            wanted.campaign_id,
            wanted.transmission_id or "-",
        )

    async def _pass(self, wanted: Cancellation, after: int) -> int | None:
        """Cancel what is found; return behind which id to look again, None when nothing was left.

        What was settled just now may still be found: only an empty pass is the last.
        """
        first_left: int | None = None
        while True:
            if self._home.is_sick:  # outcomes cannot be stored: later, then
                return after if first_left is None else first_left
            last, rows = await self._shard.cancellable(wanted, after, STEP_MESSAGES)
            if last is None:
                return first_left
            after = last
            if rows and first_left is None:
                first_left = rows[0].message_id - 1
            self._cancel(rows, events.cancelled(wanted))

    def _cancel(self, rows: Sequence[SpooledMessage], bounce: Bounced) -> None:
        """End messages that nobody holds, or that wait in memory; mark the others."""
        held = self._home.held
        in_memory = self._take_out([row for row in rows if row.message_id in held])
        for row in rows:
            if row.message_id in in_memory or row.message_id not in held:
                held.add(row.message_id)  # a page that is being read now must not bring it
                self._verdicts.cancel(self._shard.number, row, bounce)
            else:
                self._home.cancelled[row.message_id] = bounce

    def _take_out(self, rows: Sequence[SpooledMessage]) -> set[int]:
        """Take messages out of the feeds' memory; return the ids of those that were there."""
        wanted = {row.message_id for row in rows}
        found: set[int] = set()
        for queue_id in {row.queue_id for row in rows}:
            feed = self._home.feeds.get(queue_id)
            if feed is None:
                continue
            there = {row.message_id for row in feed.buffer} & wanted
            if there:
                found |= there
                feed.buffer = deque(row for row in feed.buffer if row.message_id not in there)
                self._home.read_ahead(feed)
                self._home.discard_if_empty(feed)
        return found
