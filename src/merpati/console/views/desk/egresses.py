"""`/desk/accounts/N/old-providers`: a customer's old providers, as a TAM sets them up."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account
from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.who import check_may
from merpati.console.moving import egress_page


@staff_page
def list_all(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Show an account's old providers."""
    return egress_page.list_all(request, account_id, _context(viewer, account_id))


@staff_page
def new(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """Add one."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)
    return egress_page.new(request, account_id, viewer.actor, _context(viewer, account_id))


@staff_page
def one(request: HttpRequest, viewer: Viewer, account_id: int, number: int) -> HttpResponse:
    """Show one, or change it."""
    if request.method == "POST":
        check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)
    return egress_page.one(request, account_id, number, viewer.actor, _context(viewer, account_id))


@require_POST
@staff_page
def check(request: HttpRequest, viewer: Viewer, account_id: int, number: int) -> HttpResponse:
    """See whether one lets us in."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)
    return egress_page.check(request, account_id, number, _context(viewer, account_id))


@require_POST
@staff_page
def remove(request: HttpRequest, viewer: Viewer, account_id: int, number: int) -> HttpResponse:
    """Remove one."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)
    context = _context(viewer, account_id)
    return egress_page.remove(request, account_id, number, viewer.actor, context)


def _context(viewer: Viewer, account_id: int) -> dict[str, Any]:
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    return {
        "account": account,
        "base": f"/desk/accounts/{account_id}/old-providers",
        "migrations": f"/desk/migrations?account={account_id}",
        "may_change": staff_may(viewer.staff_role, StaffAct.LOOK_AFTER_ACCOUNTS),
    }
