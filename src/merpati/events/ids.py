"""Numbers of events across shards, each in one 64-bit integer.

An event is (shard, journal sequence, index in the record): 4 + 39 + 20 bits, so that a batch of a
million recipients fits a record.
"""

from __future__ import annotations

SHARD_SHIFT = 59
SEQ_SHIFT = 20
INDEX_LIMIT = 1 << SEQ_SHIFT


def event_id(shard: int, seq: int, index: int) -> int:
    """Return the number of an event; later events of a shard have greater numbers."""
    return shard << SHARD_SHIFT | seq << SEQ_SHIFT | index


def first_event_id(shard: int) -> int:
    """Return the number below all events of a shard, and above those of the shard before."""
    return shard << SHARD_SHIFT


def event_bounds(shard: int) -> tuple[int, int]:
    """Return the first number of a shard's events, and the one behind its last."""
    # The last shard's end does not fit SQLite's integers; nothing is above it anyway.
    return first_event_id(shard), min(first_event_id(shard + 1), (1 << 63) - 1)
