"""When mail leaves by the recipient's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.contracts.batch import LocalHours
from merpati.message.local_time import is_quiet, leaves_at, open_from, open_time

JAKARTA, BERLIN, NEW_YORK = map(ZoneInfo, ("Asia/Jakarta", "Europe/Berlin", "America/New_York"))
NIGHT = LocalHours(quiet_from=21 * 60, quiet_to=8 * 60)
WEEKDAYS = (0, 1, 2, 3, 4)


def at(text: str, **more: object) -> LocalHours:
    hour, minute = text.split(":")
    return LocalHours(at=int(hour) * 60 + int(minute), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hours", "zone", "not_before", "leaves"),
    [
        pytest.param(
            at("09:30"), JAKARTA, "2026-03-02T01:00Z", "2026-03-02T09:30+07:00", id="later today"
        ),
        pytest.param(
            at("09:30"), JAKARTA, "2026-03-02T02:30Z", "2026-03-02T09:30+07:00", id="just now"
        ),
        pytest.param(
            at("09:30"), JAKARTA, "2026-03-02T02:31Z", "2026-03-03T09:30+07:00", id="gone by"
        ),
        pytest.param(
            at("09:30", days=WEEKDAYS),
            *(JAKARTA, "2026-03-06T03:00Z", "2026-03-09T09:30+07:00"),
            id="after the weekend",
        ),
        # The day is the recipient's: it is Saturday there while it is Friday in UTC.
        pytest.param(
            at("06:00", days=WEEKDAYS),
            *(JAKARTA, "2026-03-06T22:00Z", "2026-03-09T06:00+07:00"),
            id="Saturday already",
        ),
        # 17 August 2026, a Monday, is Independence Day in Indonesia.
        pytest.param(
            at("09:30", days=WEEKDAYS, holidays="ID"),
            *(JAKARTA, "2026-08-14T03:00Z", "2026-08-18T09:30+07:00"),
            id="a long weekend",
        ),
        # Its day is the recipient's too: the holiday is over there while it lasts in UTC.
        pytest.param(
            at("00:30", holidays="ID"),
            *(JAKARTA, "2026-08-16T17:00Z", "2026-08-18T00:30+07:00"),
            id="a holiday by their calendar",
        ),
        # 2027's Christmas is a Saturday, and 24 December its substitute: a Friday without mail.
        pytest.param(
            at("09:00", days=(4,), holidays="US"),
            *(NEW_YORK, "2027-12-23T12:00Z", "2028-01-07T09:00-05:00"),
            id="substitutes",
        ),
        pytest.param(
            at("09:00", holidays="GB-ENG"),
            *(ZoneInfo("Europe/London"), "2026-04-05T08:30Z", "2026-04-07T09:00+01:00"),
            id="a part of a country",
        ),
        pytest.param(
            at("02:30"), BERLIN, "2026-03-28T23:30Z", "2026-03-29T03:00+02:00", id="missing hour"
        ),
        pytest.param(
            at("01:30"), NEW_YORK, "2026-11-01T04:00Z", "2026-11-01T01:30-04:00", id="doubled hour"
        ),
        pytest.param(
            at("01:30"), NEW_YORK, "2026-11-01T05:31Z", "2026-11-02T01:30-05:00", id="only once"
        ),
        pytest.param(
            at("12:00"),
            *(ZoneInfo("Pacific/Apia"), "2011-12-30T10:00Z", "2011-12-31T12:00+14:00"),
            id="a day that never was",
        ),
        pytest.param(NIGHT, JAKARTA, "2026-03-02T13:59Z", "2026-03-02T13:59Z", id="not yet quiet"),
        pytest.param(NIGHT, JAKARTA, "2026-03-02T14:00Z", "2026-03-03T08:00+07:00", id="quiet"),
        pytest.param(NIGHT, JAKARTA, "2026-03-02T18:00Z", "2026-03-03T08:00+07:00", id="past 24"),
        pytest.param(NIGHT, JAKARTA, "2026-03-03T01:00Z", "2026-03-03T01:00Z", id="quiet no more"),
        pytest.param(
            LocalHours(quiet_from=12 * 60, quiet_to=13 * 60),
            *(JAKARTA, "2026-03-02T05:30Z", "2026-03-02T13:00+07:00"),
            id="at noon",
        ),
        pytest.param(
            LocalHours(quiet_from=21 * 60, quiet_to=8 * 60, days=WEEKDAYS),
            *(JAKARTA, "2026-03-06T14:30Z", "2026-03-09T08:00+07:00"),
            id="night and weekend",
        ),
        pytest.param(
            LocalHours(quiet_from=21 * 60, quiet_to=8 * 60, holidays="ID"),
            *(JAKARTA, "2026-08-16T14:30Z", "2026-08-18T08:00+07:00"),
            id="quiet before and after a holiday",
        ),
        pytest.param(
            LocalHours(days=(6,)), BERLIN, "2026-03-23T08:00Z", "2026-03-29T00:00+01:00", id="days"
        ),
        pytest.param(
            LocalHours(quiet_from=60, quiet_to=150),
            *(BERLIN, "2026-03-29T00:30Z", "2026-03-29T03:00+02:00"),
            id="quiet into the missing hour",
        ),
        # 01:15 comes twice; when quiet ends at 01:30 for the first time, it is over.
        pytest.param(
            LocalHours(quiet_from=0, quiet_to=90),
            *(NEW_YORK, "2026-11-01T06:15Z", "2026-11-01T06:15Z"),
            id="quiet ends once",
        ),
    ],
)
def test_mail_leaves_by_the_recipients_clock(
    hours: LocalHours, zone: ZoneInfo, not_before: str, leaves: str
) -> None:
    """Z1: the missing hour, the doubled hour, and the days."""
    found = leaves_at(hours, zone, datetime.fromisoformat(not_before))
    assert found == datetime.fromisoformat(leaves)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        pytest.param("2026-03-02T19:00+07:00", "2026-03-02T20:30+07:00", 1.5, id="by day"),
        pytest.param("2026-03-02T20:00+07:00", "2026-03-03T08:30+07:00", 1.5, id="over a night"),
        pytest.param("2026-03-02T22:00+07:00", "2026-03-03T07:00+07:00", 0, id="in a night"),
        pytest.param("2026-03-06T20:00+07:00", "2026-03-09T09:00+07:00", 2, id="over a weekend"),
    ],
)
def test_open_time_leaves_out_nights_and_free_days(start: str, end: str, hours: float) -> None:
    weekdays = LocalHours(quiet_from=21 * 60, quiet_to=8 * 60, days=(0, 1, 2, 3, 4))
    moments = (datetime.fromisoformat(one) for one in (start, end))
    assert open_time(weekdays, JAKARTA, *moments) == timedelta(hours=hours)


@given(
    st.integers(1_704_067_200, 1_830_297_600).map(lambda at: datetime.fromtimestamp(at, UTC)),
    st.sampled_from([JAKARTA, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe")]),
    st.none() | st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sets(st.integers(0, 6)),
)
def test_it_is_never_early_never_quiet_and_never_too_late(
    moment: datetime, zone: ZoneInfo, minute: int | None, start: int, end: int, days: set[int]
) -> None:
    quiet = None if start == end else (start, end)
    hours = LocalHours(minute, *(quiet or (None, None)), tuple(sorted(days)))
    found = leaves_at(hours, zone, moment)
    local = found.astimezone(zone)
    assert moment <= found <= moment + timedelta(days=9)
    assert not days or local.weekday() in days
    if minute is None:
        assert open_from(hours, zone, found) == found
        # Where the clock shows a quiet hour all the same, it is its second coming.
        shown = local.hour * 60 + local.minute
        assert local.fold or not is_quiet(hours, shown)
