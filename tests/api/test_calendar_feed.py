"""Who subscribes to a desk's hours: no key is asked for, and nothing is sent twice."""

from __future__ import annotations

from datetime import date

import icalendar
import pytest
from django.test import Client

from merpati.api import calendar_feed
from merpati.desk.calendar_changes import add_override
from tests.api.conftest import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("serving")]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(calendar_feed, "_written", {})  # versions begin anew with each test
    return Client(raise_request_exception=False)


def test_anybody_reads_a_zones_hours(reader: Client) -> None:
    answer = reader.get("/calendar/us-eastern.ics")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    events = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    years = {event.decoded("dtstart").year for event in events}
    assert years == {NOW.year, NOW.year + 1}
    head = reader.head("/calendar/us-eastern.ics")
    assert (head.status_code, head["ETag"]) == (200, answer["ETag"])


def test_a_reader_that_has_it_is_told_so_until_the_calendar_changes(reader: Client) -> None:
    etag = reader.get("/calendar/uk.ics")["ETag"]
    again = reader.get("/calendar/uk.ics", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    add_override("uk", date(NOW.year, 5, 6), [], "Closed", by="test", now=NOW)
    changed = reader.get("/calendar/uk.ics", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    other = reader.get("/calendar/us-eastern.ics", headers={"If-None-Match": etag})
    assert other.status_code == 200


def test_a_feed_is_in_the_language_that_its_address_names(reader: Client) -> None:
    english = reader.get("/calendar/uk.ics")
    indonesian = reader.get("/calendar/uk.ics?language=id")
    assert b"Support open" in english.content
    assert b"Support open" not in indonesian.content
    assert indonesian["ETag"] != english["ETag"]
    assert reader.get("/calendar/uk.ics").content == english.content


def test_an_unknown_zone_is_404(reader: Client) -> None:
    answer = reader.get("/calendar/mars.ics")
    assert answer.status_code == 404
    assert b"offered: us-eastern" in answer.content
