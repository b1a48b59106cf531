"""`/desk`: what falls due next, whose it is, and how much business time is left."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.access import Viewer, staff_page
from merpati.console.desk.paging import PER_PAGE, place_in, place_text
from merpati.console.desk.queue import lines_of
from merpati.console.desk.who import person_of
from merpati.console.services import services
from merpati.desk.business_hours import next_opening, open_until
from merpati.desk.calendars import hours_of_all_zones, unconfirmed_ahead
from merpati.desk.call_back_booking import coming
from merpati.desk.case_search import Wanted
from merpati.desk.models import MailState, Person, ReceivedMail
from merpati.desk.service_hours import ServiceHours
from merpati.desk.view_filters import NOBODY

MINE, ALL = "me", "all"


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show one's own queue, that of nobody, or all of it, a page at a time."""
    now, person = services().now, person_of(viewer)
    who = request.GET.get("who", MINE if person else ALL)
    hours = hours_of_all_zones()
    wanted = _wanted(who, person)
    cases = wanted.queue(PER_PAGE + 1, place_in(request.GET.get("after", "")))
    context: dict[str, Any] = {
        "who": who,
        "person": person,
        "lines": lines_of(cases[:PER_PAGE], hours, now),
        "next": place_text(cases[PER_PAGE - 1]) if len(cases) > PER_PAGE else "",
        "is_first": "after" not in request.GET,
        "zones": [_zone(zone_id, of_zone) for zone_id, of_zone in hours.items()],
        "unassigned": Wanted(is_resolved=False, is_unassigned=True).count(),
        **ReceivedMail.objects.filter(state=MailState.UNASSIGNED).aggregate(
            mails=Count("pk"), known_mails=Count("contact")
        ),
        "call_backs": coming(now, person=person) if person else [],
        "unconfirmed": unconfirmed_ahead(now.date()),
    }
    return render(request, "console/desk/queue.html", context)


def _wanted(who: str, person: Person | None) -> Wanted:
    return Wanted(
        is_resolved=False,
        representative=person.email if person and who == MINE else None,
        is_unassigned=who == NOBODY,
    )


def _zone(zone_id: str, hours: ServiceHours) -> dict[str, Any]:
    now = services().now
    closes_at = open_until(hours, now)
    opens_at = None if closes_at else next_opening(hours, now)
    return {"id": zone_id, "closes_at": closes_at, "opens_at": opens_at}
