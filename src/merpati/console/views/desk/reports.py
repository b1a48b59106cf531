"""`/desk/reports/service`: how soon the desk answered an account in a month, page and CSV."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.accounts.models import Account
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.paging import number_in
from merpati.console.service_report import month_in, report_context, report_file


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the report that the address asks for; without an account, the form for one."""
    accounts = list(Account.objects.order_by("name"))
    month = month_in(request.GET.get("month", ""))
    account = _account(request.GET.get("account", ""), accounts)
    context: dict[str, Any] = {"accounts": accounts, "account": account, "month": month}
    status = 200
    if account is not None:
        shown, status = report_context(account, month)
        query = f"account={account.pk}&month="
        context |= shown | {
            "page": f"/desk/reports/service?{query}",
            "file": f"/desk/reports/service.csv?{query}",
        }
    return render(request, "console/desk/service_report.html", context, status=status)


@staff_page
def as_csv(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Give the cases of a report as a table to keep."""
    account = Account.objects.filter(pk=number_in(request.GET.get("account", "")) or 0).first()
    if account is None:
        raise Http404
    return report_file(account, request.GET.get("month", ""))


def _account(text: str, accounts: list[Account]) -> Account | None:
    return next((account for account in accounts if str(account.pk) == text), None)
