"""What comes in for a return path of ours: a report of some kind, kept as it came and unread.

Persisted in the journal and in the event store: the shape only ever gains fields with defaults, at
the end. Times are milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import msgspec

KEPT_BYTES = 64 * 1024
"""Of a larger report only the beginning is kept: it says there what it has to say, and behind it
comes the message it is about (RFC 3464 section 2, RFC 5965 section 2)."""


class InboundMail(msgspec.Struct, frozen=True, array_like=True):
    """A message to the return path of one message of ours; everything but the ids is untrusted.

    account_id, message_id: whose return path it is, signed by us; the message's shard is the one
    whose journal holds this. data: CRLF lines, the first KEPT_BYTES of size_bytes.
    """

    account_id: int
    message_id: int
    received_at: int
    rcpt_to: str
    msg_from: str  # "" for the null sender
    peer: str  # IP address
    helo: str
    size_bytes: int
    data: bytes
