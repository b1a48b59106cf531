"""The only writers of calendars. Each is one transaction with its audit entry.

Each returns the days it changed and the calendar's new version. Clocks of cases that run by the
calendar are counted again in the same transaction. `by` is the actor as the audit trail shows it;
`now` is aware.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import F

from merpati.accounts import audit
from merpati.desk.calendars import find_calendar
from merpati.desk.errors import (
    BeyondCalendar,
    HolidayExists,
    HolidayNotFound,
    InvalidHours,
    OverrideExists,
    OverrideNotFound,
    YearConfirmed,
    YearNotConfirmed,
)
from merpati.desk.models import (
    BankHoliday,
    ConfirmedYear,
    HolidayList,
    ZoneCalendar,
)
from merpati.desk.proposals import propose
from merpati.desk.recount import recount_running_clocks
from merpati.desk.service_hours import parse_windows


@dataclass(frozen=True, slots=True)
class CalendarChange:
    """Days of a zone that are kept otherwise now, first and last; None: years not confirmed."""

    zone_id: str
    version: int
    days: tuple[date, date] | None


def confirm_holidays(
    zone_id: str, year: int, *, by: str, now: datetime, replace: bool = False
) -> CalendarChange:
    """Make the proposed bank holidays of a year the zone's own.

    replace: also where the year was confirmed before; days added or removed since then are as
    proposed again. Raises ZoneNotFound, BeyondCalendar, YearConfirmed.
    """
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        proposal = propose(calendar.holiday_list, year)
        if not proposal.days:
            raise BeyondCalendar(year)
        earlier = calendar.years.filter(year=year).first()
        if earlier is not None and not replace:
            raise YearConfirmed(zone_id, year, earlier.confirmed_by, earlier.confirmed_at)
        calendar.years.filter(year=year).delete()
        confirmed = ConfirmedYear.objects.create(
            calendar=calendar, year=year, confirmed_by=by, confirmed_at=now
        )
        BankHoliday.objects.bulk_create(
            BankHoliday(
                year=confirmed,
                falls_on=day.falls_on,
                name=day.name,
                source=", ".join(day.sources),
            )
            for day in proposal.days
        )
        audit.record(
            "confirm_holidays",
            f"{zone_id} {year}",
            by=by,
            now=now,
            account_id=None,
            holiday_list=calendar.holiday_list,
            sources=proposal.sources,
            days=[day.falls_on.isoformat() for day in proposal.days],
            replace=replace,
        )
        return _changed(calendar, (date(year, 1, 1), date(year, 12, 31)), by=by, now=now)


def add_bank_holiday(
    zone_id: str, day: date, name: str, *, by: str, now: datetime
) -> CalendarChange:
    """Add a one-off or substitute day to a confirmed year.

    Raises ZoneNotFound, InvalidHours, YearNotConfirmed, HolidayExists.
    """
    name = _checked_text(name, "name")
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        year = _confirmed_year(calendar, day)
        if not calendar.weekly[day.weekday()]:
            raise InvalidHours(
                f"{day} is a {day:%A}, on which the desk is closed anyway: add the weekday that "
                "stands in for it.",
                "day",
            )
        existing = year.days.filter(falls_on=day).first()
        if existing is not None:
            raise HolidayExists(day, existing.name)
        year.days.create(falls_on=day, name=name, source=by)
        audit.record(
            "add_bank_holiday", f"{zone_id} {day}", by=by, now=now, account_id=None, name=name
        )
        return _changed(calendar, (day, day), by=by, now=now)


def remove_bank_holiday(zone_id: str, day: date, *, by: str, now: datetime) -> CalendarChange:
    """Make a day of a confirmed year a business day. Raises as `add_bank_holiday` does."""
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        existing = _confirmed_year(calendar, day).days.filter(falls_on=day).first()
        if existing is None:
            raise HolidayNotFound(zone_id, day)
        existing.delete()
        audit.record(
            "remove_bank_holiday",
            f"{zone_id} {day}",
            by=by,
            now=now,
            account_id=None,
            name=existing.name,
        )
        return _changed(calendar, (day, day), by=by, now=now)


def use_holiday_list(zone_id: str, list_id: str, *, by: str, now: datetime) -> CalendarChange:
    """Set whose bank holidays are proposed; confirmed years stay as they are.

    Raises ZoneNotFound, InvalidHours.
    """
    if list_id not in HolidayList.values:
        raise InvalidHours(
            f"There is no list {list_id!r}; offered: {', '.join(HolidayList.values)}.", "list"
        )
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        before, calendar.holiday_list = calendar.holiday_list, list_id
        calendar.save(update_fields=["holiday_list"])
        audit.record(
            "use_holiday_list",
            zone_id,
            by=by,
            now=now,
            account_id=None,
            before=before,
            after=list_id,
        )
        return _changed(calendar, None, by=by, now=now)


def add_override(
    zone_id: str,
    day: date,
    windows: Iterable[str],
    reason: str,
    *,
    by: str,
    now: datetime,
    replace: bool = False,
) -> CalendarChange:
    """Set the hours of one day, `09:00-12:00` each; none: the desk stays closed.

    replace: put them in the place of the day's earlier override. Raises ZoneNotFound, InvalidHours
    (a window that closes before it opens, two that overlap, no reason), OverrideExists.
    """
    reason = _checked_text(reason, "reason")
    wanted = [str(window) for window in parse_windows(windows)]
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        earlier = calendar.overrides.filter(falls_on=day).first()
        if earlier is not None and not replace:
            raise OverrideExists(day, earlier.reason)
        calendar.overrides.filter(falls_on=day).delete()
        calendar.overrides.create(
            falls_on=day, windows=wanted, reason=reason, created_by=by, created_at=now
        )
        audit.record(
            "add_override",
            f"{zone_id} {day}",
            by=by,
            now=now,
            account_id=None,
            windows=wanted,
            reason=reason,
            replace=replace,
        )
        return _changed(calendar, (day, day), by=by, now=now)


def remove_override(zone_id: str, day: date, *, by: str, now: datetime) -> CalendarChange:
    """Let a day be kept by holidays and weekly hours again. Raises OverrideNotFound."""
    with transaction.atomic():
        calendar = _changing(zone_id, now)
        existing = calendar.overrides.filter(falls_on=day).first()
        if existing is None:
            raise OverrideNotFound(zone_id, day)
        existing.delete()
        audit.record(
            "remove_override",
            f"{zone_id} {day}",
            by=by,
            now=now,
            account_id=None,
            windows=existing.windows,
            reason=existing.reason,
        )
        return _changed(calendar, (day, day), by=by, now=now)


def _changing(zone_id: str, now: datetime) -> ZoneCalendar:
    """Count a change to the calendar; the UPDATE is the lock under which the change is made."""
    found = ZoneCalendar.objects.filter(pk=zone_id)
    found.update(version=F("version") + 1, changed_at=now)
    return find_calendar(zone_id)


def _changed(
    calendar: ZoneCalendar, days: tuple[date, date] | None, *, by: str, now: datetime
) -> CalendarChange:
    """End a change: the clocks that run by the calendar are counted again with it."""
    if days is not None:
        recount_running_clocks(calendar, by=by, now=now)
    return CalendarChange(calendar.zone_id, calendar.version, days)


def _confirmed_year(calendar: ZoneCalendar, day: date) -> ConfirmedYear:
    year = calendar.years.filter(year=day.year).first()
    if year is None:
        raise YearNotConfirmed(calendar.zone_id, day.year)
    return year


def _checked_text(text: str, field: str) -> str:
    text = text.strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise InvalidHours(f"A {field} has 1 to 200 printable characters.", field)
    return text
