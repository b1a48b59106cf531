from __future__ import annotations

from datetime import timedelta

import pytest

from merpati.desk.business_hours import due_at, working_time_between
from merpati.desk.hours_words import account_in_words
from tests.desk.calendars import ZONES, local, overridden

UK, US = ZONES["uk"], ZONES["us-eastern"]


@pytest.mark.parametrize(
    ("received", "minutes", "words"),
    [
        ("2026-05-06T10:00", 60, "Wed 10:00-11:00"),
        ("2026-05-06T16:00", 60, "Wed 16:00-16:30, Thu 08:30-09:00"),
        (
            "2026-05-01T14:10",
            180,
            "Fri 14:10-16:30, closed Sat, Sun and bank holiday Mon (May Day), Tue 08:30-09:10",
        ),
        (
            "2026-05-02T14:10",
            0,
            "closed Sat, Sun and bank holiday Mon (May Day), none of Tue 08:30-16:30",
        ),
        ("2026-05-06T17:00", 30, "none of Wed 08:30-16:30, Thu 08:30-09:00"),
    ],
)
def test_an_account_reads_as_a_sentence(received: str, minutes: int, words: str) -> None:
    due = due_at(UK, local(UK, received), timedelta(minutes=minutes))
    assert account_in_words(due.account, UK.zone) == words


def test_windows_overrides_and_midnight_are_named() -> None:
    calendar = overridden(
        UK, {"2026-05-06": ["09:00-12:00", "13:00-24:00"], "2026-05-07": [], "2026-05-08": []}
    )
    start, end = local(UK, "2026-05-06T11:00"), local(UK, "2026-05-11T09:00")
    found = working_time_between(calendar, start, end)
    assert account_in_words(found.account, UK.zone) == (
        "Wed 11:00-12:00 and 13:00-24:00 (reason), closed Thu (reason), Fri (reason), Sat and Sun, "
        "Mon 08:30-09:00"
    )


def test_more_than_a_week_carries_dates_and_joins_days_that_are_alike() -> None:
    start, end = local(US, "2026-03-05T16:00"), local(US, "2026-03-17T10:00")
    found = working_time_between(US, start, end)
    assert account_in_words(found.account, US.zone) == (
        "Thu 5 Mar 16:00-17:00, Fri 6 Mar 09:00-17:00, closed Sat 7 Mar and Sun 8 Mar, "
        "Mon 9 Mar to Fri 13 Mar 09:00-17:00 each, closed Sat 14 Mar and Sun 15 Mar, "
        "Mon 16 Mar 09:00-17:00, Tue 17 Mar 09:00-10:00"
    )
