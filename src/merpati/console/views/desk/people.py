"""`/desk/people`: the staff, what each is responsible for, and when they are away."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered, day_in
from merpati.console.desk.who import check_may
from merpati.console.services import services
from merpati.desk import people
from merpati.desk.case_errors import InvalidPerson
from merpati.desk.case_search import open_cases_of_staff
from merpati.desk.models import Absence, Person


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the staff."""
    return _page(request, viewer)


@staff_page
@require_POST
def add_absence(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Record days on which a person does not work; one's own, or everybody's by who keeps hours."""
    email = request.POST.get("person", "")
    if email != viewer.email:
        check_may(viewer, StaffAct.KEEP_HOURS)

    def act() -> str:
        absence = people.add_absence(
            email,
            day_in(request, "starts_on", InvalidPerson),
            day_in(request, "ends_on", InvalidPerson),
            request.POST.get("reason", ""),
            by=viewer.actor,
            now=services().now,
        )
        return gettext("%(name)s is away on these days.") % {"name": absence.person.name}

    return answered(
        request,
        act,
        to="/desk/people",
        page=lambda refused: _page(request, viewer, refused),
    )


def _page(request: HttpRequest, viewer: Viewer, refused: Refused | None = None) -> HttpResponse:
    today = services().now.date()
    to_come = Absence.objects.filter(ends_on__gte=today).order_by("starts_on")
    staff = Person.objects.prefetch_related(Prefetch("absences", to_come, to_attr="to_come"))
    busy = open_cases_of_staff()
    context: dict[str, Any] = {
        "people": [(person, busy[person.pk]) for person in staff.order_by("name")],
        "today": today,
        "may_keep_hours": staff_may(viewer.staff_role, StaffAct.KEEP_HOURS),
        "refused": refused,
    }
    return render(request, "console/desk/people.html", context)
