"""The service report of an account and month: how soon the desk answered, in business hours. Pure.

Counted from the histories of the cases: an answer or an update belongs to the month in which it was
given, a case to the months in which it was opened and resolved. What was on time is what the desk
promised by the calendar of that moment; later changes of the calendar do not alter it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from merpati.desk.business_hours import Span
from merpati.desk.case_clocks import Age, ClockName, age
from merpati.desk.case_states import Step
from merpati.desk.service_hours import ServiceHours


@dataclass(frozen=True, slots=True)
class EndedClock:
    """A clock of the desk that an entry ended; is_answer: with a word of the desk."""

    name: ClockName
    is_answer: bool
    due_at: datetime
    at: datetime
    is_late: bool


@dataclass(frozen=True, slots=True)
class History:
    """A case with what a month's report needs of what happened to it, in order.

    clocks: that ended since the month began; steps: all, of a case that was resolved in it.
    """

    number: int
    subject: str
    kind: str
    severity: str
    opened_at: datetime
    first_answered_at: datetime | None
    due_at: datetime | None
    resolved_at: datetime | None
    merged_at: datetime | None
    steps: tuple[Step, ...]
    clocks: tuple[EndedClock, ...]

    @property
    def closed_at(self) -> datetime | None:
        """When it was resolved or merged; None while it goes on."""
        return self.resolved_at or self.merged_at


@dataclass(frozen=True, slots=True)
class Kept:
    """Promises that fell into a month."""

    on_time: int
    late: int

    @property
    def share(self) -> float | None:
        """How many of them were kept, 0 to 1; None: there were none."""
        whole = self.on_time + self.late
        return self.on_time / whole if whole else None


@dataclass(frozen=True, slots=True)
class Line:
    """A case of the report. first_answer_late, None: not answered in this month.

    age: of a case that was resolved in this month, to its resolution.
    """

    history: History
    first_answer_late: bool | None
    updates: Kept
    is_opened: bool
    is_resolved: bool
    age: Age | None


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """An account's month. open_at_end: cases that went on when it ended, or go on now."""

    span: Span
    lines: tuple[Line, ...]
    opened: int
    resolved: int
    open_at_end: int
    overdue: int  # promises that were due by then and not kept yet
    first_answers: Kept
    updates: Kept
    median_to_resolution: timedelta | None  # working time of the desk, without waits


def month_span(first: date, zone: ZoneInfo) -> Span:
    """Return a local month in UTC. first: its first day."""
    following = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime(d.year, d.month, 1, tzinfo=zone) for d in (first, following))
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def service_report(
    hours: ServiceHours, span: Span, histories: Iterable[History], now: datetime
) -> ServiceReport:
    """Return the report of a month from the histories of an account's cases, in any order.

    Of a month that goes on, up to `now`. Raises BeyondCalendar.
    """
    lines = [_line(hours, span, history) for history in histories]
    shown = sorted((line for line in lines if line), key=lambda line: line.history.number)
    end = min(span.ends_at, now)
    open_ones = [line.history for line in shown if _goes_on(line.history, end)]
    ages = sorted(line.age.of_the_desk for line in shown if line.age is not None)
    return ServiceReport(
        span=span,
        lines=tuple(shown),
        opened=sum(line.is_opened for line in shown),
        resolved=sum(line.is_resolved for line in shown),
        open_at_end=len(open_ones),
        overdue=sum(_is_overdue(history, end) for history in open_ones),
        first_answers=_kept(
            line.first_answer_late for line in shown if line.first_answer_late is not None
        ),
        updates=Kept(
            sum(line.updates.on_time for line in shown), sum(line.updates.late for line in shown)
        ),
        median_to_resolution=_median(ages),
    )


def _line(hours: ServiceHours, span: Span, history: History) -> Line | None:
    """Return what a case has in a month; None: nothing, it came later or was closed before."""
    closed_at = history.closed_at
    if history.opened_at >= span.ends_at or (closed_at and closed_at < span.starts_at):
        return None
    answered = [
        clock
        for clock in history.clocks
        if clock.is_answer and span.starts_at <= clock.at < span.ends_at
    ]
    first = [clock.is_late for clock in answered if clock.name is ClockName.FIRST_ANSWER]
    resolved_at = history.resolved_at
    is_resolved = resolved_at is not None and span.starts_at <= resolved_at < span.ends_at
    return Line(
        history=history,
        first_answer_late=first[0] if first else None,
        updates=_kept(clock.is_late for clock in answered if clock.name is ClockName.NEXT_UPDATE),
        is_opened=history.opened_at >= span.starts_at,
        is_resolved=is_resolved,
        age=(
            age(hours, history.opened_at, history.steps, resolved_at)
            if resolved_at is not None and is_resolved
            else None
        ),
    )


def _goes_on(history: History, moment: datetime) -> bool:
    return history.closed_at is None or history.closed_at >= moment


def _is_overdue(history: History, moment: datetime) -> bool:
    """Return whether a promise was due before a moment, and was kept after it or not yet."""
    ended_later = any(clock.due_at < moment <= clock.at for clock in history.clocks)
    return ended_later or (history.due_at is not None and history.due_at < moment)


def _kept(late: Iterable[bool]) -> Kept:
    found = list(late)
    return Kept(found.count(False), found.count(True))


def _median(ages: Sequence[timedelta]) -> timedelta | None:
    if not ages:
        return None
    middle = len(ages) // 2
    return ages[middle] if len(ages) % 2 else (ages[middle - 1] + ages[middle]) / 2
