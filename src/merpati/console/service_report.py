"""The service report of an account's month, for pages of both sides and as a file."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpResponse

from merpati.accounts.models import Account
from merpati.console.desk.refusals import in_words
from merpati.console.services import services
from merpati.desk.errors import DeskError
from merpati.desk.service_report import report_of
from merpati.desk.service_report_document import checked_month, report_csv, report_document

SHOWN = 50  # cases; the CSV has them all


def month_in(text: str) -> str:
    """Return the month that an address names; the current one where it names none."""
    return text or f"{services().now:%Y-%m}"


def report_context(account: Account, month: str) -> tuple[dict[str, Any], int]:
    """Return what `parts/service_report.html` shows, and the status of its page: 422 if refused."""
    try:
        first = checked_month(month)
        report = report_of(account, first, services().now, SHOWN)
    except DeskError as error:
        return {"refusal": in_words(error)}, 422
    is_over = report.span.ends_at <= services().now
    return {
        "report": report_document(account, first, report),
        "cases": report.cases,
        "is_cut": report.cases > SHOWN,
        "earlier": f"{first - timedelta(days=1):%Y-%m}",
        "later": f"{_following(first):%Y-%m}" if is_over else "",
    }, 200


def report_file(account: Account, month: str) -> HttpResponse:
    """Return all cases of a report as a table to keep. Raises Http404 for what is no month."""
    try:
        first = checked_month(month)
        text = report_csv(report_of(account, first, services().now))
    except DeskError:
        raise Http404 from None
    name = f"service-{account.pk}-{first:%Y-%m}.csv"
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _following(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
