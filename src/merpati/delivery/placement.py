"""Which ready queue a feed belongs to, under the policy in use; or why it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from merpati.adapters.clock import Clock
from merpati.contracts.event import Settlement
from merpati.delivery import events
from merpati.delivery.destinations import (
    Destination,
    Destinations,
    Undeliverable,
    Unreachable,
    Whereto,
)
from merpati.delivery.feed import Feed
from merpati.delivery.host_addresses import FAILURE_TTL
from merpati.delivery.ip_choice import LocalPool
from merpati.delivery.local_policy import LocalPolicy
from merpati.delivery.old_queue import OldQueue
from merpati.delivery.outcome import Bounced
from merpati.delivery.ready_queue import QueueHost, QueueId, ReadyQueue
from merpati.delivery.verdict import Verdicts

LOOK_AGAIN_SECONDS = FAILURE_TTL + 0.5  # the failed lookup is forgotten then


class PlacementHost(QueueHost, Protocol):
    """What placing needs of the engine, besides what it hands on to the ready queues."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a piece of work as a task of the engine's group."""


class Placement:
    """The ready queues, and the way of feeds into them.

    A slow or failing lookup holds only the feeds of its own domain.
    """

    def __init__(
        self,
        host: PlacementHost,
        clock: Clock,
        destinations: Destinations,
        verdicts: Verdicts,
    ) -> None:
        self.queues: dict[QueueId, ReadyQueue] = {}
        self._policy = LocalPolicy.empty()
        self._held = ""
        self._host = host
        self._clock = clock
        self._destinations = destinations
        self._verdicts = verdicts

    def use_policy(self, policy: LocalPolicy) -> None:
        """Undo all placing; `replace` then does it anew for each feed."""
        self._policy = policy
        self._undo_all()

    def hold(self, reason: str) -> None:
        """Undo all placing, and place nothing while there is a reason; then `replace` each feed."""
        self._held = reason
        self._undo_all()

    def _undo_all(self) -> None:
        for queue in self.queues.values():
            queue.retire()
        self.queues.clear()

    def has_rows(self, feed: Feed) -> None:
        """Learn that messages of a feed were read."""
        queue: ReadyQueue | None = feed.placed_in
        if queue is None:
            self._place(feed)
        else:
            queue.has_rows(feed)
            self._host.wake(queue)

    def replace(self, feed: Feed) -> None:
        """Find out anew where a feed's mail goes."""
        if feed.placed_in is not None:
            feed.placed_in.detach(feed)
        feed.reason, feed.until = "", None
        if feed.buffer:
            self._place(feed)
        else:
            feed.home.discard_if_empty(feed)

    def forget_unused(self) -> None:
        """Forget queues without mail."""
        for queue_id, queue in list(self.queues.items()):
            if queue.is_unused:
                queue.retire()
                del self.queues[queue_id]

    def _place(self, feed: Feed) -> None:
        if self._held:
            feed.reason = self._held
            return
        policy = self._policy
        wanted = feed.buffer[0].policy_version
        if policy.version == 0 or wanted > policy.version:
            feed.reason = f"waits for version {wanted} of the sending policy"
            return
        account = policy.accounts.get(feed.key.account_id)
        if account is None:
            self._give_up(feed, events.account_gone(), Settlement.FAILED)
            return
        if account.suspended:
            feed.reason = f"the account is suspended: {account.suspended}"
            return
        pool = policy.pool_for(account, feed.key.pool_id)
        if pool is None:
            feed.reason = "the account has no IP pool here"
            return
        match self._destinations.known(feed.key.domain):
            case Destination() as destination:
                self._queue(pool, destination, feed.key.tier).attach(feed)
            case Undeliverable(bounce):
                self._give_up(feed, bounce, Settlement.BOUNCED)
            case Unreachable(reason):
                self._look_again_later(feed, reason)
            case None:
                self._look_up(feed)

    def _give_up(self, feed: Feed, bounce: Bounced, settlement: Settlement) -> None:
        self._verdicts.give_up_all(feed, bounce, settlement, self._policy.version)

    def _queue(self, pool: LocalPool, destination: Destination, tier: int) -> ReadyQueue:
        barred = pool.barred(tier)
        queue_id = (pool.pool_id, destination.provider, destination.site, barred)
        queue = self.queues.get(queue_id)
        if queue is None:
            orders = self._policy.orders_for(pool, destination.provider)
            split = self._policy.split_for(pool, destination.provider)
            queue = ReadyQueue(
                self._host, pool, destination, self._fresh, orders, barred=barred, split=split
            )
            self.queues[queue_id] = queue
            if split is not None:
                old = OldQueue(self._host, queue, split.egress, orders)
                queue.divide(old)
                self.queues[old.queue_id] = old
        self._host.wake(queue)
        return queue

    def _fresh(self, feed: Feed) -> Destination | None:
        whereto = self._destinations.known(feed.key.domain)
        return whereto if isinstance(whereto, Destination) else None

    def _look_up(self, feed: Feed) -> None:
        if not feed.is_looking_up:
            feed.is_looking_up = True
            feed.reason = f"looking up where mail for {feed.key.domain} goes"
            self._host.spawn(self._find(feed))

    async def _find(self, feed: Feed) -> None:
        whereto: Whereto | None = None
        try:
            whereto = await self._destinations.find(feed.key.domain)
        finally:
            feed.is_looking_up = False
        if isinstance(whereto, Unreachable) and not self._held:
            self._verdicts.defer_head(feed, whereto.reason)
        self.replace(feed)

    def _look_again_later(self, feed: Feed, reason: str) -> None:
        feed.reason = reason
        if feed.until is None:
            feed.until = self._clock.now() + int(LOOK_AGAIN_SECONDS * 1000)
            asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._look_again, feed)

    def _look_again(self, feed: Feed) -> None:
        if feed.placed_in is None and not self._host.is_stopping:
            self.replace(feed)
