"""A large desk, written in bulk: what its pages read, not what its actions would have checked.

The same each time, for one moment: `now` decides what is due. Django is set up for the folder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from merpati.accounts.actions import create_account
from merpati.accounts.models import Account, Membership, User
from merpati.adapters.codec import json_bytes
from merpati.desk import case_index, ended_clocks
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_clocks import ClockName, first_answer_due
from merpati.desk.case_entries import words_of_entry
from merpati.desk.case_states import Side, Status
from merpati.desk.hours_document import account_document
from merpati.desk.models import Case, CaseUpdate, Contact, Person
from merpati.desk.people import add_person, assign_tam

ENTRIES = 10  # a case
ACCOUNTS, PEOPLE, CONTACTS = 100, 20, 5
OPEN_SHARE = 0.05
STEP = 2_000  # cases written at once
BY = "bench"
STAFF = "person0@desk.example"
OWNER = "owner@account0.example"
_KINDS = ("platform_problem", "configuration_request", "information_request")
_TALK = ("message", "progress_update", "request_for_information", "message", "note")


@dataclass(frozen=True, slots=True)
class Desk:
    """What cases are written from."""

    accounts: Sequence[Account]
    people: Sequence[Person]
    contacts: Sequence[Contact]
    vocabulary: Sequence[str]
    counted: dict[str, Any]  # the account of a clock


def fill(cases: int, now: datetime) -> Iterator[int]:
    """Write a desk with so many cases; yields how many there are."""
    chance = random.Random(1)
    desk = _desk(now, chance)
    for first in range(1, cases + 1, STEP):
        numbers = range(first, min(first + STEP, cases + 1))
        with transaction.atomic():
            _write(desk, numbers, cases, now, chance)
        yield numbers[-1]


def _desk(now: datetime, chance: random.Random) -> Desk:
    people = [
        add_person(
            f"Person {n}",
            f"person{n}@desk.example",
            role="tam" if n % 4 == 0 else "representative",
            language="en",
            phone="+44 20 7946 0000",
            by=BY,
            now=now,
        )
        for n in range(PEOPLE)
    ]
    zones = ("uk", "us-eastern", "us-pacific")
    accounts = [
        create_account(f"Account {n}", "premium", zones[n % 3], by=BY, now=now).account
        for n in range(ACCOUNTS)
    ]
    for account in accounts:
        assign_tam(account.pk, STAFF, by=BY, now=now)
    contacts = [
        Contact.objects.create(
            account=account,
            name=f"Contact {n}",
            email=f"contact{n}@account{account.pk}.example",
            created_at=now,
        )
        for account in accounts
        for n in range(CONTACTS)
    ]
    staff = {"language": "en", "time_zone": "Europe/London", "created_at": now}
    User.objects.create(email=STAFF, name="Person 0", staff_role="tam", **staff)
    owner = User.objects.create(email=OWNER, name="Owner", staff_role="", **staff)
    Membership.objects.create(user=owner, account=accounts[0], role="owner", created_at=now)
    letters = "aeioubdgklmnprst"
    words = {"".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(20_000)}
    hours = service_hours(find_calendar("uk"))
    counted = account_document(first_answer_due(hours, "low", now).account)
    plain = json.loads(json_bytes(counted))
    return Desk(accounts, people, contacts, sorted(words), plain)


def _write(desk: Desk, numbers: range, cases: int, now: datetime, chance: random.Random) -> None:
    made = [_case(desk, number, cases, now, chance) for number in numbers]
    Case.objects.bulk_create(made)
    entries = [entry for case in made for entry in _history(desk, case, chance)]
    CaseUpdate.objects.bulk_create(entries)
    ended_clocks.remember(entries)
    case_index.add_all((e.case_id, e.pk, words_of_entry(e.case, e)) for e in entries)


def _case(desk: Desk, number: int, cases: int, now: datetime, chance: random.Random) -> Case:
    # A tenth of all cases is the first account's, so that one page has a long list below it.
    account = desk.accounts[0 if chance.random() < 0.1 else chance.randrange(ACCOUNTS)]
    opened_at = now - timedelta(days=730) * (1 - number / cases) - timedelta(minutes=30)
    at = desk.accounts.index(account) * CONTACTS + chance.randrange(CONTACTS)
    is_open = number > cases * (1 - 2 * OPEN_SHARE) and chance.random() < 0.5
    fields: dict[str, Any] = {
        "status": Status.RESOLVED,
        "resolved_at": opened_at + timedelta(days=2),
        "worked": timedelta(hours=14),
        "waited": timedelta(hours=2),
        "turn": Side.DESK,
    }
    if is_open:
        waits = chance.random() < 0.3
        fields = {
            "status": Status.WAITING if waits else Status.OPEN,
            "turn": Side.CUSTOMER if waits else Side.DESK,
            "clock_started_at": None if waits else opened_at,
            "due_at": None if waits else now + timedelta(hours=chance.randint(-50, 120)),
        }
    return Case(
        number=number,
        account=account,
        kind=chance.choice(_KINDS),
        severity=chance.choice(("urgent", "high", "normal", "low")),
        language="en",
        subject=_prose(desk, chance, 6),
        opened_by=desk.contacts[at],
        representative=chance.choice(desk.people),
        opened_at=opened_at,
        changed_at=opened_at + timedelta(hours=20),
        first_answer_due_at=opened_at + timedelta(hours=8),
        first_answered_at=opened_at + timedelta(hours=1),
        **fields,
    )


def _history(desk: Desk, case: Case, chance: random.Random) -> Iterator[CaseUpdate]:
    for place in range(ENTRIES):
        of_the_desk = place % 2 == 1
        author = chance.choice(desk.people) if of_the_desk else case.opened_by
        kind = _TALK[place % len(_TALK)] if place else CaseUpdate.OPENED
        yield CaseUpdate(
            case=case,
            kind=kind if of_the_desk or not place else "message",
            at=case.opened_at + timedelta(hours=2 * place),
            side=Side.DESK if of_the_desk else Side.CUSTOMER,
            author_name=author.name,
            author_email=author.email,
            via=BY,
            text=_prose(desk, chance, 40),
            is_internal=of_the_desk and kind == "note",
            detail=_ended_clock(desk, case, place) if of_the_desk and kind != "note" else {},
        )


def _ended_clock(desk: Desk, case: Case, place: int) -> dict[str, Any]:
    """Return a clock as `case_actions.py` keeps it; every account of it is the same, so as long."""
    at = case.opened_at + timedelta(hours=2 * place)
    return {
        "clock": {
            "name": (ClockName.FIRST_ANSWER if place == 1 else ClockName.NEXT_UPDATE).value,
            "started_at": (at - timedelta(hours=2)).isoformat(),
            "due_at": (at + timedelta(hours=6)).isoformat(),
            "ended_at": at.isoformat(),
            "is_late": False,
            "calendar_version": 1,
            "account": desk.counted,
        }
    }


def _prose(desk: Desk, chance: random.Random, words: int) -> str:
    """Return words, few of them often and most of them rarely: the first in a quarter of texts."""
    last = len(desk.vocabulary) - 1
    return " ".join(desk.vocabulary[int(last * chance.random() ** 2)] for _ in range(words))
