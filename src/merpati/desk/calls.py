"""Logging telephone calls with customers: on an account, and in the history of a case."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from merpati.accounts import audit
from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import Account
from merpati.desk.case_actions import perform
from merpati.desk.case_errors import InvalidCall
from merpati.desk.case_search import case_for
from merpati.desk.case_states import Act
from merpati.desk.checks import checked_line, checked_text
from merpati.desk.models import Call, Person
from merpati.desk.parties import desk_party

MOST_MINUTES = 600


def log_call(
    account_id: int,
    *,
    person: Person,
    spoke_with: str,
    began_at: datetime,
    minutes: int,
    text: str,
    number: int | None = None,
    via: str,
    now: datetime,
) -> Call:
    """Keep what was said on the telephone; in a case it is a word of the desk like a written one.

    A call that nobody took is a note, not a call. Raises InvalidCall, AccountNotFound,
    CaseNotFound, CaseResolved, CaseMerged.
    """
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidCall(f"A call takes 1 to {MOST_MINUTES} minutes.", "minutes")
    if began_at + timedelta(minutes=minutes) > now + timedelta(minutes=1):
        raise InvalidCall("A call is logged when it is over: look at when it began.", "began_at")
    spoke_with = checked_line(spoke_with, "spoke_with", InvalidCall)
    text = checked_text(text, "text", InvalidCall)
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).exists():
            raise AccountNotFound(str(account_id))
        case = case_for(account_id, number) if number is not None else None
        call = Call.objects.create(
            account_id=account_id,
            case=case,
            person=person,
            spoke_with=spoke_with,
            began_at=began_at,
            minutes=minutes,
            text=text,
            logged_at=now,
        )
        if case is not None:
            detail = {
                "spoke_with": spoke_with,
                "began_at": began_at.isoformat(),
                "minutes": minutes,
            }
            perform(case.pk, Act.CALL, desk_party(person, via), now, text=text, detail=detail)
        audit.record(
            "log_call", spoke_with, by=via, now=now, account_id=account_id, minutes=minutes
        )
    return call


def calls_of(account_id: int, limit: int) -> list[Call]:
    """Return an account's latest calls, their people loaded. One query."""
    found = Call.objects.filter(account_id=account_id).select_related("person")
    return list(found.order_by("-began_at", "-id")[:limit])
