"""`GET /calendar/ZONE.ics`: when the desk of a Service Time Zone is open, this year and the next.

Anybody may read it: it says no more than the order form and the hours that were announced.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from merpati.api.services import services
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.feed import feed
from merpati.desk.models import ZoneCalendar

MAX_AGE = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class _Written:
    """A zone's feed as it was last written: a year takes a sixth of a second."""

    version: int
    year: int
    body: bytes
    etag: str


_written: dict[str, _Written] = {}  # by zone


def show(request: HttpRequest, zone: str) -> HttpResponse:
    """Answer with the feed, or 304 to a reader that has it. Raises ZoneNotFound."""
    written = _current(find_calendar(zone))
    response = HttpResponse(written.body, content_type="text/calendar; charset=utf-8")
    response["ETag"] = written.etag
    response["Cache-Control"] = MAX_AGE
    return get_conditional_response(request, etag=written.etag, response=response) or response


def _current(calendar: ZoneCalendar) -> _Written:
    year = datetime.fromtimestamp(services().clock.now() / 1000, UTC).year
    written = _written.get(calendar.zone_id)
    if written is None or (written.version, written.year) != (calendar.version, year):
        body = feed(calendar, service_hours(calendar), (year, year + 1))
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        written = _written[calendar.zone_id] = _Written(calendar.version, year, body, etag)
    return written
