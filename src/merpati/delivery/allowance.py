"""A warm-up allowance: attempts that one sending IP may make on a UTC day, at a provider or in all.

Reserved from the shard in small blocks, counted there durably before use: a crash wastes a block
and never exceeds the day's limit. What is left of a block at midnight is not carried over. The day
never goes back, whatever the system clock does.

Allowances by provider are spread: they go at their messages an hour, or evenly over what is left of
the day. That counts on monotonic time, so a step of the system clock makes no burst.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from merpati.adapters.clock import Clock
from merpati.contracts.sending_policy import ProviderAllowance
from merpati.delivery.pacing import TokenBucket
from merpati.spool.shapes import Grant

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MOST_BLOCK = 64
SOON_SECONDS = 5.0  # a message is not taken out of the queue earlier before its turn

# (sending IP, provider, day, block, limit) -> granted
Reserve = Callable[[str, str, int, int, int], Awaitable[Grant]]


class Allowance:
    """What one IP may still send today. All calls on one loop; at most one `refill` at a time.

    provider: "" for the IP's limit in all. promised: messages assigned that did not say MAIL yet.
    """

    def __init__(
        self,
        address: str,
        provider: str,
        levels: Sequence[ProviderAllowance],
        reserve: Reserve,
        clock: Clock,
        *,
        is_spread: bool = True,
    ) -> None:
        """levels: at least one, as `follow` takes them. is_spread: not all at once."""
        self.address = address
        self.provider = provider
        self.promised = 0
        self.used = 0  # of the day's limit, what is reserved included
        self._reserve = reserve
        self._clock = clock
        self._is_spread = is_spread
        self._bucket: TokenBucket | None = None
        self._day = clock.now() // DAY_MS
        self._day_ends_at = (self._day + 1) * DAY_MS
        self._left = 0
        self._is_spent = False
        self._refilling = False
        self._cut = (100, 0)  # percent of the limit, on that day
        self._levels = tuple(levels)
        self._level = levels[0]
        self._take_level()

    def follow(self, levels: Sequence[ProviderAllowance], *, is_spread: bool = True) -> None:
        """Take a changed policy's levels; the latest up to a day holds, else the earliest."""
        self._now()
        if tuple(levels) == self._levels and is_spread == self._is_spread:
            return
        self._is_spread = is_spread
        self._levels = tuple(levels)
        self._take_level()

    @property
    def level(self) -> ProviderAllowance:
        """Return what the plan says of today."""
        self._now()
        return self._level

    @property
    def limit(self) -> int:
        """Return today's limit, after what replies left of it."""
        self._now()
        return self._level.messages * self.percent // 100

    @property
    def left(self) -> int:
        """Return how many attempts are reserved and unused."""
        self._now()
        return self._left

    @property
    def is_spent(self) -> bool:
        """Return whether the day's limit is used up."""
        self._now()
        return self._is_spent and self._left == 0

    @property
    def is_paused(self) -> bool:
        """Return whether the plan lets nothing go just now."""
        return self._now() < self._paused_until

    @property
    def paused_until(self) -> int:
        """Return when the plan lets mail go again, in milliseconds since the epoch."""
        self._now()
        return self._paused_until

    @property
    def next_day_at(self) -> int:
        """Return when the next allowance begins, in milliseconds since the epoch."""
        return self._day_ends_at

    @property
    def per_hour(self) -> float | None:
        """Return how fast it goes at present, None for as fast as the provider bears."""
        return self._bucket.per_second * 3_600 if self._bucket is not None else None

    def room(self) -> int:
        """Return how many further messages may be assigned now."""
        room = self.left - self.promised
        if self._bucket is not None:
            room = min(room, 1 + int(self._bucket.per_second * SOON_SECONDS) - self.promised)
        return room

    @property
    def bears(self) -> int:
        """Return how many further messages it bears before the day ends, none of them assigned."""
        bears = max(0, self.limit - self.used) + self.left
        if self._level.messages_per_hour is not None and self._bucket is not None:
            seconds = (self.next_day_at - self._clock.now()) / 1000
            bears = min(bears, 1 + int(self._bucket.per_second * seconds))
        return bears - self.promised

    def wait(self) -> float:
        """Return the seconds until the next message's turn, 0 when it has come."""
        return self._bucket.wait(self._clock.elapsed()) if self._bucket is not None else 0.0

    def take(self) -> bool:
        """Use one attempt if one is reserved; whose turn it is, `wait` says."""
        self._now()
        if self._left == 0:
            return False
        self._left -= 1
        if self._bucket is not None:
            self._bucket.take(self._clock.elapsed())
        return True

    def wants_refill(self) -> bool:
        """Return whether the shard should be asked for a further block now."""
        self._now()
        return not self._refilling and not self._is_spent and self._left < self._block() // 2 + 1

    def begin_refill(self) -> None:
        """Note that `refill` is about to run: until it is done none is wanted."""
        self._refilling = True

    async def refill(self) -> None:
        """Ask for a block. Raises SpoolUnavailable, with nothing granted."""
        try:
            level, day, limit = self._level, self._day, self.limit
            grant = await self._reserve(self.address, self.provider, day, self._block(), limit)
            # Under another level or day it was asked for too much, or in vain.
            if day == self._day and (level is self._level or grant.used <= self.limit):
                self.used = grant.used
                self._left += grant.messages
                self._is_spent = grant.messages == 0
                self._spread()
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
        self._is_spent = self._level.messages <= 0

    def _block(self) -> int:
        return max(1, min(MOST_BLOCK, self._level.messages // 20))

    def _now(self) -> int:
        """Return the time; what is read behind it is of the day that this time is in."""
        now = self._clock.now()
        if now >= self._day_ends_at:  # a clock that goes back begins no new day
            self._day = now // DAY_MS
            self._day_ends_at = (self._day + 1) * DAY_MS
            self._left = self.used = 0
            self._take_level()
        return now

    def _take_level(self) -> None:
        so_far = [level for level in self._levels if level.day <= self._day]
        self._level = max(so_far, key=_day) if so_far else min(self._levels, key=_day)
        if self.used > self.limit:
            self._left = 0  # reserved under a wider limit
        stops = self._level.messages_per_hour == 0
        self._paused_until = self._day_ends_at if stops else self._level.paused_until
        self._is_spent = self._level.messages <= 0
        self._spread()

    def _spread(self) -> None:
        """Set the pace: what is left, over what is left of the day."""
        if not self._is_spread:
            self._bucket = None
            return
        per_hour: float | None = self._level.messages_per_hour
        if per_hour is None:
            left = max(1, self.limit - self.used + self._left)
            # Shortly before midnight it makes no burst: a whole day's takes an hour at least.
            per_hour = min(
                left * 3_600_000 / max(1, self.next_day_at - self._clock.now()), self.limit
            )
        per_minute = max(per_hour, 0.01) / 60
        if self._bucket is None:
            self._bucket = TokenBucket(per_minute, self._clock.elapsed())
        else:
            self._bucket.change(per_minute, self._clock.elapsed())


def _day(level: ProviderAllowance) -> int:
    return level.day
