"""Who an account's Technical Account Manager is, and when they can be reached.

Source: mission clause C2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from merpati.accounts.models import Account
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.models import Onboarding, Person, TamAssignment
from merpati.desk.reachability import Reach, reach
from merpati.desk.service_hours import ServiceHours


@dataclass(frozen=True, slots=True)
class Reachable:
    """A person with when they can be reached, now or next."""

    person: Person
    reach: Reach


@dataclass(frozen=True, slots=True)
class AccountTam:
    """An account's TAM, and the deputy if there is one.

    onboarded_at: until then (None) the TAM is the contact, afterwards the escalation point.
    """

    tam: Reachable
    deputy: Reachable | None
    assigned_at: datetime
    onboarded_at: datetime | None
    service_time_zone: str
    zone: ZoneInfo

    @property
    def contact(self) -> Reachable:
        """Whom to call: the TAM, or the deputy while that one is reachable sooner."""
        if self.deputy is not None and self.deputy.reach.begins_at < self.tam.reach.begins_at:
            return self.deputy
        return self.tam


def current_assignment(account_id: int) -> TamAssignment | None:
    """Return an account's present assignment, its people loaded; None when there is none."""
    found = TamAssignment.objects.filter(account_id=account_id, ended_at=None)
    return found.select_related("tam", "deputy").first()


def tam_of(account: Account, now: datetime) -> AccountTam | None:
    """Return who an account's TAM is and when they can be reached; None: nobody is assigned.

    Raises NothingWithin, BeyondCalendar.
    """
    assignment = current_assignment(account.pk)
    if assignment is None:
        return None
    hours = service_hours(find_calendar(account.service_time_zone))
    onboarding = Onboarding.objects.filter(pk=account.pk).first()
    deputy = assignment.deputy
    return AccountTam(
        reachable(assignment.tam, hours, now),
        reachable(deputy, hours, now) if deputy else None,
        assignment.assigned_at,
        onboarding.completed_at if onboarding else None,
        account.service_time_zone,
        hours.zone,
    )


def reachable(person: Person, hours: ServiceHours, now: datetime) -> Reachable:
    """Return when a person can be reached. Raises NothingWithin, BeyondCalendar."""
    return Reachable(person, reach(hours, list(_away(person)), now))


def tam_history(account_id: int) -> list[dict[str, Any]]:
    """Return an account's earlier assignments as plain data, the latest first."""
    ended = TamAssignment.objects.filter(account_id=account_id, ended_at__isnull=False)
    return [
        {"tam": row.tam.email, "assigned_at": row.assigned_at, "ended_at": row.ended_at}
        for row in ended.select_related("tam").order_by("-ended_at", "-id")
    ]


def tam_document(found: AccountTam) -> dict[str, Any]:
    """Return an account's TAM as plain data, times in UTC and by the desk's wall clock."""
    return {
        "tam": _person(found.tam, found.zone),
        "deputy": _person(found.deputy, found.zone) if found.deputy else None,
        "contact": found.contact.person.email,
        "role": "escalation_point" if found.onboarded_at else "primary_contact",
        "assigned_at": found.assigned_at,
        "onboarding_completed_at": found.onboarded_at,
        "service_time_zone": found.service_time_zone,
    }


def _person(found: Reachable, zone: ZoneInfo) -> dict[str, Any]:
    person, span = found.person, found.reach
    return {
        "name": person.name,
        "phone": person.phone,
        "email": person.email,
        "language": person.language,
        "reachable_now": span.is_now,
        "reachable_from": span.begins_at,
        "reachable_until": span.ends_at,
        "reachable_from_local": span.begins_at.astimezone(zone),
        "reachable_until_local": span.ends_at.astimezone(zone),
    }


def _away(person: Person) -> Iterator[tuple[date, date]]:
    yield from person.absences.values_list("starts_on", "ends_on")
