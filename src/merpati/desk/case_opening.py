"""Opening a case: number, representative, first clock, and evidence of what it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.db import transaction

from merpati.accounts import audit
from merpati.accounts.models import Account
from merpati.desk import attachments, case_clocks, evidence
from merpati.desk.attachments import KeptFile, NewFile
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_entries import write_entry
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_search import open_cases_of_staff
from merpati.desk.case_states import Side
from merpati.desk.checks import checked_choice, checked_email, checked_line, checked_text
from merpati.desk.evidence import Link, Sources
from merpati.desk.models import (
    Case,
    CaseKind,
    CaseLink,
    CaseUpdate,
    Contact,
    Language,
    Onboarding,
    Person,
    Severity,
    StaffRole,
)
from merpati.desk.parties import customer_party
from merpati.desk.repeats import Request, once
from merpati.desk.service_hours import ServiceHours
from merpati.desk.tam import current_assignment

WATCHERS = 20
LINKS = 10


@dataclass(frozen=True, slots=True)
class NewContact:
    """A person at the customer as they were written down."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class NewCase:
    """What a customer says when they open a case; links: (kind, value) of each."""

    kind: str
    subject: str
    text: str
    contact: NewContact
    severity: str = Severity.NORMAL
    language: str = Language.ENGLISH
    watchers: Sequence[NewContact] = ()
    links: Sequence[tuple[str, str]] = ()
    files: Sequence[NewFile] = ()


def open_case(
    account_id: int,
    wanted: NewCase,
    *,
    via: str,
    sources: Sources,
    now: datetime,
    request: Request | None = None,
) -> Case:
    """Open a case of an account, taking evidence of what it names.

    via: the actor as the audit trail has it; request: one that may come again. Raises InvalidCase,
    IdempotencyConflict, NothingWithin, BeyondCalendar.
    """
    checked = _checked(wanted)
    links = _checked_links(wanted.links)
    account = Account.objects.get(pk=account_id)
    hours = service_hours(find_calendar(account.service_time_zone))
    # Before the transaction: reading events takes a while, and others want to write.
    snapshots = [(link, evidence.take(sources, account, link, now)) for link in links]
    kept = attachments.kept(wanted.files)
    return once(request, lambda: _store(account, checked, hours, snapshots, kept, via=via, now=now))


def split_off(case: Case, wanted: NewCase, *, via: str, now: datetime) -> Case:
    """Open a case for what belongs apart in another one of the same account; it names no things.

    Raises InvalidCase, NothingWithin, BeyondCalendar.
    """
    hours = service_hours(find_calendar(case.account.service_time_zone))
    detail = {"split_from": case.pk}
    return _store(case.account, _checked(wanted), hours, (), via=via, now=now, detail=detail)


def _store(
    account: Account,
    wanted: NewCase,
    hours: ServiceHours,
    snapshots: Sequence[tuple[Link, dict[str, Any]]],
    kept: Sequence[KeptFile] = (),
    *,
    via: str,
    now: datetime,
    detail: Mapping[str, Any] = MappingProxyType({}),
) -> Case:
    due = case_clocks.first_answer_due(hours, wanted.severity, now)
    progress = case_clocks.Progress(Side.DESK, now, None)
    with transaction.atomic():
        contact = contact_of(account.pk, wanted.contact, now)
        case = Case.objects.create(
            account=account,
            kind=wanted.kind,
            severity=wanted.severity,
            language=wanted.language,
            subject=wanted.subject,
            opened_by=contact,
            representative=choose_representative(account, hours, now),
            opened_at=now,
            changed_at=now,
            first_answer_due_at=due.at,
            clock_started_at=now,
            due_at=due.at,
            remind_at=case_clocks.remind_at(hours, wanted.severity, progress, now),
        )
        case.watchers.set(contact_of(account.pk, watcher, now) for watcher in wanted.watchers)
        CaseLink.objects.bulk_create(
            CaseLink(case=case, kind=link.kind, value=link.value, evidence=taken)
            for link, taken in snapshots
        )
        representative = case.representative
        watchers = [text for watcher in wanted.watchers for text in (watcher.name, watcher.email)]
        update = write_entry(
            case,
            CaseUpdate.OPENED,
            by=customer_party(via, contact.name, contact.email),
            now=now,
            text=wanted.text,
            detail={"representative": representative.email if representative else None}
            | dict(detail),
            also=[*(link.value for link, _ in snapshots), *watchers],
        )
        attachments.attach(update, kept)
        audit.record(
            "open_case", f"case {case.pk}", by=via, now=now, account_id=account.pk, kind=case.kind
        )
    return case


def choose_representative(account: Account, hours: ServiceHours, now: datetime) -> Person | None:
    """Return who becomes responsible for a new case; None when there is nobody yet.

    During onboarding it is the TAM, or the deputy on days on which that one is away. Afterwards
    the representative who is there and has the fewest open cases, the TAM again if there is none.
    """
    assignment = current_assignment(account.pk)
    of_account = [p for p in (assignment.tam, assignment.deputy) if p] if assignment else []
    today = now.astimezone(hours.zone).date()
    away = set(
        Person.objects.filter(
            absences__starts_on__lte=today, absences__ends_on__gte=today
        ).values_list("pk", flat=True)
    )
    of_account.sort(key=lambda person: person.pk in away)  # stable: the TAM first
    if not of_account or Onboarding.objects.filter(pk=account.pk).exists():
        others = Person.objects.filter(role=StaffRole.REPRESENTATIVE).exclude(pk__in=away)
        busy = open_cases_of_staff()
        if found := min(others, key=lambda person: (busy[person.pk], person.pk), default=None):
            return found
    return of_account[0] if of_account else None


def _checked(wanted: NewCase) -> NewCase:
    if len(wanted.watchers) > WATCHERS:
        raise InvalidCase(f"A case has at most {WATCHERS} watchers.", "watchers")
    return NewCase(
        kind=checked_choice(wanted.kind, CaseKind.values, "kind", InvalidCase),
        subject=checked_line(wanted.subject, "subject", InvalidCase),
        text=checked_text(wanted.text, "text", InvalidCase),
        contact=_checked_contact(wanted.contact, "contact"),
        severity=checked_choice(wanted.severity, Severity.values, "severity", InvalidCase),
        language=checked_choice(wanted.language, Language.values, "language", InvalidCase),
        watchers=[
            _checked_contact(watcher, f"watchers.{index}")
            for index, watcher in enumerate(wanted.watchers)
        ],
    )


def _checked_contact(contact: NewContact, field: str) -> NewContact:
    return NewContact(
        checked_line(contact.name, f"{field}.name", InvalidCase),
        checked_email(contact.email, f"{field}.email", InvalidCase),
    )


def _checked_links(links: Sequence[tuple[str, str]]) -> list[Link]:
    if len(links) > LINKS:
        raise InvalidCase(f"A case names at most {LINKS} things.", "links")
    checked = [
        evidence.checked_link(kind, value, f"links.{index}")
        for index, (kind, value) in enumerate(links)
    ]
    return list(dict.fromkeys(checked))


def contact_of(account_id: int, wanted: NewContact, now: datetime) -> Contact:
    """Return an account's contact by the address; made where there is none."""
    contact, _ = Contact.objects.get_or_create(
        account_id=account_id,
        email=wanted.email,
        defaults={"name": wanted.name, "created_at": now},
    )
    return contact
