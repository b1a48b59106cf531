"""What the commands of `merpati hours` share: the calendar asked about, and answers' shapes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from merpati.cli.actor import now
from merpati.cli.output import say
from merpati.desk.hours_document import account_document
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.desk.business_hours import Account
    from merpati.desk.calendar_changes import CalendarChange
    from merpati.desk.models import ZoneCalendar
    from merpati.desk.service_hours import ServiceHours

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """A zone's calendar, as stored and for counting."""

    row: ZoneCalendar
    hours: ServiceHours

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the wall clock."""
        return self.hours.zone

    def head(self) -> dict[str, Any]:
        """Return what every answer's document begins with."""
        return {"zone": self.row.zone_id, "calendar_version": self.row.version}

    def moment(self, text: str | None, field: str) -> datetime:
        """Read a moment of the command line, None is the present. Raises InvalidHours."""
        from merpati.desk.local_moment import read_moment  # noqa: PLC0415 - with its room

        if text is None:
            return now()
        read = read_moment(text, self.zone, field)
        if read.remark:
            say(read.remark)
        return read.at

    def local(self, moment: datetime) -> str:
        """Return a moment for people: by the desk's wall clock, and in UTC."""
        from merpati.desk.hours_words import day_name  # noqa: PLC0415 - needs Django set up

        at = moment.astimezone(self.zone)
        return (
            f"{day_name(at.date(), with_date=True)} {at:%Y %H:%M %Z} ({moment:%Y-%m-%d %H:%M} UTC)"
        )

    def account(self, account: Account) -> dict[str, Any]:
        """Return how a result was counted as plain data, and say what is not certain about it."""
        from merpati.desk.business_hours import unconfirmed_years  # noqa: PLC0415 - with its room
        from merpati.desk.hours_words import account_in_words  # noqa: PLC0415

        unconfirmed = unconfirmed_years(self.hours, account)
        self.warn(unconfirmed)
        return {
            "account": account_document(account),
            "explanation": account_in_words(account, self.zone),
            "unconfirmed_years": unconfirmed,
        }

    def warn(self, unconfirmed: list[int]) -> None:
        """Say which years count with bank holidays that nobody has confirmed."""
        if unconfirmed:
            say(
                f"The bank holidays of {', '.join(map(str, unconfirmed))} are proposed, not "
                "confirmed: merpati hours holidays confirm "
                f"--zone {self.row.zone_id} --year {unconfirmed[0]}"
            )


def open_desk(data: Path, zone: str) -> Desk:
    """Set Django up and return a zone's calendar."""
    setup(data)
    from merpati.desk.calendars import find_calendar, service_hours  # noqa: PLC0415

    row = find_calendar(zone)
    return Desk(row, service_hours(row))


def change_document(change: CalendarChange) -> dict[str, Any]:
    """Return what an action changed."""
    first, last = change.days or (None, None)
    return {
        "zone": change.zone_id,
        "calendar_version": change.version,
        "changed_from": first,
        "changed_to": last,
    }


def in_words(time: timedelta) -> str:
    """Return "2 h 05 min"; seconds where there are any."""
    whole, rest = divmod(time, _MINUTE)
    seconds = f" {rest.seconds} s" if rest else ""
    return f"{whole // 60:,} h {whole % 60:02} min{seconds}"


def this_year(desk: Desk) -> int:
    """Return the year it is at the desk."""
    return now().astimezone(desk.zone).year
