"""How the desk's days are kept: weekly hours, bank holidays, dated overrides. Plain data, pure.

Of a local day an override decides, else a bank holiday, else the hours of its weekday. A bank
holiday on a day without hours changes nothing; its substitute day is a holiday of its own.

Source: mission clause C4 (zones, hours, bank holidays, hours that are expanded or contracted).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from itertools import pairwise
from zoneinfo import ZoneInfo

from merpati.desk.errors import BeyondCalendar, InvalidHours

MINUTES_A_DAY = 24 * 60
_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Opening hours within a local day, closing time excluded: minutes by the wall clock.

    opens: 0 to 1439; closes: after it, up to 1440, which is 24:00.
    """

    opens: int
    closes: int

    def __str__(self) -> str:
        return f"{_clock(self.opens)}-{_clock(self.closes)}"


class DayKind(Enum):
    """What decided how a day is kept."""

    WEEKLY = "weekly"
    BANK_HOLIDAY = "bank_holiday"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Day:
    """How one local day is kept; no windows: closed.

    note: the bank holiday's name, or the reason of the override.
    """

    on: date
    kind: DayKind
    windows: tuple[Window, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """Windows that replace all others of one day; none: closed."""

    windows: tuple[Window, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class HolidayYear:
    """The bank holidays of one calendar year, by day; confirmed by a person or only proposed."""

    days: Mapping[date, str]
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class ServiceHours:
    """The calendar of one Service Time Zone.

    weekly: windows of Monday to Sunday, each day's in order and apart. holidays: by calendar year;
    a year it has not (KeyError) cannot be counted.
    """

    zone: ZoneInfo
    weekly: tuple[tuple[Window, ...], ...]
    holidays: Mapping[int, HolidayYear]
    overrides: Mapping[date, Override] = field(default_factory=dict)

    def day(self, on: date) -> Day:
        """Return how a local day is kept. Raises BeyondCalendar."""
        year = self.holiday_year(on.year)
        if (override := self.overrides.get(on)) is not None:
            return Day(on, DayKind.OVERRIDE, override.windows, override.reason)
        weekly = self.weekly[on.weekday()]
        if weekly and (name := year.days.get(on)) is not None:
            return Day(on, DayKind.BANK_HOLIDAY, (), name)
        return Day(on, DayKind.WEEKLY, weekly)

    def holiday_year(self, year: int) -> HolidayYear:
        """Return the bank holidays of a year. Raises BeyondCalendar."""
        try:
            return self.holidays[year]
        except KeyError:
            raise BeyondCalendar(year) from None


def parse_window(text: str) -> Window:
    """Read `09:00-17:00`; 24:00 is the end of the day. Raises InvalidHours."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise InvalidHours(f"{text!r} are no opening hours; write them as 09:00-17:00.", "hours")
    hours_open, minutes_open, hours_close, minutes_close = map(int, match.groups())
    window = Window(hours_open * 60 + minutes_open, hours_close * 60 + minutes_close)
    if max(minutes_open, minutes_close) > 59 or window.closes > MINUTES_A_DAY:
        raise InvalidHours(f"{text!r}: times go from 00:00 to 24:00.", "hours")
    if window.opens >= window.closes:
        raise InvalidHours(
            f"{text!r} closes before it opens. Hours beyond midnight are two: until 24:00 of one "
            "day, and from 00:00 of the next.",
            "hours",
        )
    return window


def parse_windows(texts: Iterable[str]) -> tuple[Window, ...]:
    """Read the windows of one day, in any order. Raises InvalidHours, also when two overlap."""
    windows = tuple(sorted(parse_window(text) for text in texts))
    for earlier, later in pairwise(windows):
        if later.opens < earlier.closes:
            raise InvalidHours(f"{earlier} and {later} overlap: make them one.", "hours")
    return windows


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
