"""`/desk/mail`: mail that waits for a person to say whose it is, and storms that were held back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.accounts.models import AuditEntry
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.paging import number_in
from merpati.desk.models import MailState, ReceivedMail

PER_PAGE = 25
STORMS = 10
STORM = "mail_storm"  # as the audit trail names it
_STATES = {"waiting": MailState.UNASSIGNED, "filed": MailState.FILED}


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the mail that is kept apart, the newest first."""
    return _page(request)


def _page(request: HttpRequest) -> HttpResponse:
    state = request.GET.get("state", "")
    state = state if state in _STATES else "waiting"
    found = ReceivedMail.objects.filter(state=_STATES[state]).order_by("-id")
    if (before := number_in(request.GET.get("before", ""))) is not None:
        found = found.filter(pk__lt=before)
    mails = list(found[: PER_PAGE + 1])
    context: dict[str, Any] = {
        "state": state,
        "mails": mails[:PER_PAGE],
        "next": mails[PER_PAGE - 1].pk if len(mails) > PER_PAGE else None,
        "storms": list(AuditEntry.objects.filter(action=STORM).order_by("-id")[:STORMS]),
    }
    return render(request, "console/desk/mail.html", context)
