"""When a message may leave by the wall clock of its recipient. Pure; moments are aware, in UTC.

A local time that the clocks skip is the first moment after the gap, of one that comes twice the
first is meant, and what left then does not leave again (test case Z1). Days are days of the week
and, where the hours name a country, no public holidays of it: looked up once a country and year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from merpati.contracts.batch import LocalHours

DAY = timedelta(days=1)
MINUTES_A_DAY = 24 * 60
# An hour of one weekday comes within a week, also where a day was skipped; holidays take some more.
_LONGEST_DAYS = 64
_MOST_STEPS = 4 * _LONGEST_DAYS


def leaves_at(hours: LocalHours, zone: ZoneInfo, not_before: datetime) -> datetime:
    """Return the first moment, `not_before` at the earliest, at which a message is to leave."""
    if hours.at is None:
        return open_from(hours, zone, not_before)
    first = not_before.astimezone(zone).date()
    for day in (first + n * DAY for n in range(_LONGEST_DAYS)):
        moment = local_moment(day, hours.at, zone)
        if moment >= not_before and _is_day(hours, day):
            return moment
    raise ValueError(f"no day of {hours.days} within {_LONGEST_DAYS} days")


def open_from(hours: LocalHours, zone: ZoneInfo, moment: datetime) -> datetime:
    """Return the first moment from one on that is no quiet hour and on a day that is meant."""
    for _ in range(_MOST_STEPS):
        later = _end_of_closed(hours, zone, moment)
        if later is None or later <= moment:  # quiet once more, as clocks go back: it is over
            return moment
        moment = later
    raise ValueError(f"always quiet: {hours}")


def open_time(hours: LocalHours, zone: ZoneInfo, start: datetime, end: datetime) -> timedelta:
    """Return how much of the time between two moments is no quiet hour, on days that are meant."""
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    minutes = {0} | {one for one in (hours.quiet_from, hours.quiet_to) if one is not None}
    edges = {
        local_moment(first + n * DAY, minute, zone)
        for n in range((last - first).days + 1)
        for minute in minutes
    }
    moments = [start, *sorted(edge for edge in edges if start < edge < end), end]
    return sum(
        (
            later - moment
            for moment, later in pairwise(moments)
            if _end_of_closed(hours, zone, moment) is None
        ),
        timedelta(),
    )


def is_quiet(hours: LocalHours, minute: int) -> bool:
    """Return whether a minute of the day lies in the quiet hours, which may span midnight."""
    if hours.quiet_from is None or hours.quiet_to is None:
        return False
    if hours.quiet_from <= hours.quiet_to:
        return hours.quiet_from <= minute < hours.quiet_to
    return minute >= hours.quiet_from or minute < hours.quiet_to


@lru_cache(maxsize=4096)
def local_moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """Return when clocks first show a minute of a day, or what follows if they skip it."""
    written = datetime.combine(day, time(*divmod(minute, 60)), zone)
    moment = written.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == written.replace(tzinfo=None):
        return moment
    # In a gap. One reading of the clock (fold) lies before the change, the other behind it.
    before, behind = sorted((moment, written.replace(fold=1).astimezone(UTC)))
    offset = before.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = before + (behind - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            behind = middle
    return behind.replace(microsecond=0)


def _end_of_closed(hours: LocalHours, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Return when what is closed at a moment ends at the earliest, None when nothing is."""
    local = moment.astimezone(zone)
    day, minute = local.date(), local.hour * 60 + local.minute
    if not _is_day(hours, day):
        return local_moment(day + DAY, 0, zone)
    if hours.quiet_to is None or not is_quiet(hours, minute):
        return None
    return local_moment(day if minute < hours.quiet_to else day + DAY, hours.quiet_to, zone)


def _is_day(hours: LocalHours, day: date) -> bool:
    if hours.days and day.weekday() not in hours.days:
        return False
    return not hours.holidays or not _is_holiday(hours.holidays, day)


def _is_holiday(place: str, day: date) -> bool:
    # Not at the top: most processes never need the lists, which take a while to load.
    from merpati.adapters.holiday_lists import public_holidays  # noqa: PLC0415

    return day in public_holidays(place, day.year)
