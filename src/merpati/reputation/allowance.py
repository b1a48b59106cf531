"""The two answers of a warm-up policy: how much today, and how fast now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from merpati.reputation.reason import Reason


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one sending IP may send to one provider on the next day, in attempts."""

    messages_per_day: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Pace:
    """The most that may be sent an hour from now on; 0: nothing.

    until: when the pace ends by itself (UTC), None: once it is asked for again.
    """

    messages_per_hour: int
    until: datetime | None
    reason: Reason
