"""Business hours the slow way: every minute is looked at by itself. For tests to compare with.

It shares no arithmetic with the code under test: of a time zone it asks one thing, what the wall
clock shows at each minute of UTC. Moments are whole minutes, counted from an epoch.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from merpati.desk.service_hours import ServiceHours

MINUTES_A_DAY = 1440
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class MinuteByMinute:
    """All minutes of some local days of a calendar, open or closed."""

    def __init__(self, hours: ServiceHours, first: date, days: int) -> None:
        self.start = number_of_day(first) - MINUTES_A_DAY
        self.end = number_of_day(first) + (days - 1) * MINUTES_A_DAY
        self.is_open = bytearray((days + 2) * MINUTES_A_DAY)
        shown = _first_shown(hours.zone, first, days)
        for offset in range(days):
            on = first + timedelta(days=offset)
            for window in hours.day(on).windows:
                midnight = number_of_day(on)
                opens = _minute_of(shown, midnight + window.opens)
                closes = _minute_of(shown, midnight + window.closes)
                for minute in range(opens, closes):
                    self.is_open[minute - self.start] = 1

    def open_at(self, minute: int) -> bool:
        return bool(self.is_open[minute - self.start])

    def between(self, first: int, last: int) -> int:
        return sum(self.is_open[first - self.start : last - self.start])

    def due(self, minute: int, working_minutes: int) -> int | None:
        """Return when so many open minutes have passed; None, as below: out of sight."""
        due = self._next(1, minute)
        while due is not None and working_minutes:
            if due == self.end:
                return None
            working_minutes -= self.is_open[due - self.start]
            due += 1
        return due

    def closing_after(self, minute: int) -> int | None:
        return self._next(0, minute)

    def opening_after(self, minute: int) -> int | None:
        closed = self._next(0, minute)
        return None if closed is None else self._next(1, closed)

    def _next(self, state: int, minute: int) -> int | None:
        found = self.is_open.find(state, minute - self.start, self.end - self.start)
        return None if found < 0 else found + self.start


def moment(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


def number_of_day(on: date) -> int:
    return (on - _EPOCH.date()).days * MINUTES_A_DAY


def _minute_of(shown: dict[int, int], wall: int) -> int:
    """Return the first minute at which the clock shows this; what it skips comes later by that."""
    if wall not in shown:
        before, after = wall, wall
        while before not in shown:
            before -= 1
        while after not in shown:
            after += 1
        wall += after - before - 1
    return shown[wall]


@cache
def _first_shown(zone: ZoneInfo, first: date, days: int) -> dict[int, int]:
    """Return what the wall clock shows → the first minute at which it does."""
    shown: dict[int, int] = {}
    start = number_of_day(first) - MINUTES_A_DAY
    for minute in range(start, start + (days + 3) * MINUTES_A_DAY):
        wall = moment(minute).astimezone(zone)
        shown.setdefault(number_of_day(wall.date()) + wall.hour * 60 + wall.minute, minute)
    return shown
