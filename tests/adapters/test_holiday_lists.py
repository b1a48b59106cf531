"""Public holidays by place and year."""

from __future__ import annotations

from datetime import date

import pytest

from merpati.adapters.holiday_lists import is_place, public_holidays
from merpati.adapters.time_zones import country_of, rules_edition


@pytest.mark.parametrize("place", ["ID", "US", "US-CA", "GB-ENG", "DE-BY"])
def test_countries_and_their_parts_are_places(place: str) -> None:
    assert is_place(place)


@pytest.mark.parametrize("place", ["", "XX", "id", "ID-XX", "US-", "INDONESIA", "recipient", "I\n"])
def test_nothing_else_is(place: str) -> None:
    assert not is_place(place)
    assert public_holidays(place, 2026) == frozenset()


def test_a_years_holidays_have_weekends_and_substitutes_and_no_other_year() -> None:
    """Christmas 2027 is a Saturday, New Year 2028 too: both have their Friday before, in 2027."""
    found = public_holidays("US", 2027)
    assert {date(2027, 12, 24), date(2027, 12, 25), date(2027, 12, 31)} <= found
    assert {day.year for day in found} == {2027}


def test_a_part_has_holidays_of_its_own() -> None:
    easter_monday = date(2026, 4, 6)
    assert easter_monday in public_holidays("GB-ENG", 2026)
    assert easter_monday not in public_holidays("GB", 2026)


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Asia/Makassar", "ID"),
        ("America/New_York", "US"),
        ("Europe/London", "GB"),
        ("UTC", ""),
        ("US/Pacific", ""),
        ("Mars/Base", ""),
    ],
)
def test_a_zone_is_named_for_one_country_or_none(zone: str, country: str) -> None:
    assert country_of(zone) == country


def test_new_lists_are_a_new_edition_of_the_rules() -> None:
    assert ", holidays " in rules_edition()
