"""`/desk/reports/service`: how soon the desk answered an account in a month, page and CSV."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.accounts.models import Account
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.paging import number_in
from merpati.console.desk.refusals import in_words
from merpati.console.services import services
from merpati.desk.errors import DeskError
from merpati.desk.service_report import report_of
from merpati.desk.service_report_document import checked_month, report_csv, report_document

SHOWN = 50  # cases; the CSV has them all


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the report that the address asks for; without an account, the form for one."""
    accounts = list(Account.objects.order_by("name"))
    month = request.GET.get("month") or f"{services().now:%Y-%m}"
    account = _account(request.GET.get("account", ""), accounts)
    context: dict[str, Any] = {"accounts": accounts, "account": account, "month": month}
    status = 200
    if account is not None:
        try:
            first = checked_month(month)
            report = report_of(account, first, services().now, SHOWN)
            context |= {
                "report": report_document(account, first, report),
                "cases": report.cases,
                "is_cut": report.cases > SHOWN,
                "query": urlencode({"account": account.pk, "month": month}),
                "earlier": f"{first - timedelta(days=1):%Y-%m}",
                "later": f"{_following(first):%Y-%m}",
            }
        except DeskError as error:
            context["refusal"], status = in_words(error), 422
    return render(request, "console/desk/service_report.html", context, status=status)


@staff_page
def as_csv(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Give the cases of a report as a table to keep."""
    accounts = list(Account.objects.filter(pk=number_in(request.GET.get("account", "")) or 0))
    if not accounts:
        raise Http404
    try:
        first = checked_month(request.GET.get("month", ""))
        text = report_csv(report_of(accounts[0], first, services().now))
    except DeskError:
        raise Http404 from None
    name = f"service-{accounts[0].pk}-{first:%Y-%m}.csv"
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _account(text: str, accounts: list[Account]) -> Account | None:
    return next((account for account in accounts if str(account.pk) == text), None)


def _following(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
