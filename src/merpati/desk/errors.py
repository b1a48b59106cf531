"""What can go wrong in this room; each edge maps these to its own protocol in one place.

`message` is for people: what was wrong and what to do. `field` names the input that was wrong, as
the action's parameter, or is empty.
"""

from __future__ import annotations

from datetime import date, datetime


class DeskError(Exception):
    """Base of this room's errors."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidHours(DeskError):
    """Opening hours, a day or a reason that cannot be used."""


class SpanReversed(DeskError):
    """A span of time ends before it begins."""

    def __init__(self, start: datetime, end: datetime) -> None:
        super().__init__(
            f"The span ends at {end.isoformat()}, before it begins at {start.isoformat()}: "
            "exchange the two.",
            "end",
        )


class NegativeWorkingTime(DeskError):
    """Working time to be added is below zero."""

    def __init__(self) -> None:
        super().__init__("Working time is 0 minutes or more; nothing falls due backwards.", "time")


class NothingWithin(DeskError):
    """The calendar does not change for so long that searching on would be endless."""

    def __init__(self, what: str, since: date, days: int) -> None:
        super().__init__(
            f"The desk never {what} in the {days} days from {since}: look at the calendar's "
            "overrides, merpati hours override list."
        )
        self.since = since


class BeyondCalendar(DeskError):
    """Nobody knows the bank holidays of a year, so no time in it can be counted."""

    def __init__(self, year: int) -> None:
        super().__init__(f"No bank holidays are known for {year}, so nothing there can be counted.")
        self.year = year


class ZoneNotFound(DeskError):
    """There is no such Service Time Zone."""

    def __init__(self, zone_id: str, offered: str) -> None:
        super().__init__(f"There is no Service Time Zone {zone_id!r}; offered: {offered}.", "zone")


class YearNotConfirmed(DeskError):
    """Single days are changed in a confirmed year alone."""

    def __init__(self, zone_id: str, year: int) -> None:
        super().__init__(
            f"The bank holidays of {year} are not confirmed yet for {zone_id}. First: "
            f"merpati hours holidays confirm --zone {zone_id} --year {year}",
            "day",
        )


class YearConfirmed(DeskError):
    """The year was confirmed before."""

    def __init__(self, zone_id: str, year: int, by: str, at: datetime) -> None:
        super().__init__(
            f"The bank holidays of {year} were confirmed for {zone_id} by {by} on {at:%Y-%m-%d}. "
            "--replace confirms the proposal in their place; holidays add and remove change "
            "single days.",
            "year",
        )


class HolidayExists(DeskError):
    """The day is a bank holiday of the zone already."""

    def __init__(self, day: date, name: str) -> None:
        super().__init__(f"{day} is a bank holiday already: {name}.", "day")


class HolidayNotFound(DeskError):
    """The day is none of the zone's bank holidays."""

    def __init__(self, zone_id: str, day: date) -> None:
        super().__init__(
            f"{day} is no bank holiday of {zone_id}: "
            f"merpati hours holidays list --zone {zone_id} --year {day.year}",
            "day",
        )


class OverrideExists(DeskError):
    """The zone has an override for this day."""

    def __init__(self, day: date, reason: str) -> None:
        super().__init__(
            f"{day} has an override already ({reason}); --replace puts this one in its place.",
            "day",
        )


class OverrideNotFound(DeskError):
    """The zone has no override for this day."""

    def __init__(self, zone_id: str, day: date) -> None:
        super().__init__(
            f"{zone_id} has no override for {day}: merpati hours override list --zone {zone_id}",
            "day",
        )
