"""`/service-report`: how soon the desk answered one's own account in a month, page and CSV."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.access import Viewer, customer_page
from merpati.console.service_report import month_in, report_context, report_file


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the report of the month that the address names, or of this one."""
    month = month_in(request.GET.get("month", ""))
    shown, status = report_context(viewer.account, month)
    context = {"account": viewer.account, "month": month, **shown}
    return render(request, "console/service_report.html", context, status=status)


@customer_page
def as_csv(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Give the cases of a report as a table to keep."""
    return report_file(viewer.account, request.GET.get("month", ""))
