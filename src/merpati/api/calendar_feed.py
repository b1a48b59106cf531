"""`GET /calendar/ZONE.ics`: when the desk of a Service Time Zone is open, this year and the next.

Anybody may read it: it says no more than the order form and the hours that were announced.
`?language=id` has it in Indonesian, for calendars send no language that its reader chose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import get_conditional_response

from merpati.api.services import services
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.feed import feed
from merpati.desk.models import ZoneCalendar
from merpati.reputation.words import Language

MAX_AGE = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class _Written:
    """A zone's feed as it was last written: a year takes a sixth of a second."""

    version: int
    year: int
    body: bytes
    etag: str


_written: dict[tuple[str, str], _Written] = {}  # by zone and language


def show(request: HttpRequest, zone: str) -> HttpResponse:
    """Answer with the feed, or 304 to a reader that has it. Raises ZoneNotFound."""
    written = _current(find_calendar(zone), language_of(request))
    response = HttpResponse(written.body, content_type="text/calendar; charset=utf-8")
    response["ETag"] = written.etag
    response["Cache-Control"] = MAX_AGE
    return get_conditional_response(request, etag=written.etag, response=response) or response


def language_of(request: HttpRequest) -> Language:
    """Return the language that a feed's address names: English unless it says Indonesian."""
    return "id" if request.GET.get("language") == "id" else "en"


def _current(calendar: ZoneCalendar, language: Language) -> _Written:
    year = datetime.fromtimestamp(services().clock.now() / 1000, UTC).year
    key = (calendar.zone_id, language)
    written = _written.get(key)
    if written is None or (written.version, written.year) != (calendar.version, year):
        with translation.override(language):
            body = feed(calendar, service_hours(calendar), (year, year + 1))
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        written = _written[key] = _Written(calendar.version, year, body, etag)
    return written
