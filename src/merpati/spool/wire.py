"""What travels between `client.py` and `server.py` on a worker's socket."""

from __future__ import annotations

import msgspec

from merpati.contracts.batch import Accepted
from merpati.contracts.event import JournalKind
from merpati.spool.errors import (
    BatchRefused,
    IdempotencyConflict,
    ShardInUse,
    SpoolError,
    SpoolFull,
    SpoolUnavailable,
)
from merpati.spool.shapes import QueueDepth, ShardStatus


class AppendRequest(msgspec.Struct, frozen=True, array_like=True):
    """Batches that came together: they share a request, a commit and an answer, no fate.

    They stay packed, so that the worker's loop only moves bytes. Answer: Appends, in their order.
    """

    shard: int
    batches: list[bytes]  # msgpack of contracts.batch.Batch, each


class Append(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What became of one batch. kind: "" when it is durable, else as of the error, with subject."""

    base_id: int = 0
    repeated: bool = False
    reply: bytes = b""
    kind: str = ""
    subject: str = ""


class RecordRequest(msgspec.Struct, frozen=True, array_like=True):
    """Answer: empty, once it is durable."""

    shard: int
    kind: JournalKind
    payload: bytes


class TrimRequest(msgspec.Struct, frozen=True, array_like=True):
    """Answer: empty."""

    shard: int
    seq: int


class CancelRequest(msgspec.Struct, frozen=True, array_like=True):
    """Answer: empty, once it is durable that this will be done."""

    shard: int
    account_id: int
    campaign_id: str
    transmission_id: str = ""  # instead of the campaign


class DepthRequest(msgspec.Struct, frozen=True, array_like=True):
    """Answer: list[QueueDepth] of one shard."""

    shard: int


Appends = list[Append]
Depths = list[QueueDepth]
Statuses = list[ShardStatus]  # of all shards of the worker; the request is empty

NOT_HERE = "not_here"  # the worker does not own the shard: the caller knows another --workers

_ERRORS = (SpoolUnavailable, SpoolFull, ShardInUse, IdempotencyConflict, BatchRefused)
_BY_KIND: dict[str, type[SpoolError]] = {error.kind: error for error in _ERRORS}


def append_of(outcome: Accepted | SpoolError) -> Append:
    """Return an outcome as it travels."""
    if isinstance(outcome, SpoolError):
        return Append(kind=outcome.kind, subject=outcome.subject)
    return Append(outcome.base_id, outcome.repeated, outcome.reply)


def outcome_of(append: Append) -> Accepted | SpoolError:
    """Return what travelled as it was."""
    if append.kind:
        return error_of(append.kind, append.subject)
    return Accepted(append.base_id, append.repeated, append.reply)


def error_of(kind: str, message: str) -> SpoolError:
    """Return the spool's error that a worker's refusal stands for; unknown ones: unavailable."""
    return _BY_KIND.get(kind, SpoolUnavailable)(message)
