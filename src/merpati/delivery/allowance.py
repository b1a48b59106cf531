"""The warm-up allowance of one sending IP: attempts it may make on a UTC day.

Reserved from the shard in small blocks, counted there durably before use: a crash wastes a block
and never exceeds the day's limit. What is left of a block at midnight is not carried over. The day
never goes back, whatever the system clock does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from merpati.adapters.clock import Clock

DAY_MS = 86_400_000
MOST_BLOCK = 64

Reserve = Callable[[str, int, int, int], Awaitable[int]]


class Allowance:
    """What one IP may still send today. All calls on one loop; at most one `refill` at a time."""

    def __init__(self, address: str, limit: int, reserve: Reserve, clock: Clock) -> None:
        self.limit = limit
        self._address = address
        self._reserve = reserve
        self._clock = clock
        self._day = clock.now() // DAY_MS
        self._left = 0
        self._is_spent = limit <= 0
        self._refilling = False
        self._cut = (100, 0)  # percent of the limit, on that day

    @property
    def left(self) -> int:
        """Return how many attempts are reserved and unused."""
        self._turn_day()
        return self._left

    @property
    def is_spent(self) -> bool:
        """Return whether the day's limit is used up."""
        self._turn_day()
        return self._is_spent and self._left == 0

    @property
    def next_day_at(self) -> int:
        """Return when the next allowance begins, in milliseconds since the epoch."""
        return (self._day + 1) * DAY_MS

    def take(self) -> bool:
        """Use one attempt if one is reserved."""
        self._turn_day()
        if self._left == 0:
            return False
        self._left -= 1
        return True

    def wants_refill(self) -> bool:
        """Return whether the shard should be asked for a further block now."""
        self._turn_day()
        return not self._refilling and not self._is_spent and self._left < self._block() // 2 + 1

    def begin_refill(self) -> None:
        """Note that `refill` is about to run: until it is done none is wanted."""
        self._refilling = True

    async def refill(self) -> None:
        """Ask for a block. Raises SpoolUnavailable, with nothing granted."""
        try:
            day = self._day
            limit = self.limit * self.percent // 100
            granted = await self._reserve(self._address, day, self._block(), limit)
            if day == self._day:
                self._left += granted
                self._is_spent = granted == 0
        finally:
            self._refilling = False

    @property
    def percent(self) -> int:
        """Return how much of the limit holds today."""
        percent, day = self._cut
        return percent if day == self._day else 100

    def cut(self, percent: int, day: int) -> None:
        """Leave only a part of one day's limit; what is reserved already may still go out."""
        self._cut = (percent, day)

    def uncut(self) -> None:
        """Let the whole limit hold again."""
        self._cut = (100, 0)
        self._is_spent = self.limit <= 0

    def change_limit(self, limit: int) -> None:
        """Follow a changed policy."""
        if limit != self.limit:
            if limit < self.limit:
                self._left = 0  # reserved under the wider limit
            self.limit = limit
            self._is_spent = limit <= 0

    def _block(self) -> int:
        return max(1, min(MOST_BLOCK, self.limit // 20))

    def _turn_day(self) -> None:
        today = self._clock.now() // DAY_MS
        if today > self._day:
            self._day = today
            self._left = 0
            self._is_spent = self.limit <= 0
