"""Calendars as people keep them: proposed, confirmed, changed, refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from merpati.accounts.models import AuditEntry, ServiceTimeZone
from merpati.desk.business_hours import due_at, unconfirmed_years
from merpati.desk.calendar_changes import (
    CalendarChange,
    add_bank_holiday,
    add_override,
    confirm_holidays,
    remove_bank_holiday,
    remove_override,
    use_holiday_list,
)
from merpati.desk.calendars import find_calendar, service_hours, unconfirmed_ahead
from merpati.desk.errors import (
    BeyondCalendar,
    DeskError,
    HolidayExists,
    HolidayNotFound,
    InvalidHours,
    OverrideExists,
    OverrideNotFound,
    YearConfirmed,
    YearNotConfirmed,
    ZoneNotFound,
)
from merpati.desk.models import BankHoliday, ConfirmedYear, DatedOverride, ZoneCalendar
from merpati.desk.service_hours import DayKind, ServiceHours
from tests.desk.calendars import ZONES, local
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db

WHO: dict[str, Any] = {"by": BY, "now": NOW}
FRIDAY = date(2026, 11, 27)


def hours(zone_id: str) -> ServiceHours:
    return service_hours(find_calendar(zone_id))


@pytest.mark.parametrize("zone_id", ServiceTimeZone.values)
def test_a_new_instance_keeps_the_hours_of_the_order_form(zone_id: str) -> None:
    expected, found = ZONES[zone_id], hours(zone_id)
    assert (found.zone, found.weekly, found.overrides) == (expected.zone, expected.weekly, {})
    assert found.holiday_year(2027).days == expected.holiday_year(2027).days


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(ZoneNotFound, match="'utc'; offered: us-eastern, us-pacific, uk"):
        find_calendar("utc")
    with pytest.raises(ZoneNotFound):
        confirm_holidays("utc", 2026, **WHO)


def test_proposed_days_count_until_a_person_confirms_the_year() -> None:
    before = hours("us-eastern")
    due = due_at(before, local(before, "2026-11-25T16:00"), timedelta(hours=2))
    assert due.at == local(before, "2026-11-27T10:00")
    assert unconfirmed_years(before, due.account) == [2026]
    change = confirm_holidays("us-eastern", 2026, **WHO)
    assert change == CalendarChange("us-eastern", 2, (date(2026, 1, 1), date(2026, 12, 31)))
    after = hours("us-eastern")
    assert unconfirmed_years(after, due.account) == []
    assert after.holiday_year(2026).days == before.holiday_year(2026).days
    assert not hours("us-pacific").holiday_year(2026).is_confirmed
    (year,) = ConfirmedYear.objects.all()
    assert (year.confirmed_by, year.confirmed_at) == (BY, NOW)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject) == (BY, "confirm_holidays", "us-eastern 2026")
    assert "2026-11-26" in entry.detail["days"]


def test_a_confirmed_year_is_confirmed_again_only_when_that_is_meant() -> None:
    confirm_holidays("uk", 2026, **WHO)
    remove_bank_holiday("uk", date(2026, 8, 31), **WHO)
    with pytest.raises(YearConfirmed, match=f"by {BY} on 2026-02-03. --replace"):
        confirm_holidays("uk", 2026, **WHO)
    assert date(2026, 8, 31) not in hours("uk").holiday_year(2026).days
    confirm_holidays("uk", 2026, replace=True, **WHO)
    assert date(2026, 8, 31) in hours("uk").holiday_year(2026).days
    assert ConfirmedYear.objects.count() == 1


def test_a_year_that_nobody_knows_is_neither_confirmed_nor_counted() -> None:
    with pytest.raises(BeyondCalendar, match="2150"):
        confirm_holidays("uk", 2150, **WHO)
    with pytest.raises(BeyondCalendar, match="2150"):
        hours("uk").day(date(2150, 1, 3))


def test_one_off_days_are_added_and_removed_in_a_confirmed_year() -> None:
    day = date(2026, 9, 21)
    with pytest.raises(YearNotConfirmed, match="holidays confirm --zone uk --year 2026"):
        add_bank_holiday("uk", day, "State funeral", **WHO)
    confirm_holidays("uk", 2026, **WHO)
    assert add_bank_holiday("uk", day, " State funeral ", **WHO).days == (day, day)
    assert hours("uk").day(day).kind is DayKind.BANK_HOLIDAY
    assert BankHoliday.objects.get(falls_on=day).source == BY
    with pytest.raises(HolidayExists, match="already: State funeral"):
        add_bank_holiday("uk", day, "Again", **WHO)
    remove_bank_holiday("uk", day, **WHO)
    assert hours("uk").day(day).kind is DayKind.WEEKLY
    with pytest.raises(HolidayNotFound, match="holidays list --zone uk --year 2026"):
        remove_bank_holiday("uk", day, **WHO)
    with pytest.raises(InvalidHours, match=r"is a Saturday.*stands in for it"):
        add_bank_holiday("uk", date(2026, 9, 19), "On a weekend", **WHO)


def test_another_list_is_proposed_and_confirmed_years_stay() -> None:
    """The government closes on the Friday before a Saturday, banks do not."""
    confirm_holidays("us-eastern", 2026, **WHO)
    assert use_holiday_list("us-eastern", "us-federal", **WHO).days is None
    found = hours("us-eastern")
    assert date(2026, 7, 3) not in found.holiday_year(2026).days
    assert date(2027, 6, 18) in found.holiday_year(2027).days
    confirm_holidays("us-eastern", 2026, replace=True, **WHO)
    assert date(2026, 7, 3) in hours("us-eastern").holiday_year(2026).days
    with pytest.raises(InvalidHours, match="offered: fed, us-federal, england"):
        use_holiday_list("us-eastern", "nyse", **WHO)


def test_an_override_contracts_expands_or_closes_one_day() -> None:
    add_override("us-eastern", FRIDAY, ["13:00-16:00", "9:00-12:00"], "Short day", **WHO)
    row = DatedOverride.objects.get()
    assert (row.windows, row.created_by) == (["09:00-12:00", "13:00-16:00"], BY)
    assert [str(window) for window in hours("us-eastern").day(FRIDAY).windows] == row.windows
    with pytest.raises(OverrideExists, match=r"\(Short day\); --replace"):
        add_override("us-eastern", FRIDAY, [], "Closed", **WHO)
    # The refused one has not counted.
    change = add_override("us-eastern", FRIDAY, [], "Closed", replace=True, **WHO)
    assert change == CalendarChange("us-eastern", 3, (FRIDAY, FRIDAY))
    assert hours("us-eastern").day(FRIDAY).windows == ()
    assert hours("us-pacific").day(FRIDAY).windows != ()
    remove_override("us-eastern", FRIDAY, **WHO)
    assert hours("us-eastern").day(FRIDAY).kind is DayKind.WEEKLY
    with pytest.raises(OverrideNotFound, match="no override for 2026-11-27"):
        remove_override("us-eastern", FRIDAY, **WHO)
    trail = AuditEntry.objects.order_by("pk").values_list("action", "subject")
    assert list(trail) == [
        ("add_override", "us-eastern 2026-11-27"),
        ("add_override", "us-eastern 2026-11-27"),
        ("remove_override", "us-eastern 2026-11-27"),
    ]


@pytest.mark.parametrize(
    ("windows", "reason", "says", "field"),
    [
        (["17:00-09:00"], "r", "closes before it opens", "hours"),
        (["09:00-09:00"], "r", "closes before it opens", "hours"),
        (["09:00-12:00", "11:59-13:00"], "r", "09:00-12:00 and 11:59-13:00 overlap", "hours"),
        (["09:00-25:00"], "r", "from 00:00 to 24:00", "hours"),
        (["09:60-12:00"], "r", "from 00:00 to 24:00", "hours"),
        (["9-17"], "r", "write them as 09:00-17:00", "hours"),
        (["09:00-17:00"], " ", "reason has 1 to 200", "reason"),
        (["09:00-17:00"], "a\nb", "reason has 1 to 200", "reason"),
    ],
)
def test_hours_that_make_no_sense_change_nothing(
    windows: list[str], reason: str, says: str, field: str
) -> None:
    with pytest.raises(InvalidHours, match=says) as refused:
        add_override("uk", FRIDAY, windows, reason, **WHO)
    assert refused.value.field == field
    assert find_calendar("uk").version == 1
    assert not AuditEntry.objects.exists()


def test_years_ahead_are_named_for_zones_in_use() -> None:
    assert unconfirmed_ahead(date(2026, 12, 1)) == []
    make_account()
    make_account()
    assert unconfirmed_ahead(date(2026, 9, 30)) == [("uk", 2026)]
    assert unconfirmed_ahead(date(2026, 10, 1)) == [("uk", 2026), ("uk", 2027)]
    confirm_holidays("uk", 2026, **WHO)
    confirm_holidays("us-eastern", 2027, **WHO)
    assert unconfirmed_ahead(date(2026, 10, 1)) == [("uk", 2027)]


def test_a_refused_change_leaves_the_version_as_it_was() -> None:
    with pytest.raises(DeskError):
        remove_override("uk", FRIDAY, **WHO)
    assert find_calendar("uk").version == 1


def test_a_calendar_takes_three_queries_however_full() -> None:
    for year in (2026, 2027, 2028):
        confirm_holidays("uk", year, **WHO)
    for day in range(1, 20):
        add_override("uk", date(2026, 12, day), [], "Closed", **WHO)
    calendar = ZoneCalendar.objects.get(pk="uk")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        service_hours(calendar)
    assert len(queries) == 3
