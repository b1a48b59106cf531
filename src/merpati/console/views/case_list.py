"""The list of the account's cases, and its CSV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from merpati.console import words
from merpati.console.access import Viewer, customer_page
from merpati.console.cases.listing import csv_lines, filters_in, page_of

_CURL = """curl -H "Authorization: $API_KEY" -H "Content-Type: application/json" \\
  $MERPATI/api/merpati/v1/cases -d '{"kind": "information_request",
  "subject": "Our first case", "text": "How do we begin?",
  "contact": {"name": "Sari", "email": "sari@kirim.example"}}'"""


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the account's cases, the newest first; the address says which."""
    filters = filters_in(request.GET)
    context = {
        "filters": filters,
        "page": page_of(viewer.account.pk, filters),
        "statuses": words.STATUS_OF_YOURS,
        "kinds": words.KIND,
        "severities": words.SEVERITY,
        "curl": _CURL,
        "may_write": viewer.may_write_in(viewer.account.pk),
    }
    return render(request, "console/cases/list.html", context)


@customer_page
def as_csv(request: HttpRequest, viewer: Viewer) -> StreamingHttpResponse:
    """Give all cases that the address asks for as a file."""
    lines = csv_lines(viewer.account.pk, filters_in(request.GET))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="cases.csv"'
    return response
