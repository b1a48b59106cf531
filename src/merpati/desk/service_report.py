"""The service report of an account and month: how soon the desk answered, in business hours.

An answer or an update belongs to the month in which it was given, a case to the months in which it
was opened and resolved. What was on time, and how long a case took, is what was counted then; later
changes of the calendar do not alter it. The database sums: an account may have a thousand cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from merpati.accounts.models import Account
from merpati.desk.business_hours import Span
from merpati.desk.calendars import find_calendar
from merpati.desk.case_clocks import ClockName
from merpati.desk.case_errors import InvalidCase
from merpati.desk.models import Case, EndedClock

# Promises that an answer kept, by clock and whether it was late.
_Counts = Mapping[tuple[str, bool], int]


@dataclass(frozen=True, slots=True)
class Kept:
    """Promises that fell into a month."""

    on_time: int = 0
    late: int = 0

    @property
    def share(self) -> float | None:
        """How many of them were kept, 0 to 1; None: there were none."""
        whole = self.on_time + self.late
        return self.on_time / whole if whole else None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What a report says of a case whatever the month; worked, waited: until it was resolved."""

    number: int
    subject: str
    kind: str
    severity: str
    opened_at: datetime
    first_answered_at: datetime | None
    resolved_at: datetime | None
    worked: timedelta | None
    waited: timedelta | None


@dataclass(frozen=True, slots=True)
class Line:
    """A case of the report, with the answers that it got in the month."""

    case: CaseFacts
    first_answers: Kept  # one at most
    updates: Kept
    is_resolved: bool  # in this month


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """An account's month. lines: its cases, newest first, all or as many as were wanted."""

    span: Span
    cases: int  # that went on in it
    opened: int
    resolved: int
    open_at_end: int  # or now, in a month that goes on
    overdue: int  # cases with a promise that was due by then and not kept yet
    first_answers: Kept
    updates: Kept
    median_to_resolution: timedelta | None  # working time of the desk, without waits
    lines: tuple[Line, ...]


def month_span(first: date, zone: ZoneInfo) -> Span:
    """Return a local month in UTC. first: its first day."""
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime(d.year, d.month, 1, tzinfo=zone) for d in (first, following))
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def report_of(
    account: Account, month: date, now: datetime, most: int | None = None
) -> ServiceReport:
    """Return an account's report of a month that has begun.

    month: its first day; most: how many lines, None: all. Six queries, however many cases.
    Raises InvalidCase.
    """
    span = month_span(month, ZoneInfo(find_calendar(account.service_time_zone).iana))
    if span.starts_at > now:
        raise InvalidCase(f"{month:%Y-%m} has not begun yet: name an earlier month.", "month")
    cases = _went_on(account, span)
    within = {"ended_at__gte": span.starts_at, "ended_at__lt": span.ends_at}
    answers = EndedClock.objects.filter(account=account, is_answer=True, **within)
    sums = answers.values_list("name", "is_late").annotate(Count("pk"))
    counts = {(name, is_late): count for name, is_late, count in sums}
    return ServiceReport(
        span=span,
        **_counted(cases, span, min(span.ends_at, now)),
        first_answers=_kept(counts, ClockName.FIRST_ANSWER),
        updates=_kept(counts, ClockName.NEXT_UPDATE),
        median_to_resolution=_median(
            account.cases.filter(resolved_at__gte=span.starts_at, resolved_at__lt=span.ends_at)
            .order_by("worked")
            .values_list("worked", flat=True)
        ),
        lines=tuple(_lines(cases.order_by("-number")[:most], answers, span)),
    )


def _went_on(account: Account, span: Span) -> QuerySet[Case]:
    """Return the cases that were opened before a month's end and not closed before its start."""
    # Numbers first: of conditions joined by OR SQLite looks at each case of the account.
    open_ones, since = Q(resolved_at=None), Q(resolved_at__gte=span.starts_at)
    numbers = account.cases.filter(open_ones).values("pk")
    return Case.objects.filter(
        Q(merged_at=None) | Q(merged_at__gte=span.starts_at),
        pk__in=numbers.union(account.cases.filter(since).values("pk")),
        opened_at__lt=span.ends_at,
    )


def _counted(cases: QuerySet[Case], span: Span, end: datetime) -> dict[str, Any]:
    goes_on = Q(resolved_at=None) | Q(resolved_at__gte=end)
    goes_on &= Q(merged_at=None) | Q(merged_at__gte=end)
    kept_later = EndedClock.objects.filter(case=OuterRef("pk"), due_at__lt=end, ended_at__gte=end)
    return cases.aggregate(
        cases=Count("pk"),
        opened=Count("pk", filter=Q(opened_at__gte=span.starts_at)),
        resolved=Count("pk", filter=Q(resolved_at__lt=span.ends_at)),
        open_at_end=Count("pk", filter=goes_on),
        overdue=Count("pk", filter=goes_on & (Q(due_at__lt=end) | Q(Exists(kept_later)))),
    )


def _lines(cases: QuerySet[Case], answers: QuerySet[EndedClock], span: Span) -> Iterator[Line]:
    facts = [CaseFacts(*row) for row in cases.values_list(*(f.name for f in fields(CaseFacts)))]
    if cases.query.is_sliced:
        answers = answers.filter(case_id__in=[case.number for case in facts])
    counts: dict[int, dict[tuple[str, bool], int]] = {}
    sums = answers.values_list("case_id", "name", "is_late").annotate(Count("pk"))
    for number, name, is_late, count in sums:
        counts.setdefault(number, {})[name, is_late] = count
    for case in facts:
        of_case = counts.get(case.number, {})
        yield Line(
            case,
            first_answers=_kept(of_case, ClockName.FIRST_ANSWER),
            updates=_kept(of_case, ClockName.NEXT_UPDATE),
            is_resolved=case.resolved_at is not None and case.resolved_at < span.ends_at,
        )


def _kept(counts: _Counts, clock: ClockName) -> Kept:
    return Kept(counts.get((clock, False), 0), counts.get((clock, True), 0))


def _median(ordered: Iterable[timedelta | None]) -> timedelta | None:
    ages = [age for age in ordered if age is not None]
    if not ages:
        return None
    middle = len(ages) // 2
    return ages[middle] if len(ages) % 2 else (ages[middle - 1] + ages[middle]) / 2
