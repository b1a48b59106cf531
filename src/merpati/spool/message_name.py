"""A message's one id, from acceptance to the event store, in logs, events and the API.

Its number is (shard, id in the shard) in one 64-bit integer, 8 + 55 bits.
"""

from __future__ import annotations

_SHIFT = 55


def message_key(shard: int, message_id: int) -> int:
    """Return the number of a message; consecutive within a batch."""
    return shard << _SHIFT | message_id


def message_name(key: int) -> str:
    """Return a message's id as people and the API see it: 16 hex digits, the shard first."""
    return f"{key >> _SHIFT:02x}{key & ((1 << _SHIFT) - 1):014x}"


def name_of(shard: int, message_id: int) -> str:
    """Return the id of a shard's message."""
    return message_name(message_key(shard, message_id))


def message_of_name(name: str) -> int | None:
    """Return the number of a message shown as `name`; None when it is no such id."""
    try:
        return message_key(int(name[:2], 16), int(name[2:], 16)) if len(name) == 16 else None
    except ValueError:
        return None
