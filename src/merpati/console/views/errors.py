"""Pages of errors: what happened, why, what to do, and the id under which the log has it."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

log = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404; the same whether there is nothing or it is somebody else's."""
    return render(request, "console/errors/404.html", status=404)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return render(request, "console/errors/403.html", status=403)


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose token is missing or old."""
    return render(request, "console/errors/form_expired.html", status=403)


def not_understood(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400 to what no form of ours sends, such as a thousand files."""
    return render(request, "console/errors/400.html", status=400)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 500, whatever it was: the log has it, under the request's id."""
    request_id = getattr(request, "request_id", "")
    log.error("defect request=%s path=%s", request_id, request.path, exc_info=True)
    return render(request, "console/errors/500.html", status=500)
