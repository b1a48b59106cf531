"""Whom the account can reach: its TAM, now or when next, and the desk's hours."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.access import Viewer, customer_page
from merpati.console.desk_now import desk_now
from merpati.console.services import services
from merpati.desk.call_back_booking import coming
from merpati.desk.tam import tam_of


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the TAM with phone and email, the deputy, and when each can be reached."""
    now = services().now
    desk, _ = desk_now(viewer.account.service_time_zone, now)
    context = {
        "tam": tam_of(viewer.account, now),
        "desk": desk,
        "call_backs": coming(now, account=viewer.account),
        "may_write": viewer.may_write_in(viewer.account.pk),
    }
    return render(request, "console/contact.html", context)
