"""How fast mail may go one way: a rate as a token bucket, and the back-off after failures.

Both count on monotonic seconds that the caller passes, so a step of the system clock makes no
burst and no stall.
"""

from __future__ import annotations

BURST_SECONDS = 2.0  # so much of a minute's rate may go at once


class TokenBucket:
    """At most `per_minute` messages a minute, evenly, with a small burst."""

    def __init__(self, per_minute: float, now: float) -> None:
        self._at = now
        self._set(per_minute)
        self._tokens = self._burst

    def change(self, per_minute: float, now: float) -> None:
        """Go at another rate from now on; what was gained stays, within the new burst."""
        self._refill(now)
        self._set(per_minute)
        self._tokens = min(self._tokens, self._burst)

    def _set(self, per_minute: float) -> None:
        self.per_second = per_minute / 60.0
        self._burst = max(1.0, self.per_second * BURST_SECONDS)

    def take(self, now: float) -> bool:
        """Use one token if there is one."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until a token is there, 0 if one is."""
        self._refill(now)
        return max(0.0, (1.0 - self._tokens) / self.per_second)

    def _refill(self, now: float) -> None:
        if now > self._at:
            # A nanosecond's rounding must not turn the end of a wait into another wait.
            grown = self._tokens + (now - self._at) * self.per_second + 1e-9
            self._tokens = min(self._burst, grown)
            self._at = now


class Backoff:
    """After each failure in a row wait twice as long: 1, 2, 4 … seconds up to `longest`."""

    def __init__(self, first: float = 1.0, longest: float = 300.0) -> None:
        self._first = first
        self._longest = longest
        self.failures = 0
        self.until = 0.0  # monotonic
        self.reason = ""

    def failed(self, reason: str, now: float) -> None:
        """Count a failure. Those of attempts begun before the wait do not lengthen it."""
        if now < self.until:
            return
        self.failures += 1
        self.until = now + min(self._first * 2 ** min(self.failures - 1, 30), self._longest)
        self.reason = reason

    def worked(self) -> None:
        """Forget the failures."""
        self.failures = 0
        self.until = 0.0
        self.reason = ""

    def is_waiting(self, now: float) -> bool:
        """Return whether no attempt should be made yet."""
        return now < self.until
