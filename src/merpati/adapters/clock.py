"""The one clock, with two faces: wall time for due times, monotonic time for pacing and timeouts.

It is handed down from `runtime/`; nothing else reads the system's clocks, so a simulation can pass
its own and a step of the system clock makes no burst and no stall.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What all code that needs time is given."""

    def now(self) -> int:
        """Return wall time in milliseconds since the Unix epoch, UTC."""

    def elapsed(self) -> float:
        """Return monotonic seconds, for intervals only."""


class SystemClock:
    """The system's own clocks."""

    def now(self) -> int:
        """Return wall time in milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        """Return monotonic seconds, for intervals only."""
        return time.monotonic()
