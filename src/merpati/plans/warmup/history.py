"""What warm-up decides from: a sending IP's days at one provider, as `reputation` reads them.

Pure. The counts are the recorder's (`events/provider_days.py`), the allowances those that were
written. A day without a written one had the level before it, or the first; a day that went beyond
had no limit then (the IP did not warm up by provider), and counts as fully used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from merpati.events.provider_days import COLUMNS, ProviderDay
from merpati.reputation.history import Day

LOOKS_BACK = timedelta(days=90)


def days_of(
    rows: Iterable[ProviderDay], levels: Mapping[date, int], first_allowance: int
) -> list[Day]:
    """Return the days of an IP at a provider, in order. levels: what was allowed, by day."""
    decided = sorted(levels.items())
    level, days = first_allowance, []
    for row in sorted(rows, key=lambda row: row.day):
        while decided and decided[0][0] <= row.day:
            level = decided.pop(0)[1]
        days.append(day_of(row, level))
    return days


def ending_before(day: date, days: Iterable[Day]) -> list[Day]:
    """Return the days before one; the last of them is the day before, also when it was idle."""
    before = [one for one in days if one.day < day]
    yesterday = day - timedelta(days=1)
    if before and before[-1].day < yesterday:
        before.append(idle(yesterday, 0))
    return before


def day_of(row: ProviderDay, allowance: int) -> Day:
    """Return a row's day. What was sent was allowed, whatever was written."""
    return Day(
        day=row.day,
        allowance=max(allowance, row.attempted),
        **{name: getattr(row, name) for name in COLUMNS},
    )


def whole_ip(rows: Iterable[ProviderDay]) -> dict[date, Day]:
    """Return what an IP sent on each day, to all providers together."""
    sums: dict[date, list[int]] = {}
    for row in rows:
        counts = sums.setdefault(row.day, [0] * len(COLUMNS))
        for place, name in enumerate(COLUMNS):
            counts[place] += getattr(row, name)
    return {
        day: Day(day=day, allowance=0, **dict(zip(COLUMNS, counts, strict=True)))
        for day, counts in sums.items()
    }


def idle(day: date, allowance: int) -> Day:
    """Return a day on which nothing was sent."""
    return Day(day=day, allowance=allowance, **dict.fromkeys(COLUMNS, 0))
