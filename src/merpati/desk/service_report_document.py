"""The service report of an account's month, read from its cases: as plain data and as a table."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q

from merpati.accounts.models import Account
from merpati.desk.business_hours import Span
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_clocks import ClockName
from merpati.desk.case_document import steps_of
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_states import ANSWERS, Side
from merpati.desk.hours_document import minutes
from merpati.desk.models import Case, CaseUpdate
from merpati.desk.service_report import (
    EndedClock,
    History,
    Kept,
    Line,
    ServiceReport,
    month_span,
    service_report,
)

_COLUMNS = (
    *("case", "subject", "kind", "severity", "opened_at", "first_answered_at", "first_answer"),
    *("updates_on_time", "updates_late", "resolved_at", "minutes_of_the_desk"),
    "minutes_waiting_for_customer",
)
_CASE = (  # columns that a `History` has as they are
    *("number", "subject", "kind", "severity", "opened_at", "first_answered_at", "due_at"),
    *("resolved_at", "merged_at"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def checked_month(text: str) -> date:
    """Return the first day of a month written as 2026-11. Raises InvalidCase."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m").date()  # noqa: DTZ007 - a month, no moment
    except ValueError:
        raise InvalidCase(f"{text[:20]!r} is no month; write 2026-11.", "month") from None


def report_of(account: Account, month: date, now: datetime) -> ServiceReport:
    """Return an account's report of a month that has begun.

    month: its first day. Seven queries, however many cases. Raises InvalidCase, BeyondCalendar.
    """
    hours = service_hours(find_calendar(account.service_time_zone))
    span = month_span(month, hours.zone)
    if span.starts_at > now:
        raise InvalidCase(f"{month:%Y-%m} has not begun yet: name an earlier month.", "month")
    return service_report(hours, span, _histories(account, span), now)


def report_document(account: Account, month: date, report: ServiceReport) -> dict[str, Any]:
    """Return a report as plain data; times in UTC, lengths in minutes of business time."""
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
    history, late = line.history, line.first_answer_late
    return {
        "case": history.number,
        "subject": history.subject,
        "kind": history.kind,
        "severity": history.severity,
        "opened_at": history.opened_at,
        "first_answered_at": history.first_answered_at,
        "first_answer": None if late is None else "late" if late else "on_time",
        "updates_on_time": line.updates.on_time,
        "updates_late": line.updates.late,
        "resolved_at": history.resolved_at if line.is_resolved else None,
        "minutes_of_the_desk": _minutes(line.age.of_the_desk if line.age else None),
        "minutes_waiting_for_customer": _minutes(line.age.waited if line.age else None),
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


def _histories(account: Account, span: Span) -> list[History]:
    """Return what a report needs of the cases that went on in a month. Three queries.

    Plain rows, and no texts: an account may have a thousand cases with ten thousand entries.
    """
    went_on = Q(resolved_at=None, merged_at=None)
    went_on |= Q(resolved_at__gte=span.starts_at) | Q(merged_at__gte=span.starts_at)
    cases = Case.objects.filter(went_on, account=account, opened_at__lt=span.ends_at)
    clocks: dict[int, list[EndedClock]] = {}
    ended = CaseUpdate.objects.filter(
        case__in=cases, at__gte=span.starts_at, detail__has_key="clock"
    ).order_by("pk")
    for number, *row in ended.values_list("case_id", "kind", "side", "at", "detail"):
        clocks.setdefault(number, []).append(_ended(*row))
    steps: dict[int, list[Any]] = {}
    resolved = CaseUpdate.objects.filter(
        case__account=account,
        case__resolved_at__gte=span.starts_at,
        case__resolved_at__lt=span.ends_at,
    ).order_by("pk")
    for entry in resolved.values_list("case_id", "kind", "side", "at", named=True):
        steps.setdefault(entry.case_id, []).append(entry)
    return [
        History(
            **case,
            steps=tuple(steps_of(steps.get(case["number"], ()))),
            clocks=tuple(clocks.get(case["number"], ())),
        )
        for case in cases.values(*_CASE)
    ]


def _ended(kind: str, side: str, at: datetime, detail: dict[str, Any]) -> EndedClock:
    clock = detail["clock"]
    return EndedClock(
        name=ClockName(clock["name"]),
        is_answer=side == Side.DESK and kind in ANSWERS,
        due_at=datetime.fromisoformat(clock["due_at"]),
        at=at,
        is_late=clock["is_late"],
    )
