"""A Service Time Zone's calendar as an iCalendar feed: when the desk is open, and why it is not.

Each opening is an event of its own, in UTC: what calendars show is what the clocks count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from merpati.adapters.ics import Entry, ics_bytes
from merpati.desk.business_hours import spans_on
from merpati.desk.hours_words import closed_title, open_title, proposed_note
from merpati.desk.models import ZoneCalendar
from merpati.desk.service_hours import Day, DayKind, ServiceHours

_DAY = timedelta(days=1)


def feed(calendar: ZoneCalendar, hours: ServiceHours, years: Sequence[int]) -> bytes:
    """Return the feed of some calendar years, in order. Raises BeyondCalendar."""
    title = open_title(calendar.get_zone_id_display())
    entries = (entry for day in days_of(hours, years) for entry in _entries(calendar, hours, day))
    return ics_bytes(title, entries, changed_at=calendar.changed_at, version=calendar.version)


def days_of(hours: ServiceHours, years: Sequence[int]) -> Iterator[Day]:
    """Yield how each day of some calendar years is kept. Raises BeyondCalendar."""
    for year in years:
        day = date(year, 1, 1)
        while day.year == year:
            yield hours.day(day)
            day += _DAY


def _entries(calendar: ZoneCalendar, hours: ServiceHours, day: Day) -> Iterator[Entry]:
    zone = calendar.get_zone_id_display()
    for number, span in enumerate(spans_on(hours, day)):
        uid = f"{calendar.zone_id}-{day.on}-open-{number}@merpati"
        yield Entry(uid, open_title(zone), span.starts_at, span.ends_at, day.note)
    if not day.windows and day.kind is not DayKind.WEEKLY:
        is_proposed = (
            day.kind is DayKind.BANK_HOLIDAY and not hours.holiday_year(day.on.year).is_confirmed
        )
        yield Entry(
            f"{calendar.zone_id}-{day.on}-closed@merpati",
            closed_title(zone, day.note),
            day.on,
            day.on + _DAY,
            proposed_note() if is_proposed else "",
        )
