"""What a delivery worker has counted since it started, for `/metrics`."""

from __future__ import annotations

import msgspec

# Seconds; the last bucket, +Inf, is not listed. A minute, an hour and a day are bounds, since
# people ask for those; the rest is about even on a logarithmic scale.
DELIVERY_BOUNDS = (
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 900.0, 3_600.0, 14_400.0, 86_400.0),
)


class AttemptCount(msgspec.Struct, frozen=True, array_like=True):
    """Attempts over a connection that came to one outcome: delivered, deferred, bounced, …"""

    outcome: str
    provider: str
    ip_pool: str
    count: int


class QueueGauge(msgspec.Struct, frozen=True, array_like=True):
    """Messages on disk in one state: in_flight, due, later or held.

    oldest_seconds: since the oldest of them fell due; 0 when none has.
    """

    state: str
    provider: str
    ip_pool: str
    messages: int
    oldest_seconds: float


class WorkerMetrics(msgspec.Struct, frozen=True, array_like=True):
    """One worker. Names of providers come from a bounded list, see `providers/labels.py`.

    accepted: messages since the spool was made, not since the start. delivery_buckets: deliveries
    by DELIVERY_BOUNDS and one more, each counted once. troubled, short: numbers of shards that
    refuse for sickness, and for want of disk space.
    """

    accepted: int
    waiting: int
    journal_rows: int
    troubled: list[int]
    short: list[int]
    queues: list[QueueGauge]
    attempts: list[AttemptCount]
    delivery_buckets: list[int]
    delivery_seconds: float
    uncertain: int
    connections: int
    is_held: bool
