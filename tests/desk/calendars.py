"""Calendars of the three Service Time Zones for pure tests, with what the packages propose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from merpati.adapters.holiday_lists import bank_holidays
from merpati.desk.service_hours import (
    HolidayYear,
    Override,
    ServiceHours,
    Window,
    parse_windows,
)


def week(*windows: str) -> tuple[tuple[Window, ...], ...]:
    """Return a week with these hours from Monday to Friday."""
    return (parse_windows(windows),) * 5 + ((), ())


def years(list_id: str) -> dict[int, HolidayYear]:
    return {year: HolidayYear(bank_holidays(list_id, year), True) for year in range(2025, 2031)}


ZONES = {
    "us-eastern": ServiceHours(ZoneInfo("America/New_York"), week("09:00-17:00"), years("fed")),
    "us-pacific": ServiceHours(ZoneInfo("America/Los_Angeles"), week("09:00-17:00"), years("fed")),
    "uk": ServiceHours(ZoneInfo("Europe/London"), week("08:30-16:30"), years("england")),
}


def overridden(hours: ServiceHours, days: Mapping[str, Iterable[str]]) -> ServiceHours:
    """Return a calendar with these overrides, day → windows."""
    overrides = {
        date.fromisoformat(day): Override(parse_windows(windows), "reason")
        for day, windows in days.items()
    }
    return replace(hours, overrides=overrides)


def local(hours: ServiceHours, text: str) -> datetime:
    """Return a wall clock's time in the calendar's zone as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=hours.zone).astimezone(UTC)
