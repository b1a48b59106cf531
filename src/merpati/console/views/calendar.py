"""The calendar of a Service Time Zone: open or closed today, next opening, holidays of the year.

Anybody may read it: it says no more than the order form and the hours that were announced.
"""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.desk_now import desk_now
from merpati.console.services import services
from merpati.desk.errors import BeyondCalendar
from merpati.desk.service_hours import ServiceHours


def show(request: HttpRequest, zone: str) -> HttpResponse:
    """Show the zone's days of one year; the address may name another year."""
    now = services().now
    desk, hours = desk_now(zone, now)
    this_year = now.astimezone(hours.zone).year
    year = _year(request.GET.get("year", ""), this_year)
    try:
        holidays = hours.holiday_year(year)
    except BeyondCalendar:
        raise Http404 from None
    context = {
        "desk": desk,
        "year": year,
        "years": (this_year, this_year + 1),
        "holidays": sorted(holidays.days.items()),
        "is_confirmed": holidays.is_confirmed,
        "overrides": _overrides(hours, year),
    }
    return render(request, "console/calendar.html", context)


def _overrides(hours: ServiceHours, year: int) -> list[tuple[date, str, str]]:
    """Return the days of a year that are kept otherwise: day, hours, reason."""
    return [
        (on, ", ".join(map(str, override.windows)), override.reason)
        for on, override in sorted(hours.overrides.items())
        if on.year == year
    ]


def _year(text: str, this_year: int) -> int:
    if not text:
        return this_year
    if not (text.isascii() and text.isdigit() and len(text) == 4):
        raise Http404
    return int(text)
