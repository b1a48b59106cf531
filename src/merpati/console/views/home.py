"""The first page: what needs the viewer, and whom they can reach."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.console.access import ACCOUNT_KEY, Viewer, customer_page, signed_in_page
from merpati.console.desk_now import desk_now
from merpati.console.services import services
from merpati.console.views.preferences import back
from merpati.desk.case_states import GOES_ON, Side
from merpati.desk.models import Case
from merpati.desk.tam import tam_of

SHOWN = 10


@signed_in_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponseBase:
    """Show a customer what waits for them; lead the desk's staff to the desk."""
    if not viewer.parts:
        return HttpResponseRedirect("/desk")
    now, account = services().now, viewer.account
    desk, _ = desk_now(account.service_time_zone, now)
    going_on = Case.objects.filter(account=account, status__in=GOES_ON)
    going_on = going_on.select_related("representative").order_by("-changed_at")
    context = {
        "ours": list(going_on.filter(turn=Side.CUSTOMER)[:SHOWN]),
        "theirs": list(going_on.filter(turn=Side.DESK)[:SHOWN]),
        "desk": desk,
        "tam": tam_of(account, now),
        "may_write": viewer.may_write_in(account.pk),
    }
    return render(request, "console/home.html", context)


@require_POST
@customer_page
def choose_account(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Look at another of the viewer's accounts from now on."""
    chosen = request.POST.get("account", "")
    if chosen not in {str(part.account.pk) for part in viewer.parts}:
        raise Http404
    request.session[ACCOUNT_KEY] = int(chosen)
    return HttpResponseRedirect(back(request))
