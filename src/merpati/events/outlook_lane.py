"""One sending IP's way to one provider as time goes by: how much may leave, and what sets that.

Pure. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from merpati.contracts.sending_policy import ProviderAllowance

SLOT_MS = 900_000
DAY_MS = 86_400_000
LITTLE = 1e-6  # messages: what rounding leaves
MOST_GROWTH = 2.5  # a day: the longest step that a warm-up takes (`reputation/warmup.py`)
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000


class Held(StrEnum):
    """What holds the mail that leaves last."""

    NOTHING = "nothing"
    SCHEDULE = "schedule"
    LOCAL_HOUR = "local_hour"
    QUIET_HOURS = "quiet_hours"
    RETRY = "retry"
    ALLOWANCE = "allowance"
    ENGAGEMENT = "engagement"
    PACE = "pace"
    PAUSE = "pause"
    OLD_PACE = "old_provider_pace"
    ORDER = "order"
    NO_WAY = "no_sending_ip"


@dataclass(frozen=True, slots=True)
class Way:
    """A sending IP to one provider, or an old provider: then `is_old`, and `address` names it.

    levels: its allowances there, any days; none: it is not limited. per_day: of the IP in all.
    used, used_in_all: of today's. per_minute: configured pace, None for no limit. slowed_to,
    slowed_until: what replies made of it, and when it rises again, 0 for not slowed. paused_until:
    by replies; closed_until: by order, of the mail that has this way. relieves: open while no way
    before it has any allowance left.
    """

    address: str
    provider: str = ""
    levels: Sequence[ProviderAllowance] = ()
    per_day: int | None = None
    used: int = 0
    used_in_all: int = 0
    per_minute: int | None = None
    slowed_to: int | None = None
    slowed_until: int = 0
    paused_until: int = 0
    closed_until: int = 0
    is_old: bool = False
    relieves: bool = False


class Lane:
    """A way with what is left of its day and of the present stretch of time.

    in_all: what is left today of each sending IP at all providers, shared by the lanes of one
    estimate. hopeful: what is open grows as fast as it ever does, instead of staying as it is.
    """

    def __init__(self, way: Way, in_all: dict[str, float], now: int, *, hopeful: bool) -> None:
        self.way = way
        self.is_spent = False
        self._in_all = in_all
        self._hopeful = hopeful
        self._today = self._day = now // DAY_MS
        self._left = max(0.0, self._of_day(self._day) - way.used)
        self._room, self._given, self._held = 0.0, 0.0, Held.NOTHING
        self._at = -1

    def go_on(self, at: int, end: int) -> None:
        """Go on to a stretch of time within a day, unless it is there."""
        if at == self._at:
            return
        self._at = at
        way, day = self.way, at // DAY_MS
        if day != self._day:
            self._day = day
            self._left = self._of_day(day)
        if way.per_day is not None:
            self._in_all.setdefault(way.address, self._in_all_of(way.per_day, day))
        self._room, self._held = self._in_slot(at, end)
        self._given = self._room
        self._note_spent(at)

    @property
    def used(self) -> float:
        """How much of the stretch is used: mail leaves evenly, if it is paced or spread."""
        return 0.0 if math.isinf(self._given) or not self._given else 1 - self._room / self._given

    def room(self) -> tuple[float, Held]:
        """Return how many messages may still leave in this stretch, and what sets that number."""
        left = self._in_all.get(self.way.address, math.inf)
        return (left, Held.ALLOWANCE) if left < self._room else (self._room, self._held)

    def take(self, messages: float, at: int) -> None:
        """Use some of it."""
        self._room -= messages
        self._left -= messages
        if self.way.address in self._in_all:
            self._in_all[self.way.address] -= messages
        self._note_spent(at)

    def _in_slot(self, at: int, end: int) -> tuple[float, Held]:
        way = self.way
        if at < way.paused_until:
            return 0.0, Held.PAUSE
        found, held = math.inf, Held.NOTHING
        if (pace := self._pace(at)) is not None:
            found = pace * (end - at) / _MINUTE_MS
            held = Held.OLD_PACE if way.is_old else Held.PACE
        level = self._level(self._day)
        if level is not None and (some := self._of_level(level, at, end)) < found:
            found, held = some, Held.ALLOWANCE
        return found, held

    def _pace(self, at: int) -> int | None:
        way = self.way
        if way.slowed_until and not (self._hopeful and at >= way.slowed_until):
            return way.slowed_to
        return way.per_minute

    def _of_level(self, level: ProviderAllowance, at: int, end: int) -> float:
        if at < level.paused_until:
            return 0.0
        if level.messages_per_hour is not None:
            return min(self._left, level.messages_per_hour * (end - at) / _HOUR_MS)
        return self._left * (end - at) / ((at // DAY_MS + 1) * DAY_MS - at)  # spread over the day

    def _note_spent(self, at: int) -> None:
        level = self._level(self._day)
        withheld = level is not None and (at < level.paused_until or level.messages_per_hour == 0)
        in_all = self._in_all.get(self.way.address, math.inf)
        self.is_spent = withheld or min(self._left, in_all) <= LITTLE

    def _of_day(self, day: int) -> float:
        level = self._level(day)
        if level is None:
            return math.inf
        return level.messages * self._growth(day - max(level.day, self._today))

    def _in_all_of(self, per_day: int, day: int) -> float:
        used = self.way.used_in_all if day == self._today else 0
        return max(0.0, per_day * self._growth(day - self._today) - used)

    def _growth(self, days: int) -> float:
        return MOST_GROWTH ** max(0, days) if self._hopeful else 1.0

    def _level(self, day: int) -> ProviderAllowance | None:
        """Return the latest level up to a day, which goes on; else the earliest."""
        levels = self.way.levels
        so_far = [level for level in levels if level.day <= day]
        if so_far:
            return max(so_far, key=lambda level: level.day)
        return min(levels, key=lambda level: level.day, default=None)
