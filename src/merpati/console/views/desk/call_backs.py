"""`/desk/accounts/N/call-back`: booking, moving and cancelling calls that the desk will make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from itertools import groupby
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered, moment_in
from merpati.console.desk.paging import number_in
from merpati.console.services import services
from merpati.desk import call_back_booking as booking
from merpati.desk.business_hours import Span
from merpati.desk.case_errors import InvalidCall
from merpati.desk.case_search import case_for
from merpati.desk.models import CallBack, Contact, Person
from merpati.desk.tam import current_assignment


@staff_page
def show(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Show the free slots of a person, and book one of them."""
    account = _account(account_id)
    if request.method != "POST":
        return _page(request, account)

    def act() -> str:
        booking.book(account, _wanted(request, account), by=viewer.actor, now=services().now)
        return gettext("Booked; both are invited by email.")

    return answered(
        request,
        act,
        to=_back(request, account),
        page=lambda refused: _page(request, account, refused),
    )


@staff_page
def move(request: HttpRequest, viewer: Viewer, call_back_id: int) -> HttpResponse:
    """Show the free slots to which a call-back can be moved, and move it."""
    call_back = _call_back(call_back_id)
    if request.method != "POST":
        return _moving(request, call_back)

    def act() -> str:
        starts_at = moment_in(request, "starts_at", InvalidCall)
        booking.move(call_back_id, starts_at, by=viewer.actor, now=services().now)
        return gettext("Moved; both are told by email.")

    return _answered(request, call_back, act)


@staff_page
@require_POST
def cancel(request: HttpRequest, viewer: Viewer, call_back_id: int) -> HttpResponse:
    """Call a call-back off."""

    def act() -> str:
        booking.cancel(call_back_id, by=viewer.actor, now=services().now)
        return gettext("Cancelled; both are told by email.")

    return _answered(request, _call_back(call_back_id), act)


def _answered(request: HttpRequest, call_back: CallBack, act: Callable[[], str]) -> HttpResponse:
    return answered(
        request,
        act,
        to=_page_of(call_back),
        page=lambda refused: _moving(request, call_back, refused),
    )


def _call_back(call_back_id: int) -> CallBack:
    """Return a call-back, also one that cannot be changed any more. Raises Http404."""
    found = CallBack.objects.select_related("account", "contact", "person")
    call_back = found.filter(pk=call_back_id).first()
    if call_back is None:
        raise Http404
    return call_back


def _wanted(request: HttpRequest, account: Account) -> booking.WantedCall:
    contact = Contact.objects.filter(
        account=account, pk=number_in(request.POST.get("contact", "")) or 0
    ).first()
    person = Person.objects.filter(pk=number_in(request.POST.get("person", "")) or 0).first()
    if contact is None:
        raise InvalidCall("Choose whom to call.", "contact")
    if person is None:
        raise InvalidCall("Choose who calls.", "person")
    return booking.WantedCall(
        person=person,
        contact=contact,
        phone=request.POST.get("phone", ""),
        topic=request.POST.get("topic", ""),
        starts_at=moment_in(request, "starts_at", InvalidCall),
        number=number_in(request.POST.get("case", "")),
    )


def _page(request: HttpRequest, account: Account, refused: Refused | None = None) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    number, now = number_in(given.get("case", "")), services().now
    case = case_for(account.pk, number) if number else None
    staff = list(Person.objects.order_by("name"))
    person = _chosen(given.get("person", ""), staff, account)
    context: dict[str, Any] = {
        "account": account,
        "case": case,
        "people": staff,
        "person": person,
        "contacts": list(account.contacts.order_by("name")),
        "contact": given.get("contact") or (str(case.opened_by_id) if case else ""),
        "days": by_day(booking.slots_of(person, account, now)) if person else [],
        "refused": refused,
        "given": given,
    }
    return render(request, "console/desk/call_back.html", context)


def _moving(
    request: HttpRequest, call_back: CallBack, refused: Refused | None = None
) -> HttpResponse:
    slots = booking.slots_of(call_back.person, call_back.account, services().now)
    context = {"call_back": call_back, "days": by_day(slots), "refused": refused}
    return render(request, "console/desk/call_back_move.html", context)


def _chosen(text: str, staff: list[Person], account: Account) -> Person | None:
    """Return who is asked for, else the TAM, else the first."""
    asked = next((person for person in staff if str(person.pk) == text), None)
    assignment = None if asked else current_assignment(account.pk)
    return asked or (assignment.tam if assignment else next(iter(staff), None))


def by_day(slots: Iterable[Span]) -> list[tuple[date, list[Span]]]:
    """Return slots by the viewer's day."""
    days = groupby(slots, key=lambda slot: timezone.localtime(slot.starts_at).date())
    return [(day, list(of_day)) for day, of_day in days]


def _back(request: HttpRequest, account: Account) -> str:
    number = number_in(request.POST.get("case", ""))
    return f"/desk/cases/{number}" if number else f"/desk/accounts/{account.pk}"


def _page_of(call_back: CallBack) -> str:
    if call_back.case_id is not None:
        return f"/desk/cases/{call_back.case_id}"
    return f"/desk/accounts/{call_back.account_id}"


def _account(account_id: int) -> Account:
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    return account
