"""What the engine counts for `/metrics`: a few additions a message, once its outcome is stored."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from merpati.contracts.event import Event, EventType
from merpati.contracts.metrics import DELIVERY_BOUNDS, AttemptCount, QueueGauge
from merpati.contracts.queues import QueueStatus
from merpati.providers.labels import label_of

_BOUNDS_MS = [int(bound * 1000) for bound in DELIVERY_BOUNDS]


class Meter:
    """Attempts by outcome, and how long deliveries took; one for all shards of a worker.

    An outcome counts when it is on disk, so figures and events agree. delivery_seconds: the sum
    over all deliveries from injection; mail that was scheduled brings its wait with it.
    """

    def __init__(self) -> None:
        self.delivery_buckets = [0] * (len(_BOUNDS_MS) + 1)
        self.delivery_ms = 0
        self._attempts: dict[tuple[str, str, str], int] = {}  # (outcome, provider, pool)

    def count(self, events: Sequence[Event]) -> None:
        """Add a batch of stored outcomes; those without a connection attempt do not count."""
        attempts = self._attempts
        for event in events:
            if not event.sending_ip:
                continue
            key = (event.settlement or "deferred", label_of(event.provider), event.ip_pool)
            attempts[key] = attempts.get(key, 0) + 1
            if event.type is EventType.DELIVERY:
                took = event.at - event.injected_at
                self.delivery_ms += took
                self.delivery_buckets[bisect_left(_BOUNDS_MS, took)] += 1

    def attempts(self) -> list[AttemptCount]:
        """Return the attempts, with providers as labels."""
        return [AttemptCount(*key, count) for key, count in sorted(self._attempts.items())]


def gauges(queues: Iterable[QueueStatus], now: int) -> list[QueueGauge]:
    """Return what waits by state, provider and pool. now: milliseconds since the epoch.

    A queue's messages are `in_flight` as far as they are on connections; the rest is `held` when
    the queue gives a reason why it does not move, `later` when nothing of it is due, else `due`.
    """
    sums: dict[tuple[str, str, str], tuple[int, float]] = {}

    def add(state: str, queue: QueueStatus, messages: int, oldest: float) -> None:
        key = (state, label_of(queue.provider), queue.pool)
        count, longest = sums.get(key, (0, 0.0))
        sums[key] = (count + messages, max(longest, oldest))

    for queue in queues:
        flying = min(queue.in_flight, queue.depth)
        age = max(0.0, (now - queue.oldest_due_at) / 1000) if queue.oldest_due_at else 0.0
        if flying:
            add("in_flight", queue, flying, 0.0)
        if queue.depth > flying:
            is_later = queue.oldest_due_at is not None and queue.oldest_due_at > now
            state = "later" if is_later else "held" if queue.reason else "due"
            add(state, queue, queue.depth - flying, age)
    return [QueueGauge(*key, *found) for key, found in sorted(sums.items())]
