"""Mail for the desk on its way from the inbound port to who reads it: as it came, and unread.

Persisted as one file a mail: the shape only ever gains fields with defaults, at the end.
"""

from __future__ import annotations

import msgspec


class DeskMail(msgspec.Struct, frozen=True, array_like=True):
    """A mail to one address of the desk; everything is untrusted but when, from where and to whom.

    received_at: milliseconds since the Unix epoch, UTC. data: CRLF lines only.
    """

    received_at: int
    rcpt_to: str
    msg_from: str  # "" for the null sender
    peer: str  # IP address
    helo: str
    data: bytes
