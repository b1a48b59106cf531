"""The only writers of staff, TAM assignments and onboarding. Each is one transaction with its audit
entry; `by` is the actor as the audit trail shows it, `now` is aware.
"""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import Account
from merpati.desk.case_errors import (
    InvalidPerson,
    OnboardingComplete,
    PersonExists,
    PersonNotFound,
)
from merpati.desk.checks import PHONE, checked_choice, checked_email, checked_line
from merpati.desk.models import (
    Absence,
    Contact,
    Language,
    Onboarding,
    Person,
    StaffRole,
    TamAssignment,
)


def find_person(email: str) -> Person:
    """Return the member of the staff with this address. Raises PersonNotFound."""
    person = Person.objects.filter(email=email.strip().lower()).first()
    if person is None:
        raise PersonNotFound(email)
    return person


def add_person(
    name: str, email: str, *, role: str, language: str, phone: str = "", by: str, now: datetime
) -> Person:
    """Add a member of the staff. Raises InvalidPerson, PersonExists."""
    wanted = Person(
        name=checked_line(name, "name", InvalidPerson),
        email=checked_email(email, "email", InvalidPerson),
        phone=_checked_phone(phone, role),
        language=checked_choice(language, Language.values, "language", InvalidPerson),
        role=checked_choice(role, StaffRole.values, "role", InvalidPerson),
        created_at=now,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                wanted.save()
        except IntegrityError:
            raise PersonExists(wanted.email) from None
        audit.record(
            "add_person", wanted.email, by=by, now=now, account_id=None, name=name, role=role
        )
    return wanted


def add_absence(
    email: str, starts_on: date, ends_on: date, reason: str, *, by: str, now: datetime
) -> Absence:
    """Record days on which a person does not work. Raises PersonNotFound, InvalidPerson."""
    reason = checked_line(reason, "reason", InvalidPerson)
    if ends_on < starts_on:
        raise InvalidPerson(f"The absence ends on {ends_on}, before it starts.", "ends_on")
    with transaction.atomic():
        person = find_person(email)
        absence = person.absences.create(
            starts_on=starts_on, ends_on=ends_on, reason=reason, created_by=by, created_at=now
        )
        audit.record(
            "add_absence",
            person.email,
            by=by,
            now=now,
            account_id=None,
            starts_on=starts_on.isoformat(),
            ends_on=ends_on.isoformat(),
        )
    return absence


def assign_tam(
    account_id: int, tam: str, deputy: str = "", *, by: str, now: datetime
) -> TamAssignment:
    """Give an account its TAM, and who stands in for them; the earlier one becomes history.

    tam, deputy: addresses. Raises PersonNotFound, InvalidPerson.
    """
    with transaction.atomic():
        person, second = find_person(tam), find_person(deputy) if deputy else None
        if person.role != StaffRole.TAM:
            raise InvalidPerson(
                f"{person} is a representative: an account's TAM has the role tam, and a phone.",
                "tam",
            )
        if second == person:
            raise InvalidPerson("Nobody is their own deputy: name another person.", "deputy")
        TamAssignment.objects.filter(account_id=account_id, ended_at=None).update(ended_at=now)
        assignment = TamAssignment.objects.create(
            account_id=account_id, tam=person, deputy=second, assigned_at=now, assigned_by=by
        )
        audit.record(
            "assign_tam",
            person.email,
            by=by,
            now=now,
            account_id=account_id,
            deputy=second.email if second else None,
        )
    return assignment


def add_contact(account_id: int, name: str, email: str, *, by: str, now: datetime) -> Contact:
    """Let somebody of a customer write to the desk by email; one who is known gets this name.

    Raises AccountNotFound, InvalidPerson.
    """
    name = checked_line(name, "name", InvalidPerson)
    email = checked_email(email, "email", InvalidPerson)
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).exists():
            raise AccountNotFound(str(account_id))
        contact, _ = Contact.objects.update_or_create(
            account_id=account_id,
            email=email,
            defaults={"name": name},
            create_defaults={"name": name, "created_at": now},
        )
        audit.record("add_contact", email, by=by, now=now, account_id=account_id, name=name)
    return contact


def complete_onboarding(account_id: int, *, by: str, now: datetime) -> Onboarding:
    """Record that an account's onboarding is complete: its cases can be escalated from now on.

    Raises AccountNotFound, OnboardingComplete.
    """
    with transaction.atomic():
        account = Account.objects.filter(pk=account_id).first()
        if account is None:
            raise AccountNotFound(str(account_id))
        earlier = Onboarding.objects.filter(pk=account_id).first()
        if earlier is not None:
            raise OnboardingComplete(earlier.completed_by, earlier.completed_at)
        onboarding = Onboarding.objects.create(
            account_id=account_id, completed_at=now, completed_by=by
        )
        audit.record("complete_onboarding", account.name, by=by, now=now, account_id=account_id)
    return onboarding


def _checked_phone(phone: str, role: str) -> str:
    phone = phone.strip()
    if not phone and role != StaffRole.TAM:
        return ""
    if not PHONE.fullmatch(phone):
        raise InvalidPerson(
            "Write the phone number with its country, as +44 20 7946 0000; a TAM needs one.",
            "phone",
        )
    return phone
