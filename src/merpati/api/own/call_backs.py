"""`/api/merpati/v1/call-backs`: calls that the desk will make, booked into free half hours.

Who calls is whom the account can reach first: its TAM, or the deputy while that one is away.
Source: mission clause C2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from django.http import HttpResponse

from merpati.accounts.models import Account
from merpati.adapters import codec
from merpati.api.call import Call, json_response, no_content
from merpati.api.errors import ApiError, ErrorItem
from merpati.desk import call_back_booking as booking
from merpati.desk.case_document import call_back as document
from merpati.desk.case_errors import InvalidCall, NoTam, SlotNotFree
from merpati.desk.case_opening import NewContact, contact_of
from merpati.desk.checks import checked_email, checked_line
from merpati.desk.models import CallBack, Person
from merpati.desk.tam import tam_of

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Contact(msgspec.Struct):
    name: str
    email: str


class _Wanted(msgspec.Struct):
    starts_at: _Moment | None = None
    phone: str | None = None
    topic: str | None = None
    contact: _Contact | None = None
    case: int | None = None


class _Moved(msgspec.Struct):
    starts_at: _Moment


def slots(call: Call) -> HttpResponse:
    """Return who calls, and the free half hours that can be booked."""
    account, person = _account(call), _caller(call)
    free = booking.slots_of(person, account, call.now)
    shown = [{"starts_at": slot.starts_at, "ends_at": slot.ends_at} for slot in free]
    return _answer({"person": person.name, "slots": shown})


def list_all(call: Call) -> HttpResponse:
    """Return the account's calls to come, the next first."""
    return _answer([document(row) for row in booking.coming(call.now, account_id=call.account_id)])


def create(call: Call) -> HttpResponse:
    """Book a call; both sides are invited by email. A repeat of the same gets the one there is."""
    wanted = call.json(_Wanted)
    contact, starts_at, phone, topic = _required(wanted)
    account, person = _account(call), _caller(call)
    asked = booking.WantedCall(
        person,
        contact_of(
            account.pk,
            NewContact(
                checked_line(contact.name, "contact.name", InvalidCall),
                checked_email(contact.email, "contact.email", InvalidCall),
            ),
            call.now,
        ),
        phone,
        topic,
        starts_at,
        wanted.case,
    )
    try:
        row = booking.book(account, asked, by=call.actor, now=call.now)
    except SlotNotFree:
        repeated = _booked(call, asked)
        if repeated is None:
            raise
        return _answer(document(repeated))
    return _answer(document(row), 201)


def move(call: Call, call_back_id: str) -> HttpResponse:
    """Put a call into another free half hour of the same person."""
    found = booking.find_call_back(int(call_back_id), call.now, call.account_id)
    moved = call.json(_Moved)
    at = moved.starts_at.astimezone(UTC)
    row = booking.move(found.pk, at, by=call.actor, now=call.now)
    return _answer(document(row))


def cancel(call: Call, call_back_id: str) -> HttpResponse:
    """Call one off; both sides are told by email."""
    found = booking.find_call_back(int(call_back_id), call.now, call.account_id)
    booking.cancel(found.pk, by=call.actor, now=call.now)
    return no_content()


def _booked(call: Call, asked: booking.WantedCall) -> CallBack | None:
    """Return the account's own call-back that is just what is asked for, if there is one."""
    same = booking.coming(
        call.now,
        account_id=call.account_id,
        person=asked.person,
        contact=asked.contact,
        starts_at=asked.starts_at,
        case_id=asked.number,
    )
    return same[0] if same else None


def _required(wanted: _Wanted) -> tuple[_Contact, datetime, str, str]:
    contact, starts_at, phone, topic = wanted.contact, wanted.starts_at, wanted.phone, wanted.topic
    if contact and starts_at and phone and topic:
        return contact, starts_at.astimezone(UTC), phone, topic
    names = ("contact", "starts_at", "phone", "topic")
    missing = [name for name in names if not getattr(wanted, name)]
    raise ApiError(422, [ErrorItem(f"{name} is required.", pointer=f"/{name}") for name in missing])


def _account(call: Call) -> Account:
    return Account.objects.get(pk=call.account_id)


def _caller(call: Call) -> Person:
    found = tam_of(_account(call), call.now)
    if found is None:
        raise NoTam
    return found.contact.person


def _answer(value: object, status: int = 200) -> HttpResponse:
    return json_response(codec.json_bytes({"results": value}), status)
