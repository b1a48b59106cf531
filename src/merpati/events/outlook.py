"""When the last message of a campaign leaves, and what holds it: an estimate, pure.

Time is gone through in quarters of an hour. In each, every pool's mail to a provider leaves in the
order in which it falls due, other campaigns' beside it, as far as schedules, allowances, pace and
orders let it. What is not foreseen: retries, what replies will teach, and mail that is yet to come.
Times are milliseconds since the epoch.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from merpati.contracts.sending_policy import ProviderAllowance

SLOT_MS = 900_000
DAY_MS = 86_400_000
HORIZON_MS = 60 * DAY_MS
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
_NOTHING = 1e-6  # messages: what rounding leaves


class Held(StrEnum):
    """What holds the mail that leaves last."""

    NOTHING = "nothing"
    SCHEDULE = "schedule"
    ALLOWANCE = "allowance"
    PACE = "pace"
    ORDER = "order"
    NO_WAY = "no_sending_ip"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of one pool to one provider that fall due at once: the campaign's, and others'."""

    pool_id: int
    provider: str
    due_at: int
    own: int
    others: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """A sending IP to one provider.

    levels: its allowances there, any days; none: it is not limited. per_day: of the IP in all.
    used, used_in_all: of today's. per_minute: pace, None for no limit. closed_until: by order.
    """

    address: str
    levels: Sequence[ProviderAllowance] = ()
    per_day: int | None = None
    used: int = 0
    used_in_all: int = 0
    per_minute: int | None = None
    closed_until: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign's mail from one pool to one provider.

    last_at: None when it is beyond what is foreseen. for_tomorrow: messages due today that wait
    for a later day's allowance.
    """

    pool_id: int
    provider: str
    messages: int
    last_at: int | None
    held: Held
    sending_ips: tuple[str, ...]
    for_tomorrow: int = 0


def estimate(
    waiting: Iterable[Waiting], ways: Mapping[tuple[int, str], Sequence[Way]], now: int
) -> list[Part]:
    """Return the parts of a campaign, the last to leave first.

    ways: by pool and provider, those of the pool before those of its overflow pool.
    """
    by_queue: dict[tuple[int, str], list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_queue[one.pool_id, one.provider].append(one)
    in_all: dict[str, float] = {}  # left of today, by IP
    queues = [
        _Queue(key, some, [_Open(way, in_all, now) for way in ways.get(key, ())], now)
        for key, some in by_queue.items()
        if any(one.own for one in some)
    ]
    at, open_queues = now, [queue for queue in queues if not queue.is_done]
    while open_queues and at < now + HORIZON_MS:
        end = min(at + SLOT_MS, (at // DAY_MS + 1) * DAY_MS)
        if at % DAY_MS == 0:
            in_all.clear()
        for queue in open_queues:
            queue.move(at, end)
        open_queues = [queue for queue in open_queues if not queue.is_done]
        at = end
    parts = [queue.part() for queue in queues]
    return sorted(parts, key=lambda part: -(math.inf if part.last_at is None else part.last_at))


class _Open:
    """A way with what is left of its day."""

    def __init__(self, way: Way, in_all: dict[str, float], now: int) -> None:
        self.way = way
        self._in_all = in_all
        self._today = self._day = now // DAY_MS
        level = self._level(self._day)
        self._left = max(0, level.messages - way.used) if level is not None else math.inf

    def room(self, at: int, end: int) -> tuple[float, Held]:
        """Return how many messages may leave in a quarter, and what sets that number."""
        way, day = self.way, at // DAY_MS
        level = self._level(day)
        if day != self._day:
            self._day = day
            self._left = level.messages if level is not None else math.inf
        if at < way.closed_until:
            return 0.0, Held.ORDER
        found, held = math.inf, Held.NOTHING
        if way.per_minute is not None:
            found, held = way.per_minute * (end - at) / _MINUTE_MS, Held.PACE
        limits = [self._of_level(level, at, end)] if level is not None else []
        if way.per_day is not None:
            used = way.used_in_all if day == self._today else 0
            limits.append(self._in_all.setdefault(way.address, max(0, way.per_day - used)))
        if limits and min(limits) < found:
            found, held = min(limits), Held.ALLOWANCE
        return found, held

    def take(self, messages: float) -> None:
        """Use some of the day's."""
        self._left -= messages
        if self.way.address in self._in_all:
            self._in_all[self.way.address] -= messages

    def _of_level(self, level: ProviderAllowance, at: int, end: int) -> float:
        if at < level.paused_until:
            return 0.0
        if level.messages_per_hour is not None:
            return min(self._left, level.messages_per_hour * (end - at) / _HOUR_MS)
        return self._left * (end - at) / ((at // DAY_MS + 1) * DAY_MS - at)  # spread over the day

    def _level(self, day: int) -> ProviderAllowance | None:
        """Return the latest level up to a day, which goes on; else the earliest."""
        levels = self.way.levels
        so_far = [level for level in levels if level.day <= day]
        if so_far:
            return max(so_far, key=lambda level: level.day)
        return min(levels, key=lambda level: level.day, default=None)


@dataclass(slots=True)
class _Queue:
    """One pool's mail to one provider, on its way through time."""

    key: tuple[int, str]
    given: list[Waiting]
    ways: list[_Open]
    now: int
    is_done: bool = False
    _due: list[tuple[int, float, float]] = field(default_factory=list)  # latest first
    _own: float = 0.0
    _held: Held = Held.NOTHING
    _by: tuple[str, ...] = ()
    _last_at: int | None = None
    _for_tomorrow: int = 0

    def __post_init__(self) -> None:
        ordered = sorted(self.given, key=lambda one: -one.due_at)
        self._due = [(one.due_at, float(one.own), float(one.others)) for one in ordered]
        self._own = float(sum(one.own for one in self.given))
        if not self.ways:
            self.is_done, self._held = True, Held.NO_WAY

    def move(self, at: int, end: int) -> None:
        """Let leave what may in one quarter of an hour."""
        if not self._due or self._due[-1][0] >= end:
            return
        last_due = max(self.now, self._due[-1][0])
        blocked, by = Held.NOTHING, []
        for way in self.ways:
            room, held = way.room(at, end)
            taken, last_due = self._leave(room, end, last_due)
            if taken:
                way.take(taken)
            if self._own <= _NOTHING:
                break
            if taken >= room - _NOTHING:  # all that this way had
                blocked = held
                by.append(way.way.address)
        waits = bool(self._due) and self._due[-1][0] < end
        if self._own <= _NOTHING:
            self._end(at, last_due)
        elif waits:
            self._held, self._by = blocked, tuple(by)
            if end % DAY_MS == 0 and end - self.now <= DAY_MS and blocked is Held.ALLOWANCE:
                self._for_tomorrow = round(sum(own for due, own, _ in self._due if due < end))

    def _end(self, at: int, last_due: int) -> None:
        self.is_done = True
        self._last_at = max(at, last_due)
        if last_due >= at or self._held is Held.NOTHING:
            # It did not wait once it was due.
            self._held = Held.SCHEDULE if last_due > self.now else Held.NOTHING
            self._by = ()

    def _leave(self, room: float, end: int, last_due: int) -> tuple[float, int]:
        """Take mail that is due; return how much, and when the last of ours was due."""
        taken = 0.0
        while self._due and self._due[-1][0] < end and room - taken > _NOTHING:
            due_at, own, others = self._due[-1]
            some = min(room - taken, own + others)
            taken += some
            ours = own * some / (own + others)
            self._own -= ours
            if ours:
                last_due = max(last_due, due_at)
            if own + others - some <= _NOTHING:
                self._due.pop()
            else:
                self._due[-1] = (due_at, own - ours, others - (some - ours))
        return taken, last_due

    def part(self) -> Part:
        """Return what came of it."""
        messages = sum(one.own for one in self.given)
        return Part(*(*self.key, messages, self._last_at, self._held, self._by, self._for_tomorrow))
