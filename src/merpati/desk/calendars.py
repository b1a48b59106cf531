"""Calendars as they are stored, read into plain data for counting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

from django.db.models import prefetch_related_objects

from merpati.accounts.models import Account, ServiceTimeZone
from merpati.desk.errors import ZoneNotFound
from merpati.desk.models import ConfirmedYear, ZoneCalendar
from merpati.desk.proposals import propose
from merpati.desk.service_hours import HolidayYear, Override, ServiceHours, parse_windows

_ROWS = ("overrides", "years__days")
_OCTOBER = 10  # by then next year's days are announced


def find_calendar(zone_id: str) -> ZoneCalendar:
    """Return the calendar of a Service Time Zone. Raises ZoneNotFound."""
    calendar = ZoneCalendar.objects.filter(pk=zone_id).first()
    if calendar is None:
        raise ZoneNotFound(zone_id, ", ".join(ServiceTimeZone.values))
    return calendar


def service_hours(calendar: ZoneCalendar) -> ServiceHours:
    """Return a calendar for counting. Three queries, unless its rows are loaded already.

    In a year that nobody has confirmed the proposed bank holidays count, and the year says so.
    """
    prefetch_related_objects([calendar], *_ROWS)
    overrides = {
        row.falls_on: Override(parse_windows(row.windows), row.reason)
        for row in calendar.overrides.all()
    }
    return ServiceHours(
        ZoneInfo(calendar.iana),
        tuple(parse_windows(windows) for windows in calendar.weekly),
        _Years(_confirmed(calendar), calendar.holiday_list),
        overrides,
    )


def hours_of_all_zones() -> dict[str, ServiceHours]:
    """Return the calendar of every Service Time Zone for counting. Four queries."""
    calendars = ZoneCalendar.objects.prefetch_related(*_ROWS).order_by("zone_id")
    return {calendar.zone_id: service_hours(calendar) for calendar in calendars}


def unconfirmed_ahead(today: date) -> list[tuple[str, int]]:
    """Return zones in use by accounts with each year that somebody should confirm now.

    That is this year, and from October on the next.
    """
    zones = Account.objects.order_by("service_time_zone").values_list("service_time_zone")
    confirmed = set(ConfirmedYear.objects.values_list("calendar_id", "year"))
    years = [today.year, today.year + 1] if today.month >= _OCTOBER else [today.year]
    return [
        (zone, year)
        for (zone,) in zones.distinct()
        for year in years
        if (zone, year) not in confirmed
    ]


def _confirmed(calendar: ZoneCalendar) -> dict[int, HolidayYear]:
    return {
        row.year: HolidayYear({day.falls_on: day.name for day in row.days.all()}, is_confirmed=True)
        for row in calendar.years.all()
    }


class _Years(dict[int, HolidayYear]):
    """Confirmed years; another one is proposed when it is asked for."""

    def __init__(self, confirmed: Mapping[int, HolidayYear], list_id: str) -> None:
        super().__init__(confirmed)
        self._list_id = list_id

    def __missing__(self, year: int) -> HolidayYear:
        proposal = propose(self._list_id, year)
        if not proposal.days:
            raise KeyError(year)
        proposed = {day.falls_on: day.name for day in proposal.days}
        self[year] = HolidayYear(proposed, is_confirmed=False)
        return self[year]
