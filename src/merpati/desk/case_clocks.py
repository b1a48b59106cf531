"""The clocks of a case, in business hours: first answer, next update, waiting, age. Pure.

One clock runs at a time: until the desk has answered, to the first answer; then to the next update,
anew from each word of the desk and from each moment at which the customer gave the turn back. It
stands while it is the customer's turn, and ends when the case is resolved or merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from merpati.desk.business_hours import Due, Elapsed, due_at, working_time_between
from merpati.desk.case_states import (
    ANSWERS,
    CLOSED,
    CaseState,
    Side,
    Step,
    turn_after,
    waits_for_customer,
)
from merpati.desk.service_hours import ServiceHours

_HOUR = timedelta(hours=1)


class ClockName(StrEnum):
    """What a running clock leads to."""

    FIRST_ANSWER = "first_answer"
    NEXT_UPDATE = "next_update"


# Working time that the desk takes at most, by severity; eight hours are a day of business.
PROMISES = {
    "urgent": {ClockName.FIRST_ANSWER: 1 * _HOUR, ClockName.NEXT_UPDATE: 4 * _HOUR},
    "high": {ClockName.FIRST_ANSWER: 2 * _HOUR, ClockName.NEXT_UPDATE: 8 * _HOUR},
    "normal": {ClockName.FIRST_ANSWER: 4 * _HOUR, ClockName.NEXT_UPDATE: 16 * _HOUR},
    "low": {ClockName.FIRST_ANSWER: 8 * _HOUR, ClockName.NEXT_UPDATE: 40 * _HOUR},
}
REMINDED_BEFORE = 1 * _HOUR
REMINDED_AFTER = 16 * _HOUR


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a case's clocks are. started_at: of the running clock; None while it stands."""

    turn: Side
    started_at: datetime | None
    first_answered_at: datetime | None

    @property
    def clock(self) -> ClockName:
        """Which clock runs, or runs next."""
        return ClockName.FIRST_ANSWER if self.first_answered_at is None else ClockName.NEXT_UPDATE


def progress_after(progress: Progress, state: CaseState, step: Step) -> Progress:
    """Return how far the clocks are after a step that led to `state`."""
    turn = turn_after(progress.turn, state, step.act, step.by)
    is_answer = step.by is Side.DESK and step.act in ANSWERS
    answered_at = progress.first_answered_at or (step.at if is_answer else None)
    if state.status in CLOSED or turn is Side.CUSTOMER:
        return Progress(turn, None, answered_at)
    if is_answer or progress.turn is Side.CUSTOMER:
        return Progress(turn, step.at, answered_at)
    return Progress(turn, progress.started_at, answered_at)


def first_answer_due(hours: ServiceHours, severity: str, opened_at: datetime) -> Due:
    """Return when a new case's first answer falls due. Raises NothingWithin, BeyondCalendar."""
    return due_at(hours, opened_at, PROMISES[severity][ClockName.FIRST_ANSWER])


def due_of(hours: ServiceHours, severity: str, progress: Progress) -> Due | None:
    """Return when the running clock ends; None while it stands.

    Raises NothingWithin, BeyondCalendar.
    """
    if progress.started_at is None:
        return None
    return due_at(hours, progress.started_at, PROMISES[severity][progress.clock])


def remind_at(
    hours: ServiceHours, severity: str, progress: Progress, moved_at: datetime
) -> datetime | None:
    """Return when whoever has the turn is reminded, once, of a clock that moved at `moved_at`.

    The desk is an hour of business before its promise falls due (not of a promise of one hour), the
    customer two days of business after the turn came to them. None when the case is resolved.
    Raises NothingWithin, BeyondCalendar.
    """
    if progress.started_at is not None:
        left = PROMISES[severity][progress.clock] - REMINDED_BEFORE
        return due_at(hours, progress.started_at, left).at if left else None
    is_open = progress.turn is Side.CUSTOMER
    return due_at(hours, moved_at, REMINDED_AFTER).at if is_open else None


@dataclass(frozen=True, slots=True)
class Wait:
    """A span in which the case waited for the customer; ends_at None: it goes on."""

    starts_at: datetime
    ends_at: datetime | None
    elapsed: Elapsed


@dataclass(frozen=True, slots=True)
class Age:
    """The working time of a case: all of it, and what it waited for the customer."""

    whole: Elapsed
    waits: tuple[Wait, ...]

    @property
    def waited(self) -> timedelta:
        """Working time in which it was the customer's turn; it does not count against the desk."""
        return sum((wait.elapsed.working_time for wait in self.waits), timedelta())

    @property
    def of_the_desk(self) -> timedelta:
        """Working time in which it was the desk's turn."""
        return self.whole.working_time - self.waited


def age(hours: ServiceHours, opened_at: datetime, history: Sequence[Step], now: datetime) -> Age:
    """Return the age of a case that was closed at `now`, or goes on. Raises BeyondCalendar."""
    waits = tuple(
        Wait(start, end, working_time_between(hours, start, end or now))
        for start, end in waits_for_customer(history)
    )
    return Age(working_time_between(hours, opened_at, now), waits)
