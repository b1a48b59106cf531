"""Numbers of events and messages across shards, each in one 64-bit integer.

An event is (shard, journal sequence, index in the record): 4 + 39 + 20 bits, so that a batch of a
million recipients fits a record. A message is (shard, id in the shard): 8 + 55 bits.
"""

from __future__ import annotations

SHARD_SHIFT = 59
SEQ_SHIFT = 20
INDEX_LIMIT = 1 << SEQ_SHIFT
MESSAGE_SHIFT = 55


def event_id(shard: int, seq: int, index: int) -> int:
    """Return the number of an event; later events of a shard have greater numbers."""
    return shard << SHARD_SHIFT | seq << SEQ_SHIFT | index


def first_event_id(shard: int) -> int:
    """Return the number below all events of a shard, and above those of the shard before."""
    return shard << SHARD_SHIFT


def message_key(shard: int, message_id: int) -> int:
    """Return the number of a message; consecutive within a batch."""
    return shard << MESSAGE_SHIFT | message_id


def message_name(key: int) -> str:
    """Return a message's id as people and the API see it: 16 hex digits, the shard first."""
    return f"{key >> MESSAGE_SHIFT:02x}{key & ((1 << MESSAGE_SHIFT) - 1):014x}"


def message_of_name(name: str) -> int | None:
    """Return the number of a message shown as `name`; None when it is no such id."""
    try:
        return message_key(int(name[:2], 16), int(name[2:], 16)) if len(name) == 16 else None
    except ValueError:
        return None
