"""Bank holidays by list and year, from the `holidays` package: the one place that knows it.

What it says changes with its versions, so it only proposes (`desk/proposals.py`); no clock runs on
it alone. Saturdays and Sundays are left out: where they count, a weekday stands in for them.

Source: holidays 0.109, compared with the lists in desk/bank_holidays.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
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
