"""What the sink does with a recipient: its address alone says it, so whoever judges knows too."""

from __future__ import annotations

import enum
import zlib
from dataclasses import dataclass


class Fate(enum.Enum):
    """Taken, taken at the second try, or refused for good."""

    TAKEN = enum.auto()
    DEFERRED_ONCE = enum.auto()
    REJECTED = enum.auto()


@dataclass(frozen=True)
class Manners:
    """How many of a hundred recipients are deferred once, and how many do not exist."""

    defer: int = 0
    reject: int = 0

    def fate_of(self, recipient: str) -> Fate:
        """Return what becomes of mail to a recipient."""
        share = zlib.crc32(recipient.encode()) % 100
        if share < self.reject:
            return Fate.REJECTED
        return Fate.DEFERRED_ONCE if share < self.reject + self.defer else Fate.TAKEN


POLITE = Manners()
