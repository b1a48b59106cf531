"""`/api/merpati/v1/queues`: the account's own mail that waits, and its orders to it.

Each queue says why it does not move and when it will, as the `merpati queue` command does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from django.http import HttpResponse

from merpati.adapters import codec
from merpati.api.call import Call, json_response
from merpati.api.error_map import RETRY_AFTER
from merpati.api.errors import ApiError, refusal
from merpati.api.services import services
from merpati.api.watch import NoAnswer, Watch
from merpati.contracts.queues import QueueStatus, Retry
from merpati.sending.errors import InvalidValue, PoolNotFound, SendingIpNotFound
from merpati.sending.models import QueueOrder
from merpati.sending.queue_orders import (
    Subject,
    end_orders,
    give_order,
    orders_in_force,
    parse_duration,
    record_retry,
    subject_of,
)

T = TypeVar("T")


class _Which(msgspec.Struct):
    ip_pool: str | None = None
    provider: str | None = None
    sending_ip: str | None = None


class _Pause(_Which):
    duration: str = "1h"
    reason: str = ""


# Names on the wire; the actions have their own.
_POINTERS = {"pool": "/ip_pool", "provider": "/provider", "for": "/duration", "reason": "/reason"}


def list_all(call: Call) -> HttpResponse:
    """Return the account's queues, the deepest first, and the orders in force for them."""
    rows = [
        row
        for answer in _answers(_watch().queues())
        for row in answer
        if row.account_id == call.account_id
    ]
    rows.sort(key=lambda row: (-row.depth, row.pool, row.provider))
    orders = [one for one in orders_in_force(call.now) if one.account_id == call.account_id]
    body = {
        "results": [_queue(row) for row in rows],
        "total_count": len(rows),
        "orders": [_order(order) for order in orders],
    }
    return json_response(codec.json_bytes(body))


def pause(call: Call) -> HttpResponse:
    """Have mail of the account wait until a moment, a week ahead at most."""
    wanted = call.json(_Pause)
    try:
        subject = _subject(call, wanted)
        until = call.now + parse_duration(wanted.duration)
        order = give_order(
            subject, until, wanted.reason, by=call.actor, now=call.now, by_account=True
        )
    except InvalidValue as error:
        raise _invalid(error) from None
    return json_response(codec.json_bytes({"results": _order(order)}), 201)


def resume(call: Call) -> HttpResponse:
    """End the account's own pauses; what the operator ordered stays."""
    subject = _subject(call, call.json(_Which))
    ended = end_orders(subject, by=call.actor, now=call.now, by_account=True)
    return json_response(codec.json_bytes({"results": [_order(order) for order in ended]}))


def retry(call: Call) -> HttpResponse:
    """Have the account's deferred mail tried again now; what replies taught stays."""
    subject = _subject(call, call.json(_Which))
    record_retry(subject, lifts=False, by=call.actor, now=call.now)
    wanted = Retry(subject.account_id, subject.pool_id, subject.provider, subject.sending_ip)
    count = sum(_answers(_watch().retry(wanted)))
    return json_response(codec.json_bytes({"results": {"due": count}}))


def _subject(call: Call, which: _Which) -> Subject:
    try:
        return subject_of(call.account_id, which.ip_pool, which.provider, which.sending_ip)
    except InvalidValue as error:
        raise _invalid(error) from None
    except PoolNotFound as error:
        words = f"There is no pool '{error.pool}' in this account."
        raise refusal(422, words, pointer="/ip_pool") from None
    except SendingIpNotFound as error:
        words = f"There is no sending IP {error.address} in this account."
        raise refusal(422, words, pointer="/sending_ip") from None


def _invalid(error: InvalidValue) -> ApiError:
    return refusal(422, error.message, pointer=_POINTERS.get(error.field, ""))


def _watch() -> Watch:
    watch = services().watch
    if watch is None:
        raise _unavailable("nobody to ask")
    return watch


def _answers(answers: Sequence[T | NoAnswer]) -> list[T]:
    """Return what the workers said. Raises ApiError 503 unless all did."""
    said: list[T] = []
    for answer in answers:
        if isinstance(answer, NoAnswer):
            raise _unavailable(answer.reason)
        said.append(answer)
    return said


def _unavailable(reason: str) -> ApiError:
    return refusal(
        503,
        "The queues cannot be read at the moment.",
        f"A delivery worker does not answer: {reason}",
        problem="unavailable",
        headers=RETRY_AFTER,
    )


def _queue(row: QueueStatus) -> dict[str, Any]:
    reason = row.reason
    if row.by.startswith("cli:"):  # who of the operator's people it was is not the customer's
        reason = reason.replace(f" by {row.by} ", " by the operator ")
    return {
        "ip_pool": row.pool,
        "provider": row.provider,
        "depth": row.depth,
        "in_flight": row.in_flight,
        "oldest_due_at": _moment(row.oldest_due_at),
        "why": row.why or None,
        "reason": reason or None,
        "until": _moment(row.until),
        "slowed": list(row.slowed),
        "split": list(row.split),
        "pace": row.pace or None,
        "last_reply": row.last_reply or None,
    }


def _order(order: QueueOrder) -> dict[str, Any]:
    return {
        "ip_pool": order.pool.slug if order.pool else None,
        "provider": order.provider or None,
        "sending_ip": order.sending_ip or None,
        "by": order.by if order.by_account else "operator",
        "reason": order.reason,
        "since": order.created_at.isoformat(timespec="seconds"),
        "until": order.until_at.isoformat(timespec="seconds"),
    }


def _moment(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
