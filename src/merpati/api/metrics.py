"""`GET /metrics`: all processes of this Merpati in Prometheus' text format.

Whichever web process is asked, the answer is the same: it asks the workers and the recorder.
Counters stay apart by worker, since a sum over processes would seem to jump when one restarts.
"""

from __future__ import annotations

import hmac
import ipaddress
import platform
from collections.abc import Iterator, Sequence

from django.http import HttpRequest, HttpResponse

from merpati import __version__
from merpati.adapters.exposition import CONTENT_TYPE, Family, Sample, exposition, histogram
from merpati.api.authentication import key_of
from merpati.api.errors import refusal
from merpati.api.services import services
from merpati.api.watch import ClockStatus, NoAnswer
from merpati.contracts.metrics import DELIVERY_BOUNDS, WorkerMetrics

Workers = Sequence[tuple[str, WorkerMetrics]]  # with the worker's number as a label


def show(request: HttpRequest) -> HttpResponse:
    """Answer a scrape. Raises ApiError 403 for who may not read it."""
    state = services()
    _check_reader(request, state.metrics_token)
    watch = state.watch
    answers = watch.metrics() if watch else []
    clock = watch.clock() if watch else NoAnswer("")
    text = exposition(families(answers, clock))
    return HttpResponse(text.encode(), content_type=CONTENT_TYPE)


def _check_reader(request: HttpRequest, token: str) -> None:
    meta = request.META
    if token:
        if hmac.compare_digest(key_of(meta.get("HTTP_AUTHORIZATION", "")).encode(), token.encode()):
            return
        advice = "Send the token of the setting metrics.token: Authorization: Bearer TOKEN."
    else:
        # Behind a proxy on this host everybody seems to be local; proxies say for whom they ask.
        forwarded = "HTTP_X_FORWARDED_FOR" in meta or "HTTP_FORWARDED" in meta
        if not forwarded and _is_local(meta.get("REMOTE_ADDR", "")):
            return
        advice = "Only this host's own callers may read this; others need the metrics.token."
    raise refusal(403, "Forbidden.", advice, problem="forbidden")


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def families(
    answers: Sequence[WorkerMetrics | NoAnswer], clock: ClockStatus | NoAnswer
) -> Iterator[Family]:
    """Return all metrics; who did not answer is `up 0` and in no other family."""
    numbered = [(str(number), answer) for number, answer in enumerate(answers)]
    workers = [(n, answer) for n, answer in numbered if isinstance(answer, WorkerMetrics)]
    up = [Sample(isinstance(a, WorkerMetrics), {"process": f"deliver-{n}"}) for n, a in numbered]
    is_clock_up = isinstance(clock, ClockStatus)
    info = {"version": __version__, "python": platform.python_version()}
    yield Family("merpati_build_info", "gauge", "Which Merpati this is.", [Sample(1, info)])
    yield Family(
        "merpati_process_up",
        "gauge",
        "1 when a process answered this scrape.",
        [*up, Sample(is_clock_up, {"process": "clock"})],
    )
    yield from _spool(workers)
    yield from _delivery(workers)
    if isinstance(clock, ClockStatus):
        yield Family(
            "merpati_events_recorded_total",
            "counter",
            "Events stored by the recorder since it started.",
            [Sample(clock.recorded)],
        )
        yield Family(
            "merpati_recorder_trouble",
            "gauge",
            "1 while the recorder cannot store events; they wait in the journal.",
            [Sample(bool(clock.trouble))],
        )


def _spool(workers: Workers) -> Iterator[Family]:
    yield Family(
        "merpati_accepted_messages_total",
        "counter",
        "Messages accepted since the spool was made.",
        [Sample(m.accepted, {"worker": n}) for n, m in workers],
    )
    yield Family(
        "merpati_queue_messages",
        "gauge",
        "Messages on disk: in_flight, due, later (not due yet) or held (with a reason).",
        [
            Sample(g.messages, {"worker": n, **_labels(g.provider, g.ip_pool), "state": g.state})
            for n, m in workers
            for g in m.queues
        ],
    )
    yield Family(
        "merpati_queue_oldest_seconds",
        "gauge",
        "Since the oldest message that is not on a connection fell due; 0 when none is due.",
        [
            Sample(
                g.oldest_seconds, {"worker": n, **_labels(g.provider, g.ip_pool), "state": g.state}
            )
            for n, m in workers
            for g in m.queues
            if g.state != "in_flight"
        ],
    )
    yield Family(
        "merpati_spool_messages",
        "gauge",
        "Messages on disk, all states.",
        [Sample(m.waiting, {"worker": n}) for n, m in workers],
    )
    yield Family(
        "merpati_journal_records",
        "gauge",
        "Journal records that the recorder has not stored yet.",
        [Sample(m.journal_rows, {"worker": n}) for n, m in workers],
    )
    yield Family(
        "merpati_spool_trouble",
        "gauge",
        "Shards that refuse: their file cannot be written (sick), or the disk is full (short).",
        [
            Sample(len(shards), {"worker": n, "kind": kind})
            for n, m in workers
            for kind, shards in (("sick", m.troubled), ("short", m.short))
        ],
    )


def _delivery(workers: Workers) -> Iterator[Family]:
    yield Family(
        "merpati_smtp_attempts_total",
        "counter",
        "Attempts by outcome: delivered, deferred, bounced or expired.",
        [
            Sample(a.count, {"worker": n, **_labels(a.provider, a.ip_pool), "outcome": a.outcome})
            for n, m in workers
            for a in m.attempts
        ],
    )
    yield Family(
        "merpati_delivery_seconds",
        "histogram",
        "From injection to the receiver's 250; scheduled mail with its wait.",
        [
            sample
            for n, m in workers
            for sample in histogram(
                DELIVERY_BOUNDS, m.delivery_buckets, m.delivery_seconds, {"worker": n}
            )
        ],
    )
    yield Family(
        "merpati_uncertain_attempts_total",
        "counter",
        "Messages sent whole whose answer never came; they may be repeated.",
        [Sample(m.uncertain, {"worker": n}) for n, m in workers],
    )
    yield Family(
        "merpati_smtp_connections",
        "gauge",
        "Open connections to receivers.",
        [Sample(m.connections, {"worker": n}) for n, m in workers],
    )
    yield Family(
        "merpati_delivery_held",
        "gauge",
        "1 while the operator holds all delivery (merpati hold, or after a restore).",
        [Sample(m.is_held, {"worker": n}) for n, m in workers],
    )


def _labels(provider: str, ip_pool: str) -> dict[str, str]:
    return {"provider": provider, "ip_pool": ip_pool}
