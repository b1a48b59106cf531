"""What the page of a case shows on the customer's side."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from merpati.console.cases.reader import Reader
from merpati.console.cases.standing import standing
from merpati.console.cases.timeline import entries
from merpati.console.desk_now import desk_now
from merpati.desk.case_states import CLOSED, Side, Status
from merpati.desk.models import Case, Onboarding


@dataclass(frozen=True, slots=True)
class Forms:
    """Which forms the page has: what the case's state allows the customer, if they may write."""

    can_write: bool = False
    can_propose: bool = False
    can_withdraw: bool = False
    can_answer: bool = False  # agree or dispute
    can_escalate: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was sent and refused: what to say, and what it keeps. act: as in `acts.ACTS`."""

    act: str
    words: str
    text: str


def forms_of(case: Case, *, may_write: bool) -> Forms:
    """Return the forms for the customer's side. One query."""
    if not may_write or case.status in CLOSED:
        return Forms()
    return Forms(
        can_write=True,
        can_propose=case.status != Status.PROPOSED,
        can_withdraw=case.proposed_by == Side.CUSTOMER,
        can_answer=case.proposed_by == Side.DESK,
        can_escalate=case.escalated_at is None
        and Onboarding.objects.filter(pk=case.account_id).exists(),
    )


def case_context(case: Case, reader: Reader, now: datetime) -> dict[str, Any]:
    """Return the context of `console/cases/case.html`.

    The number of queries does not grow with the case.
    """
    desk, _ = desk_now(case.account.service_time_zone, now)
    return {
        "case": case,
        "base": reader.base,
        "reader": reader,
        "desk": desk,
        "entries": entries(case),
        "standing": standing(case, desk, now, reader=Side.CUSTOMER),
        "forms": forms_of(case, may_write=reader.by is not None),
        "links": list(case.links.order_by("id")),
        "watchers": list(case.watchers.order_by("pk")),
        "form_key": new_form_key(),
    }


def new_form_key() -> str:
    """Return a key for one showing of a form: what is sent twice with it is done once."""
    return secrets.token_urlsafe(16)
