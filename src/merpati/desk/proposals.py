"""Which bank holidays are proposed for a year, and who says so; a person confirms them.

Two sources are compared, the holidays package and `bank_holidays.toml`, since a package can be
late with a one-off day and our list can be old. What only one of them names is proposed too, and
shown as doubtful: a desk that promised too much is worse than one that promised a day later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

import msgspec

from merpati.adapters import holiday_lists


@dataclass(frozen=True, slots=True)
class ProposedDay:
    """A weekday on which the banks close, and the sources that name it."""

    falls_on: date
    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """The bank holidays of a list in one year, in order; none: nobody knows that year.

    sources: all that know the year; a day that not all of them name is doubtful.
    """

    days: tuple[ProposedDay, ...]
    sources: tuple[str, ...]

    @property
    def doubtful(self) -> tuple[ProposedDay, ...]:
        """Days that not every source names."""
        return tuple(day for day in self.days if day.sources != self.sources)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    compiled: str
    days: dict[str, dict[date, str]]


def propose(list_id: str, year: int) -> Proposal:
    """Return what is known of a list's year. Raises KeyError for an unknown list."""
    return compare(
        {
            holiday_lists.VERSION: holiday_lists.bank_holidays(list_id, year),
            f"list of {_file().compiled}": {
                day: name for day, name in _file().days.get(list_id, {}).items() if day.year == year
            },
        }
    )


def compare(found: Mapping[str, Mapping[date, str]]) -> Proposal:
    """Join what sources say, source → day → name; one that has no day does not know the year."""
    known = {source: days for source, days in found.items() if days}
    names = {day: name for days in known.values() for day, name in days.items()}
    return Proposal(
        tuple(
            ProposedDay(day, names[day], tuple(s for s, days in known.items() if day in days))
            for day in sorted(names)
        ),
        tuple(known),
    )


@cache
def _file() -> _File:
    text = resources.files(__package__).joinpath("bank_holidays.toml").read_text()
    return msgspec.convert({**tomllib.loads(text)}, _File, str_keys=True)
