"""Moments as people write them: by the wall clock of a zone, or with an offset. Pure.

A wall clock's time that the clocks skip comes later by what they skip; of one that comes twice the
first is meant, as with opening hours. Either is worth a remark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from merpati.desk.errors import InvalidHours

_FIRST_YEAR, _LAST_YEAR = 1970, 2100  # beyond them nobody knows bank holidays


@dataclass(frozen=True, slots=True)
class LocalMoment:
    """A moment in UTC, and what the writer should know about it; mostly nothing, ""."""

    at: datetime
    remark: str = ""


def read_moment(text: str, zone: ZoneInfo, field: str = "moment") -> LocalMoment:
    """Read `2026-03-06T16:30`, local to the zone, or `2026-03-06T16:30-05:00`.

    Raises InvalidHours.
    """
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidHours(
            f"{text!r} is no time; write 2026-03-06T16:30 ({zone.key}) or, with its offset, "
            "2026-03-06T16:30-05:00.",
            field,
        ) from None
    _check_year(written.year, field)
    if written.tzinfo is not None:
        return LocalMoment(written.astimezone(UTC))
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    at = first.astimezone(UTC)
    shown = at.astimezone(zone)
    if shown.replace(tzinfo=None) != written:
        return LocalMoment(
            at,
            f"{text} does not exist in {zone.key}, where the clocks go forward: "
            f"{shown.isoformat(timespec='minutes')} is meant.",
        )
    if first.utcoffset() != second.utcoffset():
        return LocalMoment(
            at,
            f"{text} comes twice in {zone.key}, where the clocks go back: the first is meant. "
            f"The second is {second.isoformat(timespec='minutes')}.",
        )
    return LocalMoment(at)


def read_day(text: str, field: str = "day") -> date:
    """Read `2026-03-06`. Raises InvalidHours."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidHours(f"{text!r} is no day; write 2026-03-06.", field) from None
    _check_year(day.year, field)
    return day


def _check_year(year: int, field: str) -> None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InvalidHours(f"A year lies between {_FIRST_YEAR} and {_LAST_YEAR}.", field)
