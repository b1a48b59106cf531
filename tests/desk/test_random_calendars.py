"""C8: on random calendars the arithmetic equals the minute-by-minute reference.

RANDOM_CALENDARS=100000 runs as many; a failing one is named by its number.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from merpati.desk.business_hours import due_at, next_opening, open_until, working_time_between
from merpati.desk.service_hours import (
    MINUTES_A_DAY,
    HolidayYear,
    Override,
    ServiceHours,
    Window,
)
from tests.desk.reference import MinuteByMinute, moment, number_of_day

CALENDARS = int(os.environ.get("RANDOM_CALENDARS", "500"))
PARTS = 4  # so that processes share the work
DAYS = 14
# The clocks go forward, go back, and a year ends; half an hour, and at midnight too.
PLACES = [
    ("America/New_York", date(2026, 3, 2)),
    ("America/New_York", date(2026, 10, 26)),
    ("America/Los_Angeles", date(2026, 3, 3)),
    ("America/Los_Angeles", date(2026, 12, 25)),
    ("Europe/London", date(2026, 3, 23)),
    ("Europe/London", date(2026, 10, 19)),
    ("Australia/Lord_Howe", date(2026, 3, 30)),
    ("Australia/Lord_Howe", date(2026, 9, 28)),
    ("Africa/Cairo", date(2026, 4, 20)),
    ("America/Havana", date(2026, 10, 26)),
    ("Asia/Jakarta", date(2026, 6, 1)),
]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_calendars_count_as_the_reference_does(part: int) -> None:
    for number in range(part, CALENDARS, PARTS):
        check(number)


def check(number: int) -> None:
    random = Random(number)
    zone, first = random.choice(PLACES)
    hours = random_calendar(random, ZoneInfo(zone), first)
    reference = MinuteByMinute(hours, first, DAYS)
    # Not from the first day on, which the reference does not see whole.
    start = number_of_day(first) + random.randrange(MINUTES_A_DAY, 8 * MINUTES_A_DAY)
    end = start + random.randrange(5 * MINUTES_A_DAY)
    elapsed = working_time_between(hours, moment(start), moment(end)).working_time
    assert elapsed == timedelta(minutes=reference.between(start, end)), number
    closes_at = open_until(hours, moment(start))
    assert (closes_at is not None) == reference.open_at(start), number
    working_minutes = random.randrange(3000)
    due = due_at(hours, moment(start), timedelta(minutes=working_minutes)).at
    for answer, expected in (
        (due, reference.due(start, working_minutes)),
        (closes_at or moment(start), reference.closing_after(start)),
        (next_opening(hours, moment(start)), reference.opening_after(start)),
    ):
        if expected is None:
            assert answer >= moment(reference.end), number
        else:
            assert answer == moment(expected), number


def random_calendar(random: Random, zone: ZoneInfo, first: date) -> ServiceHours:
    days = [first + timedelta(days=offset) for offset in range(DAYS)]
    holidays = {day: "holiday" for day in days if random.random() < 0.15}
    overrides = {
        day: Override(random_windows(random), "reason") for day in days if random.random() < 0.2
    }
    weekly = tuple(random_windows(random) for _ in range(7))
    years = {year: HolidayYear(holidays, True) for year in range(2025, 2030)}
    return ServiceHours(zone, weekly, years, overrides)


def random_windows(random: Random) -> tuple[Window, ...]:
    """Return none to three windows, often with edges where days and clocks change."""
    edges = {
        random.choice((0, 60, 90, 120, 150, 180, 1440, random.randrange(1441))) for _ in range(6)
    }
    count = random.choice((0, 1, 1, 1, 2, 3))
    ordered = sorted(edges)[: 2 * count]
    if random.random() < 0.3 and len(ordered) == 4:  # two that touch
        ordered[2] = ordered[1]
    pairs = zip(ordered[::2], ordered[1::2], strict=False)
    return tuple(Window(opens, closes) for opens, closes in pairs if opens < closes)
