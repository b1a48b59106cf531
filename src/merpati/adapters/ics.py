"""iCalendar files, through the `icalendar` package: the one place that knows it.

Times are written in UTC, so that no file carries rules of a time zone that could go stale.

Source: RFC 5545; RFC 5546 (invitations); RFC 7986 5.1, 5.7 (NAME, REFRESH-INTERVAL).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import icalendar

from merpati import __version__


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a calendar: between two moments (UTC), or on whole days, the last excluded."""

    uid: str
    summary: str
    starts: datetime | date
    ends: datetime | date
    description: str = ""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who meets, each by name and address. method: REQUEST invites, CANCEL takes it back."""

    method: str
    organizer: tuple[str, str]
    attendee: tuple[str, str]


def ics_bytes(
    name: str,
    entries: Iterable[Entry],
    *,
    changed_at: datetime,
    version: int,
    refresh: timedelta = timedelta(hours=12),
) -> bytes:
    """Return an iCalendar file; the same input gives the same bytes.

    changed_at, version: of the whole; a reader keeps the entry of the higher version.
    """
    calendar = _calendar("PUBLISH")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)  # what Google and Apple read
    calendar.add("refresh-interval", refresh, parameters={"value": "DURATION"})
    for entry in entries:
        event = _event(entry, changed_at, version)
        event.add("transp", "TRANSPARENT")  # nobody is busy because a desk is open
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def meeting_bytes(entry: Entry, meeting: Meeting, *, changed_at: datetime, version: int) -> bytes:
    """Return an iCalendar file that invites to a meeting, or takes it back.

    version: of the invitation; a calendar follows the highest it has seen.
    """
    calendar = _calendar(meeting.method)
    event = _event(entry, changed_at, version)
    event.add("status", "CANCELLED" if meeting.method == "CANCEL" else "CONFIRMED")
    event.add("organizer", _address(meeting.organizer))
    event.add("attendee", _address(meeting.attendee))
    calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _calendar(method: str) -> icalendar.Calendar:
    calendar = icalendar.Calendar()
    calendar.add("prodid", f"-//Merpati//{__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    return calendar


def _event(entry: Entry, changed_at: datetime, version: int) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", changed_at)
    event.add("sequence", version)
    event.add("summary", entry.summary)
    event.add("dtstart", entry.starts)
    event.add("dtend", entry.ends)
    if entry.description:
        event.add("description", entry.description)
    return event


def _address(who: tuple[str, str]) -> icalendar.vCalAddress:
    name, email = who
    address = icalendar.vCalAddress(f"mailto:{email}")
    address.params["cn"] = icalendar.vText(name)
    return address
