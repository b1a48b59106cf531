"""What the engine counts: attempts that were made, deliveries by their time, queues by state."""

from __future__ import annotations

from pathlib import Path

from merpati.contracts.event import Event, EventType, Settlement
from merpati.contracts.metrics import DELIVERY_BOUNDS, AttemptCount, QueueGauge
from merpati.contracts.queues import QueueStatus
from merpati.delivery.metering import Meter, gauges
from tests.support.smtp_sink import SmtpSink
from tests.support.worker import policy, worker

NOW = 1_790_000_000_000


def event(
    kind: EventType,
    settlement: Settlement | None,
    *,
    took_ms: int = 0,
    provider: str = "google.com",
    sending_ip: str = "127.0.0.2",
) -> Event:
    return Event(
        kind, NOW + took_ms, 1, 1, "7", NOW, "a@x.example", settlement, "p", sending_ip, provider
    )


def queue(depth: int, *, due_in: int = -5_000, in_flight: int = 0, reason: str = "") -> QueueStatus:
    return QueueStatus(
        *(1, 11, "p", "google.com", depth, NOW + due_in, in_flight, 1, "", "", reason, None)
    )


def test_attempts_count_by_outcome_provider_and_pool() -> None:
    meter = Meter()
    meter.count([event(EventType.DELAY, None)] * 2)
    meter.count([event(EventType.BOUNCE, Settlement.BOUNCED, provider="far.example")])
    meter.count([event(EventType.BOUNCE, Settlement.EXPIRED, sending_ip="")])  # never tried
    assert meter.attempts() == [
        AttemptCount("bounced", "other", "p", 1),
        AttemptCount("deferred", "google", "p", 2),
    ]


def test_deliveries_count_in_the_bucket_of_their_time() -> None:
    meter = Meter()
    for took_ms in (100, 101, 90_000_000):
        meter.count([event(EventType.DELIVERY, Settlement.DELIVERED, took_ms=took_ms)])
    meter.count([event(EventType.DELAY, None, took_ms=50)])
    expected = [0] * (len(DELIVERY_BOUNDS) + 1)
    expected[0], expected[1], expected[-1] = 1, 1, 1  # a bound belongs to the bucket below it
    assert meter.delivery_buckets == expected
    assert meter.delivery_ms == 90_000_201


def test_queues_count_by_state_and_the_oldest_is_the_longest_due() -> None:
    found = gauges(
        [
            queue(5, in_flight=2),
            queue(7, due_in=-9_000, reason="connection refused"),
            queue(1, reason="connection refused"),
            queue(4, due_in=60_000, reason="waits for the next attempt"),
        ],
        NOW,
    )
    assert found == [
        QueueGauge("due", "google", "p", 3, 5.0),
        QueueGauge("held", "google", "p", 8, 9.0),
        QueueGauge("in_flight", "google", "p", 2, 0.0),
        QueueGauge("later", "google", "p", 4, 0.0),
    ]


async def test_the_engine_counts_what_it_stored(tmp_path: Path) -> None:
    sink = SmtpSink()
    sink.on_rcpt = lambda c, line: "550 5.1.1 no" if "nobody" in line else "250 ok"
    async with sink.running(), worker(tmp_path, policy(sink.port)) as it:
        await it.inject("a@x.example", "b@x.example", "nobody@x.example")
        await it.settled(3)
        await it.until(lambda: len(it.engine.meter.attempts()) == 2)
        route = f"route:127.0.0.1:{sink.port}"
        assert it.engine.meter.attempts() == [
            AttemptCount("bounced", route, "default", 1),
            AttemptCount("delivered", route, "default", 2),
        ]
        assert sum(it.engine.meter.delivery_buckets) == 2
        assert it.shard.status().accepted == 3
