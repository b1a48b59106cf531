"""The brake on guessed passwords: axes counts, this says whom and how long.

Five failures for an address from one network address, then a pause of a quarter of an hour. Both
count together: nobody can lock out somebody else from afar. An address nobody has is counted alike.
"""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def address_tried(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return whose password was tried, as users are kept."""
    given = (credentials or {}).get("email") or request.POST.get("login", "")
    return str(given).strip().lower()[:254]


def paused(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Answer 429: how long the pause lasts, and what helps."""
    last = (
        AccessAttempt.objects.filter(
            username=address_tried(request, credentials), ip_address=request.META["REMOTE_ADDR"]
        )
        .order_by("-attempt_time")
        .first()
    )
    until = last and last.attempt_time + settings.AXES_COOLOFF_TIME
    return render(request, "console/sign_in/paused.html", {"until": until}, status=429)
