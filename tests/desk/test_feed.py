"""The iCalendar feed, read back by the package's own parser."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import icalendar
import pytest

from merpati.desk.business_hours import spans_on
from merpati.desk.calendar_changes import add_override, confirm_holidays
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.feed import days_of, feed
from tests.support.control import BY, NOW

pytestmark = pytest.mark.django_db


def events(zone_id: str, *years: int) -> list[Any]:
    calendar = find_calendar(zone_id)
    parsed = icalendar.Calendar.from_ical(feed(calendar, service_hours(calendar), years))
    return list(parsed.walk("VEVENT"))


def all_day(found: list[Any]) -> dict[date, tuple[str, str]]:
    return {
        event.decoded("dtstart"): (str(event["summary"]), str(event.get("description", "")))
        for event in found
        if not isinstance(event.decoded("dtstart"), datetime)
    }


def test_the_feed_shows_what_the_clocks_count() -> None:
    add_override("us-pacific", date(2026, 11, 28), ["09:00-13:00"], "Launch", by=BY, now=NOW)
    found = events("us-pacific", 2026, 2027)
    openings = [
        (event.decoded("dtstart"), event.decoded("dtend"))
        for event in found
        if isinstance(event.decoded("dtstart"), datetime)
    ]
    hours = service_hours(find_calendar("us-pacific"))
    spans = [span for day in days_of(hours, [2026, 2027]) for span in spans_on(hours, day)]
    assert openings == [(span.starts_at, span.ends_at) for span in spans]
    assert (datetime(2026, 11, 28, 17, tzinfo=UTC), datetime(2026, 11, 28, 21, tzinfo=UTC)) in (
        openings
    )
    assert len({event["uid"] for event in found}) == len(found)


def test_closed_days_say_why_and_whether_that_is_certain() -> None:
    add_override("uk", date(2026, 11, 27), [], "Moving house", by=BY, now=NOW)
    proposed = all_day(events("uk", 2026))
    assert len(proposed) == 9
    assert proposed[date(2026, 12, 25)] == (
        "Support closed (UK): Christmas Day",
        "Proposed; not confirmed yet.",
    )
    assert proposed[date(2026, 11, 27)] == ("Support closed (UK): Moving house", "")
    confirm_holidays("uk", 2026, by=BY, now=NOW)
    assert all_day(events("uk", 2026))[date(2026, 12, 25)][1] == ""


def test_the_same_calendar_gives_the_same_bytes_and_a_change_a_higher_sequence() -> None:
    calendar = find_calendar("uk")
    assert feed(calendar, service_hours(calendar), [2026]) == feed(
        calendar, service_hours(calendar), [2026]
    )
    assert {event["sequence"] for event in events("uk", 2026)} == {1}
    confirm_holidays("uk", 2026, by=BY, now=NOW)
    changed = events("uk", 2026)
    assert {event["sequence"] for event in changed} == {2}
    assert {event.decoded("dtstamp") for event in changed} == {NOW}
