"""`/contact/call-back`: a customer books a call by their TAM, or calls it off."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.console.access import Viewer, customer_page
from merpati.console.desk.forms import Refused, answered, moment_in
from merpati.console.services import services
from merpati.console.views.desk.call_backs import by_day
from merpati.desk import call_back_booking as booking
from merpati.desk.case_errors import CallBackNotFound, InvalidCall
from merpati.desk.case_opening import NewContact, contact_of
from merpati.desk.models import Person
from merpati.desk.tam import tam_of


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the free half hours of whom the account can reach first, and book one of them."""
    account, now = viewer.account, services().now
    _check_may_write(viewer)
    tam = tam_of(account, now)
    if tam is None:
        raise Http404
    person = tam.contact.person
    if request.method != "POST":
        return _page(request, viewer, person)

    def act() -> str:
        contact = contact_of(account.pk, NewContact(viewer.name, viewer.email), now)
        wanted = booking.WantedCall(
            person,
            contact,
            request.POST.get("phone", ""),
            request.POST.get("topic", ""),
            moment_in(request, "starts_at", InvalidCall),
        )
        booking.book(account, wanted, by=viewer.actor, now=now)
        return gettext("Booked; both are invited by email.")

    return answered(
        request, act, to="/contact", page=lambda refused: _page(request, viewer, person, refused)
    )


@require_POST
@customer_page
def cancel(request: HttpRequest, viewer: Viewer, call_back_id: int) -> HttpResponse:
    """Call a call-back of the account off."""
    account, now = viewer.account, services().now
    _check_may_write(viewer)
    try:
        booking.find_call_back(call_back_id, now, account.pk)
    except CallBackNotFound:
        raise Http404 from None

    def act() -> str:
        booking.cancel(call_back_id, by=viewer.actor, now=now)
        return gettext("Cancelled; both are told by email.")

    return answered(
        request,
        act,
        to="/contact",
        page=lambda refused: render(request, "console/errors/404.html"),  # gone meanwhile
    )


def _page(
    request: HttpRequest, viewer: Viewer, person: Person, refused: Refused | None = None
) -> HttpResponse:
    slots = booking.slots_of(person, viewer.account, services().now)
    context = {"person": person, "days": by_day(slots), "refused": refused}
    return render(request, "console/call_back.html", context)


def _check_may_write(viewer: Viewer) -> None:
    if not viewer.may_write_in(viewer.account.pk):
        raise PermissionDenied
