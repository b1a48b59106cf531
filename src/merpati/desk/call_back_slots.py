"""When a person of the desk can call back: half hours inside business hours, less what is taken.
Pure.

Slots lie on the half hours of the clock, so two of them are the same or apart: the database needs
to hold no more than a person's starts to keep a slot from being given twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

from merpati.desk.business_hours import Span, spans_on
from merpati.desk.service_hours import ServiceHours

SLOT = timedelta(minutes=30)
NOTICE = timedelta(minutes=30)  # that a person gets at least
AHEAD = timedelta(days=14)


def free_slots(
    hours: ServiceHours,
    away: Collection[tuple[date, date]],
    taken: Collection[datetime],
    now: datetime,
) -> list[Span]:
    """Return the slots from now on in which a person can call, in order.

    away: first and last local day of each absence; taken: starts of booked slots, UTC. Raises
    BeyondCalendar.
    """
    earliest, latest = now + NOTICE, now + AHEAD
    return [
        slot
        for slot in _slots(hours, away, now)
        if earliest <= slot.starts_at < latest and slot.starts_at not in taken
    ]


def _slots(
    hours: ServiceHours, away: Collection[tuple[date, date]], now: datetime
) -> Iterator[Span]:
    first = now.astimezone(hours.zone).date()
    for offset in range(AHEAD.days + 1):
        day = first + timedelta(days=offset)
        if any(starts_on <= day <= ends_on for starts_on, ends_on in away):
            continue
        for span in spans_on(hours, hours.day(day)):
            starts_at = _half_hour(span.starts_at)
            while starts_at + SLOT <= span.ends_at:
                yield Span(starts_at, starts_at + SLOT)
                starts_at += SLOT


def _half_hour(moment: datetime) -> datetime:
    """Return the first half hour of the clock at or after a moment."""
    midnight = datetime(2000, 1, 1, tzinfo=UTC)
    return midnight + -((midnight - moment) // SLOT) * SLOT
