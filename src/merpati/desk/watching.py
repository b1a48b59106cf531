"""Who reads along in a case besides who opened it: they get by email what both sides read."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from merpati.accounts import audit
from merpati.desk.case_actions import find_case
from merpati.desk.case_errors import InvalidCase
from merpati.desk.case_opening import WATCHERS, NewContact, contact_of
from merpati.desk.checks import checked_email, checked_line
from merpati.desk.models import Case, Contact
from merpati.desk.parties import Party


def watch(number: int, wanted: NewContact, *, by: Party, now: datetime) -> Case:
    """Let somebody read along; who does already stays so. Raises CaseNotFound, InvalidCase."""
    checked = NewContact(
        checked_line(wanted.name, "watchers.name", InvalidCase),
        checked_email(wanted.email, "watchers.email", InvalidCase),
    )
    with transaction.atomic():
        case = find_case(number)
        if case.watchers.count() >= WATCHERS:
            raise InvalidCase(f"A case has at most {WATCHERS} watchers.", "watchers")
        contact = contact_of(case.account_id, checked, now)
        if contact != case.opened_by:
            case.watchers.add(contact)
            _record(case, "case_watch", contact, by, now)
    return case


def unwatch(number: int, email: str, *, by: Party, now: datetime) -> Case:
    """Let somebody read along no longer; nothing happens when nobody with that address does.

    Raises CaseNotFound.
    """
    with transaction.atomic():
        case = find_case(number)
        contact = case.watchers.filter(email=email.strip().lower()).first()
        if contact is not None:
            case.watchers.remove(contact)
            _record(case, "case_unwatch", contact, by, now)
    return case


def _record(case: Case, action: str, contact: Contact, by: Party, now: datetime) -> None:
    audit.record(
        *(action, f"case {case.pk}"),
        by=by.via,
        now=now,
        account_id=case.account_id,
        contact=contact.email,
    )
