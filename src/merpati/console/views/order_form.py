"""The order form as its customer sees it; an owner acknowledges what it excludes."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext

from merpati.accounts import order_form
from merpati.accounts.models import ServiceTimeZone, User
from merpati.accounts.roles import Act, member_may
from merpati.console.access import Viewer, customer_page
from merpati.console.services import services
from merpati.console.words import ZONE


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show plan, zone, term and exclusions; POST acknowledges what is outstanding."""
    account = viewer.account
    may_acknowledge = viewer.part is not None and member_may(
        viewer.part.role, Act.ACKNOWLEDGE_ORDER
    )
    outstanding = order_form.outstanding(account.pk)
    if request.method == "POST":
        if not may_acknowledge:
            raise PermissionDenied
        if request.POST.get("account") != str(account.pk):
            messages.error(request, gettext("You look at another account by now: see below."))
        elif outstanding:
            order_form.acknowledge(
                account.pk,
                outstanding,
                language=viewer.language,
                acknowledged_by=f"{viewer.name} <{viewer.email}>",
                user=User.objects.get(pk=viewer.user_id),
                by=viewer.actor,
                now=services().now,
            )
            messages.success(request, gettext("Thank you. It is recorded."))
        return redirect("order-form")
    return render(
        request,
        "console/people/order_form.html",
        {
            "account": account,
            "zone": ZONE[ServiceTimeZone(account.service_time_zone)],
            "outstanding": [order_form.wording(e, viewer.language) for e in outstanding],
            "records": account.order_acknowledgements.order_by("-pk"),
            "may_acknowledge": may_acknowledge,
        },
    )
