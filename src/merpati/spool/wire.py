"""What travels between `client.py` and `server.py` on a worker's socket."""

from __future__ import annotations

import msgspec

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
    """A batch stays packed, so that the worker's loop only moves bytes. Answer: batch.Accepted."""

    shard: int
    batch: bytes  # msgpack of contracts.batch.Batch


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


Depths = list[QueueDepth]
Statuses = list[ShardStatus]  # of all shards of the worker; the request is empty

NOT_HERE = "not_here"  # the worker does not own the shard: the caller knows another --workers

_ERRORS = (SpoolUnavailable, SpoolFull, ShardInUse, IdempotencyConflict, BatchRefused)
_BY_KIND: dict[str, type[SpoolError]] = {error.kind: error for error in _ERRORS}


def error_of(kind: str, message: str) -> SpoolError:
    """Return the spool's error that a worker's refusal stands for; unknown ones: unavailable."""
    return _BY_KIND.get(kind, SpoolUnavailable)(message)
