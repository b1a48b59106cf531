"""Business time by table: each vector was computed once more by an independent calculation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.desk.business_hours import (
    Span,
    due_at,
    next_opening,
    open_until,
    unconfirmed_years,
    working_time_between,
)
from merpati.desk.errors import (
    BeyondCalendar,
    NegativeWorkingTime,
    NothingWithin,
    SpanReversed,
)
from merpati.desk.service_hours import DayKind, HolidayYear, parse_windows
from tests.desk.calendars import ZONES, local, overridden, week

US, UK = ZONES["us-eastern"], ZONES["uk"]
NO_DAYS: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("zone", "received", "hours", "due", "due_utc", "overrides"),
    [
        pytest.param(
            "us-eastern",
            "2026-03-05T16:30",
            1,
            "2026-03-06T09:30",
            "2026-03-06T14:30Z",
            NO_DAYS,
            id="carry over close",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-06T16:30",
            1,
            "2026-03-09T09:30",
            "2026-03-09T13:30Z",
            NO_DAYS,
            id="Friday to Monday across US DST start (8 Mar)",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-07T12:00",
            2,
            "2026-03-09T11:00",
            "2026-03-09T15:00Z",
            NO_DAYS,
            id="received on Saturday",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-09T08:59",
            1,
            "2026-03-09T10:00",
            "2026-03-09T14:00Z",
            NO_DAYS,
            id="just before opening: starts 09:00",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-09T09:00",
            8,
            "2026-03-09T17:00",
            "2026-03-09T21:00Z",
            NO_DAYS,
            id="exactly one business day ends at close",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-09T17:00",
            1,
            "2026-03-10T10:00",
            "2026-03-10T14:00Z",
            NO_DAYS,
            id="at close counts as outside",
        ),
        pytest.param(
            "us-eastern",
            "2026-07-02T16:00",
            2,
            "2026-07-03T10:00",
            "2026-07-03T14:00Z",
            NO_DAYS,
            id="FED list: Friday 3 Jul 2026 is open (4 Jul is Saturday)",
        ),
        pytest.param(
            "us-eastern",
            "2026-07-03T16:00",
            2,
            "2026-07-06T10:00",
            "2026-07-06T14:00Z",
            NO_DAYS,
            id="Sat holiday has no effect",
        ),
        pytest.param(
            "us-eastern",
            "2027-07-02T16:00",
            2,
            "2027-07-06T10:00",
            "2027-07-06T14:00Z",
            NO_DAYS,
            id="4 Jul 2027 Sunday: Monday 5 Jul closed",
        ),
        pytest.param(
            "us-eastern",
            "2026-11-25T16:00",
            2,
            "2026-11-27T10:00",
            "2026-11-27T15:00Z",
            NO_DAYS,
            id="Thanksgiving Thu 26 Nov; Fri 27 open",
        ),
        pytest.param(
            "us-pacific",
            "2026-10-30T16:30",
            1,
            "2026-11-02T09:30",
            "2026-11-02T17:30Z",
            NO_DAYS,
            id="across US DST end (1 Nov)",
        ),
        pytest.param(
            "us-pacific",
            "2026-03-06T16:00",
            4,
            "2026-03-09T12:00",
            "2026-03-09T19:00Z",
            NO_DAYS,
            id="across DST start; UTC window crosses midnight",
        ),
        pytest.param(
            "us-pacific",
            "2026-10-12T10:00",
            1,
            "2026-10-13T10:00",
            "2026-10-13T17:00Z",
            NO_DAYS,
            id="Columbus Day is a Fed holiday",
        ),
        pytest.param(
            "us-pacific",
            "2026-12-31T16:00",
            2,
            "2027-01-04T10:00",
            "2027-01-04T18:00Z",
            NO_DAYS,
            id="New Year 2027 is Friday",
        ),
        pytest.param(
            "uk",
            "2026-04-02T16:00",
            1,
            "2026-04-07T09:00",
            "2026-04-07T08:00Z",
            NO_DAYS,
            id="Good Friday + Easter Monday",
        ),
        pytest.param(
            "uk",
            "2026-12-24T16:00",
            1,
            "2026-12-29T09:00",
            "2026-12-29T09:00Z",
            NO_DAYS,
            id="25 Dec Fri, 26 Dec Sat, substitute Mon 28",
        ),
        pytest.param(
            "uk",
            "2027-12-24T16:00",
            1,
            "2027-12-29T09:00",
            "2027-12-29T09:00Z",
            NO_DAYS,
            id="25/26 Dec weekend: Mon 27 and Tue 28 substitutes",
        ),
        pytest.param(
            "uk",
            "2028-12-22T16:00",
            1,
            "2028-12-27T09:00",
            "2028-12-27T09:00Z",
            NO_DAYS,
            id="25 Mon, 26 Tue",
        ),
        pytest.param(
            "uk",
            "2026-03-27T16:00",
            1,
            "2026-03-30T09:00",
            "2026-03-30T08:00Z",
            NO_DAYS,
            id="across UK DST start (29 Mar)",
        ),
        pytest.param(
            "uk",
            "2026-10-23T16:00",
            1,
            "2026-10-26T09:00",
            "2026-10-26T09:00Z",
            NO_DAYS,
            id="across UK DST end (25 Oct)",
        ),
        pytest.param(
            "uk",
            "2026-05-01T16:00",
            1,
            "2026-05-05T09:00",
            "2026-05-05T08:00Z",
            NO_DAYS,
            id="early May bank holiday Mon 4 May",
        ),
        pytest.param(
            "uk",
            "2026-08-28T16:29",
            1,
            "2026-09-01T09:29",
            "2026-09-01T08:29Z",
            NO_DAYS,
            id="late summer bank holiday 31 Aug",
        ),
        pytest.param(
            "uk",
            "2026-06-15T09:00",
            1,
            "2026-06-15T10:00",
            "2026-06-15T09:00Z",
            NO_DAYS,
            id="15 Jun 2026 is a bank holiday in Scotland only",
        ),
        pytest.param(
            "uk",
            "2026-12-24T12:00",
            1,
            "2026-12-29T09:00",
            "2026-12-29T09:00Z",
            {"2026-12-24": ["08:30-12:30"]},
            id="override contracts to 12:30",
        ),
        pytest.param(
            "us-eastern",
            "2026-11-27T16:00",
            3,
            "2026-11-28T11:00",
            "2026-11-28T16:00Z",
            {"2026-11-28": ["09:00-13:00"]},
            id="override opens a Saturday 09-13",
        ),
        pytest.param(
            "us-eastern",
            "2026-11-25T16:00",
            2,
            "2026-11-26T10:00",
            "2026-11-26T15:00Z",
            {"2026-11-26": ["09:00-17:00"]},
            id="override opens a bank holiday",
        ),
        pytest.param(
            "us-eastern",
            "2026-11-25T16:00",
            2,
            "2026-11-30T10:00",
            "2026-11-30T15:00Z",
            {"2026-11-27": []},
            id="override closes Fri 27 Nov",
        ),
        pytest.param(
            "us-eastern",
            "2026-11-30T11:30",
            2,
            "2026-11-30T14:30",
            "2026-11-30T19:30Z",
            {"2026-11-30": ["09:00-12:00", "13:00-17:00"]},
            id="override with a lunch gap",
        ),
        pytest.param(
            "us-eastern",
            "2026-03-07T20:00",
            23,
            "2026-03-09T00:00",
            "2026-03-09T04:00Z",
            {"2026-03-08": ["00:00-24:00"]},
            id="24 h override on the DST-start Sunday = 23 h",
        ),
        pytest.param(
            "uk",
            "2026-10-24T12:00",
            25,
            "2026-10-26T00:00",
            "2026-10-26T00:00Z",
            {"2026-10-25": ["00:00-24:00"]},
            id="24 h override on the DST-end Sunday = 25 h",
        ),
        # C1, C2, C3 and a sender for whom the desk's day has already ended.
        pytest.param(
            "us-eastern",
            "2026-03-06T16:45",
            1,
            "2026-03-09T09:45",
            "2026-03-09T13:45Z",
            NO_DAYS,
            id="C1",
        ),
        pytest.param(
            "uk", "2026-05-01T16:15", 1, "2026-05-05T09:15", "2026-05-05T08:15Z", NO_DAYS, id="C2"
        ),
        pytest.param(
            "uk",
            "2026-05-06T17:00",
            2,
            "2026-05-07T10:30",
            "2026-05-07T09:30Z",
            NO_DAYS,
            id="after closing",
        ),
        pytest.param(
            "uk",
            "2026-05-06T20:00",
            5,
            "2026-05-07T01:00",
            "2026-05-07T00:00Z",
            {"2026-05-06": ["09:00-24:00"], "2026-05-07": ["00:00-16:30"]},
            id="C3: midnight is no gap",
        ),
        pytest.param(
            "uk",
            "2026-05-06T20:00",
            4,
            "2026-05-07T00:00",
            "2026-05-06T23:00Z",
            {"2026-05-06": ["09:00-24:00"]},
            id="C3: used up at 24:00",
        ),
    ],
)
def test_working_time_falls_due(
    zone: str, received: str, hours: int, due: str, due_utc: str, overrides: Mapping[str, list[str]]
) -> None:
    """C1, C2 and C3 among them, by their ids."""
    calendar = overridden(ZONES[zone], overrides)
    start = local(calendar, received)
    answer = due_at(calendar, start, timedelta(hours=hours))
    assert answer.at == local(calendar, due) == datetime.fromisoformat(due_utc)
    back = working_time_between(calendar, start, answer.at)
    assert back.working_time == timedelta(hours=hours)
    assert back.account[: len(answer.account)] == answer.account


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("us-eastern", "2026-03-06T16:00", "2026-03-09T10:00", 2),
        ("us-eastern", "2026-03-07T10:00", "2026-03-08T10:00", 0),
        ("uk", "2026-12-24T08:30", "2026-12-29T09:30", 9),
        ("us-pacific", "2026-07-02T09:00", "2026-07-06T17:00", 24),
        ("uk", "2026-03-27T08:30", "2026-03-30T16:30", 16),
    ],
)
def test_working_time_between_moments(zone: str, start: str, end: str, hours: int) -> None:
    calendar = ZONES[zone]
    found = working_time_between(calendar, local(calendar, start), local(calendar, end))
    assert found.working_time == timedelta(hours=hours)


def test_a_sender_whose_today_is_the_desks_yesterday() -> None:
    from_jakarta = datetime.fromisoformat("2026-03-03T01:00+07:00")  # Monday 13:00 in New York
    answer = due_at(US, from_jakarta, timedelta(hours=2))
    assert answer.at == datetime.fromisoformat("2026-03-02T15:00-05:00")
    assert [count.day.on for count in answer.account] == [date(2026, 3, 2)]


def test_time_in_which_a_clock_stood_counts_in_working_time_alone() -> None:
    """C4: waiting for the customer from Friday to Monday, over a change of the clocks."""
    asked, answered = local(US, "2026-03-06T16:00"), local(US, "2026-03-09T10:30")
    whole = working_time_between(US, local(US, "2026-03-06T15:00"), local(US, "2026-03-09T11:00"))
    stood = working_time_between(US, asked, answered)
    assert stood.working_time == timedelta(hours=2, minutes=30)
    assert whole.working_time - stood.working_time == timedelta(hours=1, minutes=30)


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-03-06T23:30", "2026-03-09T09:00"),
        ("2026-03-06T17:00", "2026-03-09T09:00"),
        ("2026-03-06T09:00", "2026-03-06T09:00"),
        ("2026-03-06T12:34", "2026-03-06T12:34"),
    ],
)
def test_no_working_time_falls_due_at_once_or_at_the_next_opening(moment: str, due: str) -> None:
    """C6: what falls due outside hours does so at the next opening, not at midnight."""
    answer = due_at(US, local(US, moment), timedelta())
    assert answer.at == local(US, due)
    assert all(count.spans == () for count in answer.account)


@pytest.mark.parametrize(
    ("moment", "closes", "opens"),
    [
        ("2026-03-06T08:59", None, "2026-03-06T09:00"),
        ("2026-03-06T09:00", "2026-03-06T12:00", "2026-03-06T13:00"),
        ("2026-03-06T12:00", None, "2026-03-06T13:00"),
        ("2026-03-06T16:59", "2026-03-06T17:00", "2026-03-07T22:00"),
        ("2026-03-07T23:00", "2026-03-08T02:00", "2026-03-09T09:00"),  # on through midnight
        ("2026-03-08T01:00", "2026-03-08T02:00", "2026-03-09T09:00"),
    ],
)
def test_open_until_and_next_opening(moment: str, closes: str | None, opens: str) -> None:
    calendar = overridden(
        replace(US, weekly=week("09:00-12:00", "13:00-17:00")),
        {"2026-03-07": ["22:00-24:00"], "2026-03-08": ["00:00-01:00", "01:00-02:00"]},
    )
    at = local(calendar, moment)
    assert open_until(calendar, at) == (local(calendar, closes) if closes else None)
    assert next_opening(calendar, at) == local(calendar, opens)


@pytest.mark.parametrize(
    ("day", "window", "starts_at", "ends_at"),
    [
        # 02:00 to 03:00 is skipped on 8 March and comes twice on 1 November (01:00 to 02:00).
        ("2026-03-08", "02:30-05:00", "2026-03-08T07:30Z", "2026-03-08T09:00Z"),
        ("2026-03-08", "00:00-02:30", "2026-03-08T05:00Z", "2026-03-08T07:30Z"),
        ("2026-11-01", "01:30-03:00", "2026-11-01T05:30Z", "2026-11-01T08:00Z"),
        ("2026-11-01", "00:00-01:30", "2026-11-01T04:00Z", "2026-11-01T05:30Z"),
    ],
)
def test_hours_that_the_clocks_skip_or_repeat(
    day: str, window: str, starts_at: str, ends_at: str
) -> None:
    calendar = overridden(US, {day: [window]})
    found = working_time_between(calendar, local(US, f"{day}T00:00"), local(US, f"{day}T23:00"))
    assert [span for count in found.account for span in count.spans] == [
        Span(datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at))
    ]


def test_a_window_within_the_skipped_hour_is_no_time_and_none_counts_twice() -> None:
    calendar = overridden(US, {"2026-03-08": ["02:00-02:45", "03:00-04:00"]})
    day = local(US, "2026-03-08T00:00"), local(US, "2026-03-08T23:00")
    assert working_time_between(calendar, *day).working_time == timedelta(hours=1)
    calendar = overridden(US, {"2026-03-08": ["02:30-02:45", "03:00-03:10"]})
    assert working_time_between(calendar, *day).working_time == timedelta(minutes=25)
    calendar = overridden(US, {"2026-03-08": ["02:30-03:00"]})
    assert working_time_between(calendar, *day).working_time == timedelta()


def test_the_account_names_every_day_and_why_it_is_kept_so() -> None:
    calendar = overridden(UK, {"2026-05-05": ["10:00-12:00"]})
    answer = due_at(calendar, local(UK, "2026-05-01T15:30"), timedelta(minutes=130))
    assert [(count.day.kind, count.day.note, len(count.spans)) for count in answer.account] == [
        (DayKind.WEEKLY, "", 1),
        (DayKind.WEEKLY, "", 0),
        (DayKind.WEEKLY, "", 0),
        (DayKind.BANK_HOLIDAY, "May Day", 0),
        (DayKind.OVERRIDE, "reason", 1),
    ]
    assert answer.account[-1].spans == (
        Span(local(UK, "2026-05-05T10:00"), local(UK, "2026-05-05T11:10")),
    )


def test_an_account_ends_with_the_day_it_ends_in() -> None:
    """A span until midnight says nothing of the day that begins then."""
    found = working_time_between(UK, local(UK, "2026-05-06T09:00"), local(UK, "2026-05-07T00:00"))
    assert [count.day.on for count in found.account] == [date(2026, 5, 6)]
    same = working_time_between(UK, local(UK, "2026-05-06T00:00"), local(UK, "2026-05-06T00:00"))
    assert [count.day.on for count in same.account] == [date(2026, 5, 6)]


def test_years_that_nobody_confirmed_are_named() -> None:
    proposed = {year: HolidayYear({}, year < 2027) for year in range(2025, 2030)}
    calendar = replace(US, holidays=proposed)
    within = due_at(calendar, local(US, "2026-12-30T16:00"), timedelta(hours=1))
    assert unconfirmed_years(calendar, within.account) == []
    across = due_at(calendar, local(US, "2026-12-31T16:00"), timedelta(hours=2))
    assert unconfirmed_years(calendar, across.account) == [2027]


def test_a_bank_holiday_on_a_weekend_changes_nothing_and_an_override_beats_it() -> None:
    saturday, monday = date(2026, 12, 26), date(2026, 12, 28)
    assert UK.day(saturday).kind is DayKind.WEEKLY
    with_boxing_day = replace(UK, holidays={2026: HolidayYear({saturday: "Boxing Day"}, True)})
    assert with_boxing_day.day(saturday).kind is DayKind.WEEKLY
    assert UK.day(monday).kind is DayKind.BANK_HOLIDAY
    assert overridden(UK, {"2026-12-28": ["09:00-10:00"]}).day(monday).kind is DayKind.OVERRIDE


def test_a_search_ends_with_an_error() -> None:
    """Nothing is ever open, or always; or the calendar ends."""
    noon = local(US, "2026-03-06T12:00")
    never = replace(US, weekly=week())
    with pytest.raises(NothingWithin, match="never opens in the 400 days from 2026-03-06"):
        due_at(never, noon, timedelta())
    with pytest.raises(NothingWithin, match="never opens"):
        next_opening(never, noon)
    always = replace(US, weekly=(parse_windows(["00:00-24:00"]),) * 7, holidays=no_holidays())
    with pytest.raises(NothingWithin, match="never closes in the 400 days"):
        open_until(always, noon)
    with pytest.raises(NothingWithin, match="never opens"):
        next_opening(always, noon)
    with pytest.raises(BeyondCalendar, match="known for 2031"):
        due_at(US, noon, timedelta.max)
    with pytest.raises(BeyondCalendar, match="known for 2031"):
        working_time_between(US, noon, noon + timedelta(days=2000))
    assert working_time_between(never, noon, noon + timedelta(days=900)).working_time == timedelta()


def no_holidays() -> dict[int, HolidayYear]:
    return {year: HolidayYear({}, True) for year in range(2025, 2031)}


def test_what_makes_no_sense_is_refused() -> None:
    noon = local(US, "2026-03-06T12:00")
    with pytest.raises(NegativeWorkingTime, match="0 minutes or more"):
        due_at(US, noon, timedelta(microseconds=-1))
    with pytest.raises(SpanReversed, match="exchange the two"):
        working_time_between(US, noon, noon - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="timezone-aware"):
        due_at(US, datetime(2026, 3, 6, 12), timedelta())  # noqa: DTZ001


MOMENTS = st.timedeltas(timedelta(), timedelta(days=1096)).map(
    lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since
)
TIMES = st.timedeltas(timedelta(), timedelta(hours=300))
CALENDARS = st.sampled_from(
    [
        *ZONES.values(),
        overridden(UK, {"2026-10-25": ["00:00-24:00"], "2026-12-25": ["10:00-12:00"]}),
        replace(US, weekly=(parse_windows(["00:00-09:30", "12:15-24:00"]),) * 7),
    ]
)


@given(CALENDARS, MOMENTS, TIMES)
def test_what_was_added_is_what_lies_between(
    calendar: Any, received: datetime, time: timedelta
) -> None:
    due = due_at(calendar, received, time)
    assert working_time_between(calendar, received, due.at).working_time == time
    counted = [span for count in due.account for span in count.spans]
    assert sum((span.length for span in counted), timedelta()) == time


@given(CALENDARS, MOMENTS, TIMES, TIMES)
def test_parts_add_up(calendar: Any, start: datetime, first: timedelta, second: timedelta) -> None:
    middle, end = start + first, start + first + second
    whole = working_time_between(calendar, start, end).working_time
    parts = (
        working_time_between(calendar, start, middle).working_time
        + working_time_between(calendar, middle, end).working_time
    )
    assert parts == whole


@given(CALENDARS, MOMENTS, TIMES)
def test_an_answer_falls_due_while_the_desk_is_open_or_as_it_closes(
    calendar: Any, received: datetime, time: timedelta
) -> None:
    due = due_at(calendar, received, time).at
    just_before = due - timedelta(microseconds=1)
    assert open_until(calendar, due if not time else just_before) is not None
    assert due_at(calendar, received, time + timedelta(minutes=1)).at > due
