"""What the delivery of one worker looks like from outside, by pool and provider."""

from __future__ import annotations

import msgspec


class QueueStatus(msgspec.Struct, frozen=True, omit_defaults=False):
    """One ready queue, as `merpati queue` shows it. Times: milliseconds since the epoch, or None.

    provider: mailbox provider or route; as long as neither is known what the recipient domain
    hints at, or that domain.
    depth: messages on disk, those in flight and those that wait for a retry included.
    tls: protocol and cipher of the connection opened last, "" for none.
    reason: why nothing moves, "" while something does; until: when that ends, if that is known.
    """

    account_id: int
    pool_id: int
    pool: str
    provider: str
    depth: int
    oldest_due_at: int | None
    in_flight: int
    connections: int
    last_reply: str
    pace: str
    reason: str
    until: int | None
    tls: str = ""
