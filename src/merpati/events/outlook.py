"""When the last messages of campaigns leave, and what holds them: an estimate, pure.

Time is gone through in stretches: quarters of an hour today, longer ones later, and the more
queues there are. In each, every queue's mail leaves in the order in which it falls due, all
campaigns side by side, as far as schedules, allowances, pace and orders let it. Not foreseen are
what replies will teach, and mail that is yet to come. Times are milliseconds since the epoch.

Where the future is open there are two answers: with `hopeful` allowances that nobody has decided
yet and paces that replies lowered rise as fast as they ever do, else they stay as they are.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from merpati.events.outlook_lane import DAY_MS, LITTLE, SLOT_MS, Held, Lane, Way

HORIZON_MS = 60 * DAY_MS
MANY_QUEUES = 100
_HOUR_MS = 3_600_000
# From so long ahead on, stretches of such a length; each divides a day.
_STRETCHES = ((7 * DAY_MS, DAY_MS), (DAY_MS, 3 * _HOUR_MS), (0, SLOT_MS))

__all__ = ["Held", "Part", "Queue", "Waiting", "Way", "estimate"]


@dataclass(frozen=True, slots=True)
class Queue:
    """Mail of one pool to one provider.

    barred: sending IPs that its recipients may not use. by_old: it is the share of a migration's
    old provider.
    """

    pool_id: int
    provider: str
    barred: tuple[str, ...] = ()
    by_old: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages of a queue that fall due at once, by campaign; held: by what, until they do."""

    queue: Queue
    due_at: int
    campaigns: Mapping[str, int]
    held: Held = Held.SCHEDULE


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign's mail in one queue.

    last_at: None when it is beyond what is foreseen; due_at: of the last. for_tomorrow: messages
    due today that wait for a later day's allowance. earliest_at: if all goes well, None as above.
    """

    campaign_id: str
    queue: Queue
    messages: int
    last_at: int | None
    held: Held
    sending_ips: tuple[str, ...]
    for_tomorrow: int = 0
    due_at: int = 0
    earliest_at: int | None = None


def estimate(
    waiting: Iterable[Waiting],
    ways: Mapping[Queue, Sequence[Way]],
    now: int,
    *,
    hopeful: bool = False,
) -> list[Part]:
    """Return the parts of all campaigns, the last to leave first.

    ways: of each queue, in the order of use; two queues that share one, by address and provider,
    share what it lets through.
    """
    by_queue: dict[Queue, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_queue[one.queue].append(one)
    in_all: dict[str, float] = {}
    lanes: dict[tuple[str, str], Lane] = {}
    for way in (way for queue in by_queue for way in ways.get(queue, ())):
        if (way.address, way.provider) not in lanes:
            lanes[way.address, way.provider] = Lane(way, in_all, now, hopeful=hopeful)
    queues = [
        _Moving(queue, some, [(way, lanes[way.address, way.provider]) for way in of_it], now)
        for queue, some in by_queue.items()
        for of_it in [ways.get(queue, ())]
    ]
    at, moving = now, [queue for queue in queues if queue.next_due is not None]
    day = now // DAY_MS
    while moving and at < now + HORIZON_MS:
        first = min(queue.next_due for queue in moving if queue.next_due is not None)
        at = max(at, first // SLOT_MS * SLOT_MS)
        if at // DAY_MS != day:
            day = at // DAY_MS
            in_all.clear()
        end = _end_of_stretch(at, at - now, len(moving))
        for queue in moving:
            queue.move(at, end)
        moving = [queue for queue in moving if queue.next_due is not None]
        at = end
    parts = [part for queue in queues for part in queue.parts()]
    return sorted(parts, key=lambda part: -_or_never(part.last_at))


def _end_of_stretch(at: int, ahead: int, queues: int) -> int:
    length = next(length for begin, length in _STRETCHES if ahead >= begin)
    if queues > MANY_QUEUES:
        length = max(length, _HOUR_MS)
    return (at // length + 1) * length


def _or_never(at: int | None) -> float:
    return math.inf if at is None else at


class _Due:
    """Messages of one moment that are still there."""

    def __init__(self, waiting: Waiting, now: int) -> None:
        self.due_at = max(waiting.due_at, now)
        self.held = waiting.held if self.due_at > now else Held.NOTHING
        self.campaigns = waiting.campaigns
        self.total = self.left = float(sum(waiting.campaigns.values()))


class _Moving:
    """A queue on its way through time."""

    def __init__(
        self, queue: Queue, given: Iterable[Waiting], lanes: Sequence[tuple[Way, Lane]], now: int
    ) -> None:
        self._queue = queue
        self._lanes = lanes
        self._now = now
        self._due = sorted((_Due(one, now) for one in given), key=lambda due: -due.due_at)
        self._messages: Counter[str] = Counter()
        self._moments: Counter[str] = Counter()  # of each campaign, that are still to come
        self._last_due: dict[str, int] = {}
        for due in reversed(self._due):
            self._messages.update(due.campaigns)
            self._moments.update(due.campaigns.keys())
            self._last_due |= dict.fromkeys(due.campaigns, due.due_at)
        self._held, self._by = Held.NOTHING, tuple[str, ...]()
        self._done: dict[str, tuple[int, Held, tuple[str, ...]]] = {}
        self._for_tomorrow: dict[str, float] = defaultdict(float)
        if not lanes:
            self._held = Held.ENGAGEMENT if queue.barred else Held.NO_WAY

    @property
    def next_due(self) -> int | None:
        """When the next of it is due, None when nothing can leave any more."""
        return self._due[-1].due_at if self._due and self._lanes else None

    def move(self, at: int, end: int) -> None:
        """Let leave what may in one stretch of time."""
        blocked, by, is_spent = Held.NOTHING, list[str](), True
        for way, lane in self._lanes:
            if not self._waits(end):
                return
            if way.relieves and not is_spent:
                continue
            if at < way.closed_until:
                held, is_spent = Held.ORDER, False
            else:
                lane.go_on(at, end)
                room, held = lane.room()
                self._leave(lane, room, at, end)
                is_spent = is_spent and lane.is_spent
            if self._waits(end):
                blocked = held
                by += [] if way.is_old else [way.address]
        if not self._waits(end):
            return
        self._held, self._by = blocked, tuple(by)
        if end % DAY_MS == 0 and end - self._now <= DAY_MS and blocked is Held.ALLOWANCE:
            for due in (due for due in self._due if due.due_at < end):
                for campaign, messages in due.campaigns.items():
                    self._for_tomorrow[campaign] += messages * due.left / due.total

    def _waits(self, end: int) -> bool:
        return bool(self._due) and self._due[-1].due_at < end

    def _leave(self, lane: Lane, room: float, at: int, end: int) -> None:
        """Take mail that is due."""
        while self._waits(end) and room > LITTLE:
            due = self._due[-1]
            some = min(room, due.left)
            room -= some
            lane.take(some, at)
            due.left -= some
            if due.left <= LITTLE:
                self._end(self._due.pop(), at, at + round((end - at) * lane.used))

    def _end(self, due: _Due, at: int, left_at: int) -> None:
        """Note which campaigns have no more mail here. left_at: of the last of it."""
        self._moments.subtract(due.campaigns.keys())
        for campaign in due.campaigns:
            if not self._moments[campaign]:
                waited = due.due_at < at and self._held is not Held.NOTHING
                held, by = (self._held, self._by) if waited else (due.held, ())
                moment = max(left_at if waited else at, due.due_at)
                self._done[campaign] = (moment, held, by)

    def parts(self) -> list[Part]:
        """Return what came of it, campaign by campaign."""
        return [self._part(*one) for one in self._messages.items()]

    def _part(self, campaign: str, messages: int) -> Part:
        last_at, held, by = self._done.get(campaign, (None, self._held, self._by))
        return Part(
            campaign,
            self._queue,
            messages,
            last_at,
            held,
            by,
            for_tomorrow=round(self._for_tomorrow.get(campaign, 0)),
            due_at=self._last_due[campaign],
        )
