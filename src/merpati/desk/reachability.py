"""When a person can be reached: in business hours, but not on days of absence. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from merpati.desk.business_hours import SEARCH_DAYS, spans_on
from merpati.desk.errors import NothingWithin
from merpati.desk.service_hours import ServiceHours


@dataclass(frozen=True, slots=True)
class Reach:
    """From when to when somebody can be reached next; it has begun if they can be reached now."""

    begins_at: datetime
    ends_at: datetime
    is_now: bool


def reach(hours: ServiceHours, away: Collection[tuple[date, date]], moment: datetime) -> Reach:
    """Return when somebody can be reached, now or next.

    away: first and last day of each absence. Raises NothingWithin, BeyondCalendar.
    """
    first = moment.astimezone(hours.zone).date()
    for offset in range(SEARCH_DAYS):
        day = first + timedelta(days=offset)
        if any(starts_on <= day <= ends_on for starts_on, ends_on in away):
            continue
        for span in spans_on(hours, hours.day(day)):
            if span.ends_at > moment:
                return Reach(span.starts_at, span.ends_at, span.starts_at <= moment)
    raise NothingWithin("opens", first, SEARCH_DAYS)
