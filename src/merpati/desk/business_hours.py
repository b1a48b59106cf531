"""Business hours: when the desk is open, and when an answer falls due. Pure; results say why.

Datetimes come in aware, results are UTC. *Working time* passes while the desk is open: two hours
from Friday 16:00 in a zone that closes at 17:00 end on Monday. A window contains its opening and
not its closing: 17:00 counts as closed, but working time that is used up exactly ends at 17:00.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from merpati.desk.errors import NegativeWorkingTime, NothingWithin, SpanReversed
from merpati.desk.service_hours import MINUTES_A_DAY, Day, ServiceHours

SEARCH_DAYS = 400  # so many days that are all alike end a search
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, UTC; the end excluded."""

    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> timedelta:
        """How long it lasts."""
        return self.ends_at - self.starts_at


@dataclass(frozen=True, slots=True)
class DayCount:
    """What one local day gave: how it is kept, and the spans of it that were counted."""

    day: Day
    spans: tuple[Span, ...]


Account = tuple[DayCount, ...]  # how a result was counted: every local day from first to last


@dataclass(frozen=True, slots=True)
class Due:
    """When working time will have passed, and how that was counted."""

    at: datetime
    account: Account


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Working time that passed, and how that was counted."""

    working_time: timedelta
    account: Account


def spans_on(hours: ServiceHours, day: Day) -> tuple[Span, ...]:
    """Return when the desk is open on a local day.

    An opening hour that the clocks skip comes later by what they skip; one that they repeat is
    the first of the two.
    """
    edges = [(_at(hours, day.on, w.opens), _at(hours, day.on, w.closes)) for w in day.windows]
    spans: list[Span] = []
    for starts_at, ends_at in sorted(edges):  # a skipped hour can push a window past the next
        begins_at = max(starts_at, spans[-1].ends_at) if spans else starts_at
        if begins_at < ends_at:
            spans.append(Span(begins_at, ends_at))
    return tuple(spans)


def open_until(hours: ServiceHours, moment: datetime) -> datetime | None:
    """Return when the desk closes that is open at a moment; None when it is closed then.

    Raises NothingWithin when it never closes, BeyondCalendar.
    """
    moment = _utc(moment)
    closes_at: datetime | None = None
    days = _days(hours, moment)
    while True:
        day, spans = next(days)
        for span in spans:
            is_first = closes_at is None and span.starts_at <= moment < span.ends_at
            if is_first or span.starts_at == closes_at:  # 24:00 is 00:00 of the next day
                closes_at = span.ends_at
        if closes_at is None or closes_at < _at(hours, day.on, MINUTES_A_DAY):
            return closes_at
        _check_search(hours, moment, day.on, "closes")


def next_opening(hours: ServiceHours, moment: datetime) -> datetime:
    """Return the first moment after this one at which the desk goes from closed to open.

    Raises NothingWithin, BeyondCalendar.
    """
    moment = _utc(moment)
    closed_at = None
    days = _days(hours, moment)
    while True:
        day, spans = next(days)
        for span in spans:
            if span.starts_at > moment and span.starts_at != closed_at:
                return span.starts_at
            closed_at = span.ends_at
        _check_search(hours, moment, day.on, "opens")


def due_at(hours: ServiceHours, received: datetime, working_time: timedelta) -> Due:
    """Return the moment at which `working_time` has passed since `received`.

    No working time falls due at once, or at the next opening. Raises NegativeWorkingTime,
    NothingWithin, BeyondCalendar.
    """
    if working_time < timedelta():
        raise NegativeWorkingTime
    received, left = _utc(received), working_time
    account: list[DayCount] = []
    last_open = received
    days = _days(hours, received)
    while True:
        day, spans = next(days)
        counted: list[Span] = []
        for span in _after(spans, received):
            # Never start + left: so much can be wanted that no date would hold it.
            taken = min(left, span.length)
            left -= taken
            last_open = span.starts_at + taken
            if taken:
                counted.append(Span(span.starts_at, last_open))
            if not left:
                return Due(last_open, (*account, DayCount(day, tuple(counted))))
        account.append(DayCount(day, tuple(counted)))
        _check_search(hours, last_open, day.on, "opens")


def working_time_between(hours: ServiceHours, start: datetime, end: datetime) -> Elapsed:
    """Return the working time from one moment to a later one. Raises SpanReversed, BeyondCalendar.

    A clock that was stopped meanwhile subtracts the working time of each stop.
    """
    start, end = _utc(start), _utc(end)
    if end < start:
        raise SpanReversed(start, end)
    total = timedelta()
    account: list[DayCount] = []
    for day, spans in _days(hours, start):
        if account and _at(hours, day.on, 0) >= end:
            break
        counted = tuple(
            Span(span.starts_at, min(span.ends_at, end))
            for span in _after(spans, start)
            if span.starts_at < end
        )
        total += sum((span.length for span in counted), timedelta())
        account.append(DayCount(day, counted))
    return Elapsed(total, tuple(account))


def unconfirmed_years(hours: ServiceHours, account: Account) -> list[int]:
    """Return the years an account counted in whose bank holidays no person has confirmed."""
    years = sorted({count.day.on.year for count in account})
    return [year for year in years if not hours.holiday_year(year).is_confirmed]


def _days(hours: ServiceHours, moment: datetime) -> Iterator[tuple[Day, tuple[Span, ...]]]:
    """Yield local days from that of a moment on, without end."""
    on = moment.astimezone(hours.zone).date()
    while True:
        day = hours.day(on)
        yield day, spans_on(hours, day)
        on += _DAY


def _after(spans: tuple[Span, ...], moment: datetime) -> Iterator[Span]:
    """Yield what is left of spans from a moment on."""
    for span in spans:
        if span.ends_at > moment:
            yield Span(max(span.starts_at, moment), span.ends_at)


def _check_search(hours: ServiceHours, since: datetime, day: date, what: str) -> None:
    first = since.astimezone(hours.zone).date()
    if (day - first).days >= SEARCH_DAYS:
        raise NothingWithin(what, first, SEARCH_DAYS)


def _at(hours: ServiceHours, day: date, minutes: int) -> datetime:
    """Return a wall clock's time in UTC, since datetimes of one zone subtract by wall clock."""
    wall = datetime(day.year, day.month, day.day, tzinfo=hours.zone) + timedelta(minutes=minutes)
    return wall.astimezone(UTC)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a moment must be timezone-aware, got {moment.isoformat()}")
    return moment.astimezone(UTC)
