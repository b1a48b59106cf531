"""`/desk/accounts`: what the desk has to know of a customer, and who looks after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account
from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered, moment_in, number_in
from merpati.console.desk.queue import lines_of
from merpati.console.desk.who import acting_person, check_may
from merpati.console.desk_now import desk_now
from merpati.console.services import services
from merpati.desk import people
from merpati.desk.call_back_booking import coming
from merpati.desk.calls import calls_of, log_call
from merpati.desk.case_errors import InvalidCall
from merpati.desk.case_search import Wanted
from merpati.desk.models import Contact, Onboarding, Person, StaffRole, TamAssignment
from merpati.desk.tam import tam_of

CASES, CALLS, CONTACTS = 20, 20, 200


@staff_page
def show_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the accounts by name, with their TAM."""
    assigned = TamAssignment.objects.filter(ended_at=None).select_related("tam")
    tams = {row.account_id: row.tam for row in assigned}
    accounts = Account.objects.filter(closed_at=None).order_by("name")
    rows = [(account, tams.get(account.pk)) for account in accounts]
    return render(request, "console/desk/accounts.html", {"rows": rows})


@staff_page
def show(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Show an account: order form, TAM with history, contacts, calls, cases."""
    return _page(request, viewer, _account(account_id))


@staff_page
@require_POST
def assign_tam(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Give the account its TAM and deputy; the earlier ones become history."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)

    def act() -> str:
        tam, deputy = request.POST.get("tam", ""), request.POST.get("deputy", "")
        row = people.assign_tam(account_id, tam, deputy, by=viewer.actor, now=services().now)
        return gettext("%(name)s is the Technical Account Manager now.") % {"name": row.tam.name}

    return _answered(request, viewer, account_id, act)


@staff_page
@require_POST
def complete_onboarding(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Record that the onboarding is complete: cases can be escalated from now on."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)

    def act() -> str:
        people.complete_onboarding(account_id, by=viewer.actor, now=services().now)
        return gettext("The onboarding is complete: cases can be escalated from now on.")

    return _answered(request, viewer, account_id, act)


@staff_page
@require_POST
def call(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Log a call that was about no case in particular."""
    person = acting_person(viewer)

    def act() -> str:
        log_call(
            account_id,
            person=person,
            spoke_with=request.POST.get("spoke_with", ""),
            began_at=moment_in(request, "began_at", InvalidCall),
            minutes=number_in(request, "minutes", InvalidCall),
            text=request.POST.get("text", ""),
            via=viewer.actor,
            now=services().now,
        )
        return gettext("The call is logged.")

    return _answered(request, viewer, account_id, act)


def _answered(
    request: HttpRequest, viewer: Viewer, account_id: int, act: Callable[[], str]
) -> HttpResponse:
    account = _account(account_id)
    return answered(
        request,
        act,
        to=f"/desk/accounts/{account_id}",
        page=lambda refused: _page(request, viewer, account, refused),
    )


def _account(account_id: int) -> Account:
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    return account


def _page(
    request: HttpRequest, viewer: Viewer, account: Account, refused: Refused | None = None
) -> HttpResponse:
    now = services().now
    desk, hours = desk_now(account.service_time_zone, now)
    staff = list(Person.objects.order_by("name"))
    found = Wanted(account_id=account.pk, is_resolved=False).queue(CASES)
    context: dict[str, Any] = {
        "account": account,
        "desk": desk,
        "tam": tam_of(account, now),
        "history": list(
            account.tam_assignments.filter(ended_at__isnull=False)
            .select_related("tam", "deputy")
            .order_by("-ended_at")[:CALLS]
        ),
        "onboarding": Onboarding.objects.filter(pk=account.pk).first(),
        "contacts": list(Contact.objects.filter(account=account).order_by("name")[:CONTACTS]),
        "lines": lines_of(found, {account.service_time_zone: hours}, now),
        "calls": calls_of(account.pk, CALLS),
        "call_backs": coming(now, account=account),
        "people": staff,
        "tams": [person for person in staff if person.role == StaffRole.TAM],
        "may_look_after": staff_may(viewer.staff_role, StaffAct.LOOK_AFTER_ACCOUNTS),
        "refused": refused,
    }
    return render(request, "console/desk/account.html", context)
