"""Holidays by list or place and year, from the `holidays` package: the one place that knows it.

What it says changes with its versions, so of bank holidays it only proposes (`desk/proposals.py`);
no clock of the desk runs on it alone. Saturdays and Sundays are left out there: where they count, a
weekday stands in for them. When mail leaves at a recipient's it decides, where its sender asks.

Source: holidays 0.109, compared with the lists in desk/bank_holidays.toml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, lru_cache
from importlib.metadata import version

import holidays

VERSION = f"holidays {version('holidays')}"

_SATURDAY = 5  # as date.weekday() counts

# Not the US by state, nor Great Britain as a whole: the one adds days that banks work, the other
# lacks Easter Monday. `expand` would add years at each look-up.
_LISTS: dict[str, Callable[[range], Mapping[date, str]]] = {
    "fed": lambda years: holidays.financial_holidays("FED", years=years, expand=False),
    "us-federal": lambda years: holidays.country_holidays("US", years=years, expand=False),
    "england": lambda years: holidays.country_holidays(
        "GB", subdiv="ENG", years=years, expand=False
    ),
}


def bank_holidays(list_id: str, year: int) -> dict[date, str]:
    """Return the weekdays of a year on which a list's banks close, with their names, in order.

    Empty for a year the package does not cover. Raises KeyError for an unknown list.
    """
    # An observed day can lie in the year before its holiday.
    found = _LISTS[list_id](range(year - 1, year + 2))
    return {
        day: found[day] for day in sorted(found) if day.year == year and day.weekday() < _SATURDAY
    }


_PLACE = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")


@lru_cache(maxsize=1024)
def is_place(place: str) -> bool:
    """Return whether the public holidays of a place are known: "ID", or "US-CA" (ISO 3166)."""
    match = _PLACE.fullmatch(place)
    if match is None:
        return False
    country, part = match.groups()
    parts = _countries().get(country)
    return parts is not None and (part is None or part in parts)


@cache
def _countries() -> Mapping[str, list[str]]:
    return holidays.list_supported_countries(include_aliases=False)


@lru_cache(maxsize=1024)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """Return the days of a year that a place has off, substitute days and weekends included.

    Of a country's parts those that hold everywhere. None for a place or year that is not known.
    """
    if not is_place(place):
        return frozenset()
    country, _, part = place.partition("-")
    # An observed day can lie in the year before its holiday.
    years = range(year - 1, year + 2)
    found = holidays.country_holidays(country, subdiv=part or None, years=years, expand=False)
    return frozenset(day for day in found if day.year == year)
