"""Days of a history, short to write."""

from __future__ import annotations

from datetime import date, timedelta

from merpati.reputation.history import Day

MONDAY = date(2026, 3, 2)


def day(
    on: date,
    *,
    attempted: int,
    deferred: int = 0,
    blocked: int = 0,
    hard_bounced: int = 0,
    complaints: int = 0,
    allowance: int | None = None,
    deferred_rests: int = 0,
    blocked_rests: int = 0,
) -> Day:
    """Return a day whose other attempts were delivered, and which used its allowance."""
    return Day(
        day=on,
        allowance=attempted if allowance is None else allowance,
        offered=max(attempted, allowance or 0),
        attempted=attempted,
        delivered=attempted - deferred - blocked - hard_bounced,
        deferred=deferred,
        blocked=blocked,
        hard_bounced=hard_bounced,
        complaints=complaints,
        human_opens=0,
        deferred_rests=deferred_rests,
        blocked_rests=blocked_rests,
    )


def clean_day(on: date, attempted: int, allowance: int | None = None) -> Day:
    """Return a day on which everything was delivered."""
    return day(on, attempted=attempted, allowance=allowance)


def clean_days(*attempted: int, start: date = MONDAY) -> list[Day]:
    """Return clean days in a row."""
    return [clean_day(start + timedelta(number), count) for number, count in enumerate(attempted)]


def empty_day(on: date) -> Day:
    """Return a day on which nothing was sent."""
    return day(on, attempted=0)
