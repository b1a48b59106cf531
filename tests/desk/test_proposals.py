from __future__ import annotations

from datetime import date

import pytest

from merpati.adapters.holiday_lists import VERSION, bank_holidays
from merpati.desk.models import HolidayList
from merpati.desk.proposals import ProposedDay, compare, propose

JULY_3 = date(2026, 7, 3)


@pytest.mark.parametrize("list_id", ["fed", "england"])
@pytest.mark.parametrize("year", [2026, 2027, 2028])
def test_the_package_and_our_list_agree_on_near_years(list_id: str, year: int) -> None:
    proposal = propose(list_id, year)
    assert proposal.sources == (VERSION, "list of 2026-11")
    assert len(proposal.days) >= 8
    assert proposal.doubtful == ()


def test_what_only_one_source_names_is_proposed_and_doubtful() -> None:
    christmas = {date(2026, 12, 25): "Christmas Day"}
    proposal = compare({"package": christmas | {JULY_3: "One-off"}, "list": christmas, "old": {}})
    assert proposal.sources == ("package", "list")
    assert [day.falls_on for day in proposal.days] == [JULY_3, date(2026, 12, 25)]
    assert proposal.doubtful == (ProposedDay(JULY_3, "One-off", ("package",)),)


def test_a_year_beyond_our_list_has_one_source_and_no_doubts() -> None:
    proposal = propose("fed", 2040)
    assert proposal.sources == (VERSION,)
    assert proposal.doubtful == ()


@pytest.mark.parametrize("list_id", HolidayList.values)
def test_every_list_on_offer_is_proposed_in_weekdays_of_its_year(list_id: str) -> None:
    days = [day.falls_on for day in propose(list_id, 2029).days]
    assert len(days) >= 8
    assert all(day.year == 2029 and day.weekday() < 5 for day in days)
    assert days == sorted(days)


@pytest.mark.parametrize(
    ("year", "only_the_government"),
    [
        (2026, {(7, 3)}),
        (2027, {(6, 18), (12, 24), (12, 31)}),
        (2028, {(11, 10)}),
        *((year, set()) for year in (2024, 2025, 2029, 2030)),
    ],
)
def test_banks_work_on_fridays_before_a_saturday(
    year: int, only_the_government: set[tuple[int, int]]
) -> None:
    more = bank_holidays("us-federal", year).keys() - bank_holidays("fed", year).keys()
    assert more == {date(year, *day) for day in only_the_government}


@pytest.mark.parametrize(
    "day", ["1999-12-31", "2011-04-29", "2020-05-08", "2022-09-19", "2023-05-08"]
)
def test_englands_one_off_days_are_known(day: str) -> None:
    on = date.fromisoformat(day)
    assert on in bank_holidays("england", on.year)
