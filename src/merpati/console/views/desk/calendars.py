"""`/desk/calendars/ZONE`: bank holidays to confirm, and days that are kept otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.accounts.models import ServiceTimeZone
from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered, day_in
from merpati.console.desk.paging import number_in
from merpati.console.desk.who import check_may
from merpati.console.desk_now import desk_now
from merpati.console.services import services
from merpati.desk import calendar_changes
from merpati.desk.calendars import find_calendar
from merpati.desk.errors import InvalidHours
from merpati.desk.models import ZoneCalendar
from merpati.desk.proposals import propose

YEARS_AHEAD = 2


@staff_page
def show(request: HttpRequest, viewer: Viewer, zone_id: str) -> HttpResponse:
    """Show how a zone's days are kept, and what waits for a person to confirm it."""
    return _page(request, viewer, _calendar(zone_id))


@staff_page
@require_POST
def confirm(request: HttpRequest, viewer: Viewer, zone_id: str) -> HttpResponse:
    """Make the proposed bank holidays of a year the zone's own."""

    def act() -> str:
        year = number_in(request.POST.get("year", "")) or 0
        calendar_changes.confirm_holidays(zone_id, year, by=viewer.actor, now=services().now)
        return gettext("The bank holidays of %(year)d are confirmed.") % {"year": year}

    return _answered(request, viewer, zone_id, act)


@staff_page
@require_POST
def override(request: HttpRequest, viewer: Viewer, zone_id: str) -> HttpResponse:
    """Let one day be kept otherwise; running clocks are counted anew."""

    def act() -> str:
        day = day_in(request, "day", InvalidHours)
        calendar_changes.add_override(
            zone_id,
            day,
            request.POST.get("hours", "").replace(",", " ").split(),
            request.POST.get("reason", ""),
            by=viewer.actor,
            now=services().now,
            replace=request.POST.get("replace") == "yes",
        )
        return gettext("Kept otherwise on %(day)s; running clocks were counted anew.") % {
            "day": day.isoformat()
        }

    return _answered(request, viewer, zone_id, act)


@staff_page
@require_POST
def remove_override(request: HttpRequest, viewer: Viewer, zone_id: str) -> HttpResponse:
    """Let a day be kept by holidays and weekly hours again."""

    def act() -> str:
        day = day_in(request, "day", InvalidHours)
        calendar_changes.remove_override(zone_id, day, by=viewer.actor, now=services().now)
        return gettext("%(day)s is kept as usual again; running clocks were counted anew.") % {
            "day": day.isoformat()
        }

    return _answered(request, viewer, zone_id, act)


def _answered(
    request: HttpRequest, viewer: Viewer, zone_id: str, act: Callable[[], str]
) -> HttpResponse:
    check_may(viewer, StaffAct.KEEP_HOURS)
    calendar = _calendar(zone_id)
    return answered(
        request,
        act,
        to=f"/desk/calendars/{zone_id}",
        page=lambda refused: _page(request, viewer, calendar, refused),
    )


def _calendar(zone_id: str) -> ZoneCalendar:
    if zone_id not in ServiceTimeZone.values:
        raise Http404
    return find_calendar(zone_id)


def _page(
    request: HttpRequest, viewer: Viewer, calendar: ZoneCalendar, refused: Refused | None = None
) -> HttpResponse:
    now = services().now
    desk, _ = desk_now(calendar.zone_id, now)
    today: date = desk.today.on
    confirmed = {row.year: row for row in calendar.years.prefetch_related("days")}
    context: dict[str, Any] = {
        "calendar": calendar,
        "desk": desk,
        "zone_ids": list(ServiceTimeZone.values),
        "years": [
            (year, confirmed.get(year), propose(calendar.holiday_list, year))
            for year in range(today.year, today.year + YEARS_AHEAD)
        ],
        "overrides": list(calendar.overrides.filter(falls_on__gte=today).order_by("falls_on")),
        "today": today,
        "may_keep_hours": staff_may(viewer.staff_role, StaffAct.KEEP_HOURS),
        "refused": refused,
    }
    return render(request, "console/desk/calendar.html", context)
