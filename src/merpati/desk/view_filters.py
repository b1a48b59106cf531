"""The filters of a list of cases as plain text: what a page's address and a saved view hold. Pure.

Names and values are those of the address (`?who=me&due=window`), so that a view is a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_search import Wanted
from merpati.desk.case_states import Status
from merpati.desk.checks import checked_choice
from merpati.desk.models import CaseKind, Severity
from merpati.desk.reachability import reach
from merpati.desk.service_hours import ServiceHours

ME, NOBODY = "me", "nobody"
GOING_ON, ALL = "going_on", "all"
LATE, IN_THIS_WINDOW = "late", "window"
_CHOICES = {
    "kind": CaseKind.values,
    "severity": Severity.values,
    "status": [GOING_ON, ALL, *(status.value for status in Status)],
    "due": [LATE, IN_THIS_WINDOW],
    "escalated": ["yes"],
}
NAMES = ("q", "who", "account", *_CHOICES)
_LONGEST = 200


def checked_filters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set, of those there are. Raises InvalidCase naming the filter."""
    filters = {
        name: given[name].strip()[:_LONGEST] for name in NAMES if given.get(name, "").strip()
    }
    for name, choices in _CHOICES.items():
        if name in filters:
            checked_choice(filters[name], choices, name, InvalidCase)
    account = filters.get("account", "")
    if account and not (account.isascii() and account.isdigit() and len(account) < 18):
        raise InvalidCase("An account is named by its number.", "account")
    return filters


def wanted_by(
    filters: Mapping[str, str], me: str, hours: Mapping[str, ServiceHours], now: datetime
) -> Wanted:
    """Return which cases are meant by whom; without a status, those that go on.

    me: the viewer's address; hours: the calendar of each Service Time Zone, for what falls due.
    Raises NothingWithin, BeyondCalendar.
    """
    who, status = filters.get("who", ""), filters.get("status", GOING_ON)
    account = filters.get("account")
    return Wanted(
        account_id=int(account) if account else None,
        status=None if status in {GOING_ON, ALL} else status,
        kind=filters.get("kind"),
        severity=filters.get("severity"),
        representative=me if who == ME else None if who in {"", NOBODY} else who,
        is_resolved=False if status == GOING_ON else None,
        is_unassigned=who == NOBODY,
        is_escalated="escalated" in filters,
        due_by=_due_by(filters.get("due", ""), hours, now),
        words=filters.get("q", ""),
    )


def end_of_window(hours: ServiceHours, now: datetime) -> datetime:
    """Return when the desk closes next: today, or on the next day on which it opens.

    Raises NothingWithin, BeyondCalendar.
    """
    return reach(hours, (), now).ends_at


def _due_by(
    due: str, hours: Mapping[str, ServiceHours], now: datetime
) -> dict[str, datetime] | None:
    if not due:
        return None
    return {
        zone_id: now if due == LATE else end_of_window(of_zone, now)
        for zone_id, of_zone in hours.items()
    }
