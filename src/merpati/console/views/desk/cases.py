"""`/desk/cases`: search over all cases, saved views, and several cases given to one person."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from merpati.console import words
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered
from merpati.console.desk.paging import PER_PAGE, number_in
from merpati.console.desk.queue import lines_of
from merpati.console.desk.refusals import in_words
from merpati.console.desk.who import acting_person, person_of
from merpati.console.services import services
from merpati.desk import case_actions
from merpati.desk.calendars import hours_of_all_zones
from merpati.desk.case_errors import CaseRefusal, InvalidCase
from merpati.desk.models import CaseKind, Person, Severity
from merpati.desk.people import find_person
from merpati.desk.saved_views import remove_view, save_view, views_of
from merpati.desk.view_filters import GOING_ON, checked_filters, wanted_by

PATH = "/desk/cases"


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the cases that the address asks for, the newest first."""
    return _page(request, viewer)


@staff_page
@require_POST
def save(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Keep the search under a name."""
    person, filters = acting_person(viewer), _asked(request.POST.dict())

    def act() -> str:
        view = save_view(
            request.POST.get("name", ""),
            filters,
            by=person,
            is_shared=request.POST.get("shared") == "yes",
            via=viewer.actor,
            now=services().now,
        )
        return gettext("Saved as a view: %(name)s") % {"name": view.name}

    return _answered(request, viewer, act, filters)


@staff_page
@require_POST
def remove(request: HttpRequest, viewer: Viewer, view_id: int) -> HttpResponse:
    """Forget a saved view."""
    person = acting_person(viewer)

    def act() -> str:
        remove_view(view_id, by=person, via=viewer.actor, now=services().now)
        return gettext("The view is removed; its cases are untouched.")

    return _answered(request, viewer, act, {})


@staff_page
@require_POST
def assign(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Make one person responsible for the cases that were ticked."""
    by, now = viewer.as_desk(), services().now
    numbers = [number for text in request.POST.getlist("case") if (number := number_in(text))]

    def act() -> str:
        if not numbers:
            raise InvalidCase("Tick the cases first.", "case")
        person, assigned = find_person(request.POST.get("person", "")), 0
        for number in numbers[:PER_PAGE]:
            try:
                case_actions.assign(number, person, by=by, now=now)
                assigned += 1
            except CaseRefusal as error:  # closed meanwhile: the others are assigned all the same
                messages.error(request, f"#{number}: {in_words(error)}")
        told = ngettext("%(count)d case assigned.", "%(count)d cases assigned.", assigned)
        return told % {"count": assigned}

    return _answered(request, viewer, act, _asked(request.POST.dict()))


def _answered(
    request: HttpRequest, viewer: Viewer, act: Callable[[], str], filters: dict[str, str]
) -> HttpResponse:
    return answered(
        request,
        act,
        to=f"{PATH}?{urlencode(filters)}",
        page=lambda refused: _page(request, viewer, refused),
    )


def _page(request: HttpRequest, viewer: Viewer, refused: Refused | None = None) -> HttpResponse:
    given = request.GET.dict() if request.method == "GET" else request.POST.dict()
    now, person = services().now, person_of(viewer)
    try:
        filters = checked_filters(given)
    except InvalidCase as error:
        filters, refused = {}, refused or Refused("filters", in_words(error), given)
    hours = hours_of_all_zones()
    wanted = wanted_by(filters, person.email if person else "", hours, now)
    cases = wanted.page(PER_PAGE + 1, number_in(given.get("before", "")))
    shown = cases[:PER_PAGE]
    context: dict[str, Any] = {
        "filters": filters,
        "query": urlencode(filters),
        "lines": lines_of(shown, hours, now),
        "next": shown[-1].pk if len(cases) > PER_PAGE else None,
        "is_first": "before" not in given,
        "is_filtered": bool(filters),
        "views": [(view, urlencode(view.filters)) for view in views_of(person)],
        "people": list(Person.objects.order_by("name")),
        "kinds": _choices(CaseKind.values, words.KIND),
        "severities": _choices(Severity.values, words.SEVERITY),
        "statuses": [(value, str(text)) for value, text in words.STATUS.items()],
        "status": filters.get("status", GOING_ON),
        "person": person,
        "refused": refused,
    }
    return render(request, "console/desk/cases.html", context)


def _choices(values: Iterable[str], texts: Any) -> list[tuple[str, str]]:
    return [(value, str(texts[value])) for value in values]


def _asked(given: dict[str, str]) -> dict[str, str]:
    """Return the filters of a form that goes with a list; what is none of them is left out."""
    try:
        return checked_filters(given)
    except InvalidCase:
        return {}
