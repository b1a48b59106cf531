"""The desk of a Service Time Zone as it is right now: open or closed, until when, why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from merpati.desk.business_hours import next_opening, open_until
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.hours_words import week_in_words
from merpati.desk.service_hours import Day, DayKind, ServiceHours


@dataclass(frozen=True, slots=True)
class DeskNow:
    """Whether a desk is open, for pages of both sides.

    closes_at: while it is open; opens_at: while it is closed. why: the reason why it is closed
    today, such as a bank holiday's name, or "". week: its weekly hours in words.
    """

    zone_id: str
    zone: ZoneInfo
    today: Day
    closes_at: datetime | None
    opens_at: datetime | None
    why: str
    week: str

    @property
    def is_open(self) -> bool:
        """Whether somebody of the desk is there."""
        return self.closes_at is not None


def desk_now(zone_id: str, now: datetime) -> tuple[DeskNow, ServiceHours]:
    """Return a desk as it is now, and its hours for further counting. Four queries.

    Raises ZoneNotFound, BeyondCalendar, NothingWithin.
    """
    hours = service_hours(find_calendar(zone_id))
    today = hours.day(now.astimezone(hours.zone).date())
    closes_at = open_until(hours, now)
    opens_at = None if closes_at else next_opening(hours, now)
    shown = DeskNow(
        zone_id,
        hours.zone,
        today,
        closes_at,
        opens_at,
        "" if closes_at else _why(today),
        week_in_words(hours.weekly),
    )
    return shown, hours


def _why(day: Day) -> str:
    match day.kind:
        case DayKind.BANK_HOLIDAY:
            return gettext("bank holiday: %(name)s") % {"name": day.note}
        case DayKind.OVERRIDE if day.note:
            return day.note
        case _ if not day.windows:
            return gettext("weekend")
        case _:
            return gettext("outside business hours")
