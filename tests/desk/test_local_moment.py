from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from merpati.desk.errors import InvalidHours
from merpati.desk.local_moment import read_day, read_moment

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "utc", "remark"),
    [
        ("2026-03-06T16:30", "2026-03-06T21:30", ""),
        (" 2026-03-06 16:30:15 ", "2026-03-06T21:30:15", ""),
        ("2026-03-06T16:30Z", "2026-03-06T16:30", ""),
        ("2026-03-07T04:30+07:00", "2026-03-06T21:30", ""),
        ("2026-03-06", "2026-03-06T05:00", ""),
        ("2026-03-08T02:30", "2026-03-08T07:30", "does not exist in America/New_York"),
        ("2026-03-08T02:30", "2026-03-08T07:30", "2026-03-08T03:30-04:00 is meant"),
        ("2026-11-01T01:30", "2026-11-01T05:30", "The second is 2026-11-01T01:30-05:00"),
        ("2026-11-01T01:30-05:00", "2026-11-01T06:30", ""),
    ],
)
def test_a_moment_is_read_and_remarked_on(text: str, utc: str, remark: str) -> None:
    read = read_moment(text, NEW_YORK)
    assert read.at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert remark in read.remark
    assert bool(remark) == bool(read.remark)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30T10:00", "2026-03-06T25:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidHours, match="write 2026-03-06T16:30") as refused:
        read_moment(text, NEW_YORK, "from")
    assert refused.value.field == "from"


def test_days_are_read_and_years_that_nobody_can_count_refused() -> None:
    assert read_day(" 2026-03-06 ") == date(2026, 3, 6)
    with pytest.raises(InvalidHours, match="'6 March' is no day"):
        read_day("6 March")
    for text in ("0001-01-01", "1969-12-31", "2101-01-01", "9999-12-31"):
        with pytest.raises(InvalidHours, match="between 1970 and 2100"):
            read_day(text)
        with pytest.raises(InvalidHours, match="between 1970 and 2100"):
            read_moment(text, NEW_YORK)
