"""Booking, moving and cancelling call-backs: each one transaction, and an invitation by email.

Of two who want a person's slot at once the database's constraint lets one have it; the other gets
SlotNotFree and chooses again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from merpati.accounts import audit
from merpati.accounts.models import Account
from merpati.desk.business_hours import Span
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.call_back_invitation import send_invitations
from merpati.desk.call_back_slots import free_slots
from merpati.desk.case_errors import CallBackNotFound, InvalidCall, SlotNotFree
from merpati.desk.case_search import case_for
from merpati.desk.checks import PHONE, checked_line
from merpati.desk.models import CallBack, Contact, Person


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call-back as it is asked for; number: of the case it is about."""

    person: Person
    contact: Contact
    phone: str
    topic: str
    starts_at: datetime
    number: int | None = None


def slots_of(person: Person, account: Account, now: datetime) -> list[Span]:
    """Return when a person can call an account back, in the hours of its zone. Six queries."""
    hours = service_hours(find_calendar(account.service_time_zone))
    taken = CallBack.objects.filter(person=person, cancelled_at=None, starts_at__gte=now)
    away = list(person.absences.values_list("starts_on", "ends_on"))
    return free_slots(hours, away, set(taken.values_list("starts_at", flat=True)), now)


def book(account: Account, wanted: WantedCall, *, by: str, now: datetime) -> CallBack:
    """Book a call-back; the contact and the person are invited by email.

    Raises InvalidCall, SlotNotFree, CaseNotFound.
    """
    phone = _checked_phone(wanted.phone)
    topic = checked_line(wanted.topic, "topic", InvalidCall)
    if wanted.contact.account_id != account.pk:
        raise InvalidCall("The contact is not one of this account.", "contact")
    with transaction.atomic():
        case = case_for(account.pk, wanted.number) if wanted.number is not None else None
        _check_slot(wanted.person, account, wanted.starts_at, now)
        call_back = CallBack(
            account=account,
            case=case,
            contact=wanted.contact,
            person=wanted.person,
            phone=phone,
            topic=topic,
            starts_at=wanted.starts_at,
            booked_by=by,
            booked_at=now,
        )
        with _slot_taken_by_another(call_back):
            call_back.save()
        _record("book_call_back", call_back, by, now)
    return call_back


def move(call_back_id: int, starts_at: datetime, *, by: str, now: datetime) -> CallBack:
    """Put a call-back into another free slot of the same person.

    Raises CallBackNotFound, SlotNotFree.
    """
    with transaction.atomic():
        call_back = find_call_back(call_back_id, now)
        _check_slot(call_back.person, call_back.account, starts_at, now)
        _change(call_back, starts_at=starts_at)
        _record("move_call_back", call_back, by, now)
    return call_back


def cancel(call_back_id: int, *, by: str, now: datetime) -> CallBack:
    """Call a call-back off; its slot is free again. Raises CallBackNotFound."""
    with transaction.atomic():
        call_back = find_call_back(call_back_id, now)
        _change(call_back, cancelled_at=now)
        _record("cancel_call_back", call_back, by, now)
    return call_back


def find_call_back(call_back_id: int, now: datetime, account_id: int | None = None) -> CallBack:
    """Return a call-back that can still be changed; account_id: only one of this account.

    Raises CallBackNotFound.
    """
    found = _loaded().filter(pk=call_back_id, cancelled_at=None, starts_at__gt=now)
    if account_id is not None:
        found = found.filter(account_id=account_id)
    call_back = found.first()
    if call_back is None:
        raise CallBackNotFound(call_back_id)
    return call_back


def coming(now: datetime, **of: Any) -> list[CallBack]:
    """Return the call-backs to come of an account, a case or a person, in order. One query."""
    found = _loaded().filter(cancelled_at=None, starts_at__gt=now, **of)
    return list(found.order_by("starts_at", "pk"))


def _change(call_back: CallBack, **columns: Any) -> None:
    """Change a call-back if nobody else did since it was read.

    Raises CallBackNotFound, SlotNotFree.
    """
    unchanged = CallBack.objects.filter(
        pk=call_back.pk, version=call_back.version, cancelled_at=None
    )
    changes = {"version": call_back.version + 1, **columns}
    with _slot_taken_by_another(call_back):
        if not unchanged.update(**changes):
            raise CallBackNotFound(call_back.pk)
    for name, value in changes.items():
        setattr(call_back, name, value)


@contextmanager
def _slot_taken_by_another(call_back: CallBack) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise SlotNotFree(call_back.person.name) from None


def _check_slot(person: Person, account: Account, starts_at: datetime, now: datetime) -> None:
    if not any(slot.starts_at == starts_at for slot in slots_of(person, account, now)):
        raise SlotNotFree(person.name)


def _checked_phone(phone: str) -> str:
    phone = phone.strip()
    if not PHONE.fullmatch(phone):
        raise InvalidCall("Write the phone number with its country, as +62 21 5550 100.", "phone")
    return phone


def _record(action: str, call_back: CallBack, by: str, now: datetime) -> None:
    audit.record(
        action,
        call_back.person.email,
        by=by,
        now=now,
        account_id=call_back.account_id,
        starts_at=call_back.starts_at.isoformat(),
        contact=call_back.contact.email,
    )
    send_invitations(call_back, now)


def _loaded() -> QuerySet[CallBack]:
    return CallBack.objects.select_related("account", "case", "contact", "person")
