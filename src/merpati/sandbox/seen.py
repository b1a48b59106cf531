"""What the sandbox saw: one entry for each recipient's try, and their sums."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field

import msgspec


class Outcome(enum.StrEnum):
    """What a try came to, as the sender sees it; DROPPED: the connection ended unanswered."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    DROPPED = "dropped"


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One try for one recipient.

    host: the MX host's name; reply: its text, lines joined by newlines, "" when it hung up;
    size_bytes, file: of the message, where it came whole and where it was kept.
    """

    outcome: Outcome
    provider: str
    host: str
    from_ip: str
    helo: str
    is_tls: bool
    mail_from: str
    rcpt_to: str
    reply: str
    size_bytes: int = 0
    file: str = ""


@dataclass
class Tally:
    """Sums since the start; `last` are the newest tries, the newest first."""

    counts: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    size_bytes: int = 0
    last: list[Try] = field(default_factory=list)

    def add(self, seen: Try, remembered: int = 10) -> None:
        """Count one try."""
        self.counts[seen.provider, seen.outcome] += 1
        self.size_bytes += seen.size_bytes
        self.last = [seen, *self.last[: remembered - 1]]
