"""The service report of an account's month: as plain data and as a table."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

from merpati.accounts.models import Account
from merpati.desk.case_errors import InvalidCase
from merpati.desk.hours_document import minutes
from merpati.desk.service_report import Kept, Line, ServiceReport

_COLUMNS = (
    *("case", "subject", "kind", "severity", "opened_at", "first_answered_at", "first_answer"),
    *("updates_on_time", "updates_late", "resolved_at", "minutes_of_the_desk"),
    "minutes_waiting_for_customer",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def checked_month(text: str) -> date:
    """Return the first day of a month written as 2026-11. Raises InvalidCase."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m").date()  # noqa: DTZ007 - a month, no moment
    except ValueError:
        raise InvalidCase(f"{text[:20]!r} is no month; write 2026-11.", "month") from None


def report_document(account: Account, month: date, report: ServiceReport) -> dict[str, Any]:
    """Return a report as plain data; times in UTC, lengths in minutes of business time.

    cases: as many as the report has lines.
    """
    median = report.median_to_resolution
    return {
        "account": {"id": account.pk, "name": account.name},
        "month": f"{month:%Y-%m}",
        "service_time_zone": account.service_time_zone,
        "starts_at": report.span.starts_at,
        "ends_at": report.span.ends_at,
        "opened": report.opened,
        "resolved": report.resolved,
        "open_at_end": report.open_at_end,
        "overdue": report.overdue,
        "first_answers": _kept(report.first_answers),
        "updates": _kept(report.updates),
        "median_minutes_to_resolution": None if median is None else minutes(median),
        "cases": [_line(line) for line in report.lines],
    }


def report_csv(report: ServiceReport) -> str:
    """Return the lines of a report as CSV with a head; no cell of it is read as a formula."""
    written = io.StringIO()
    rows = csv.DictWriter(written, _COLUMNS)
    rows.writeheader()
    for line in report.lines:
        rows.writerow({name: _cell(value) for name, value in _line(line).items()})
    return written.getvalue()


def _line(line: Line) -> dict[str, Any]:
    case, first = line.case, line.first_answers
    return {
        "case": case.number,
        "subject": case.subject,
        "kind": case.kind,
        "severity": case.severity,
        "opened_at": case.opened_at,
        "first_answered_at": case.first_answered_at,
        "first_answer": "late" if first.late else "on_time" if first.on_time else None,
        "updates_on_time": line.updates.on_time,
        "updates_late": line.updates.late,
        "resolved_at": case.resolved_at if line.is_resolved else None,
        "minutes_of_the_desk": _minutes(case.worked if line.is_resolved else None),
        "minutes_waiting_for_customer": _minutes(case.waited if line.is_resolved else None),
    }


def _kept(kept: Kept) -> dict[str, Any]:
    return {"on_time": kept.on_time, "late": kept.late, "share_on_time": kept.share}


def _minutes(length: timedelta | None) -> int | float | None:
    return None if length is None else minutes(length)


def _cell(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return value
