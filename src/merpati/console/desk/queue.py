"""The queue as the desk sees it: what falls due in this window, and how much time is left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from merpati.desk.business_hours import working_time_between
from merpati.desk.case_states import CLOSED, Side, Status
from merpati.desk.hours_document import minutes
from merpati.desk.models import Case
from merpati.desk.service_hours import ServiceHours
from merpati.desk.view_filters import end_of_window


class Group(StrEnum):
    """Where a case stands in the queue, in order."""

    LATE = "late"
    WINDOW = "window"  # falls due before the desk of its zone closes next
    LATER = "later"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Line:
    """A case of the queue. minutes_left: of business time, or those that passed since it was due;
    0 while the clock stands. is_proposed: it stands for the answer to a proposal. is_closed: it has
    no clock any more.
    """

    case: Case
    group: Group
    minutes_left: float
    is_proposed: bool = False
    is_closed: bool = False


def lines_of(cases: Iterable[Case], hours: Mapping[str, ServiceHours], now: datetime) -> list[Line]:
    """Return the lines of the queue for cases in their order.

    hours: the calendar of each Service Time Zone. Raises BeyondCalendar, NothingWithin.
    """
    ends = {zone_id: end_of_window(of_zone, now) for zone_id, of_zone in hours.items()}
    return [
        _line(
            case, hours[case.account.service_time_zone], ends[case.account.service_time_zone], now
        )
        for case in cases
    ]


def _line(case: Case, hours: ServiceHours, window_ends_at: datetime, now: datetime) -> Line:
    due = case.due_at
    if due is None:
        is_proposed = case.status == Status.PROPOSED and case.proposed_by == Side.DESK
        return Line(case, Group.STANDING, 0, is_proposed, case.status in CLOSED)
    first, last = sorted((now, due))
    left = float(minutes(working_time_between(hours, first, last).working_time))
    if due < now:
        return Line(case, Group.LATE, left)
    return Line(case, Group.WINDOW if due <= window_ends_at else Group.LATER, left)
