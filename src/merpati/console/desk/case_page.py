"""What the page of a case shows to the desk."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.text import Truncator

from merpati.console import words
from merpati.console.cases.standing import standing
from merpati.console.cases.timeline import Entry, entries
from merpati.console.desk.evidence import evidence_tables
from merpati.console.desk_now import desk_now
from merpati.desk import drafts
from merpati.desk.business_hours import due_at
from merpati.desk.call_back_booking import coming
from merpati.desk.case_actions import state_of
from merpati.desk.case_clocks import PROMISES, ClockName
from merpati.desk.case_errors import CaseRefusal
from merpati.desk.case_search import related_cases
from merpati.desk.case_states import CLOSED, Act, Side, after
from merpati.desk.models import CannedAnswer, Case, Onboarding, Person
from merpati.desk.service_hours import ServiceHours
from merpati.desk.tam import current_assignment

# The acts that one text field serves, in the order in which they are offered.
WRITTEN = (Act.MESSAGE, Act.ASK, Act.PROGRESS, Act.PROPOSE, Act.NOTE)
_OTHERS = (
    *(Act.AGREE, Act.WITHDRAW, Act.ASSIGN, Act.SORT),
    *(Act.OUT_OF_SCOPE, Act.CALL, Act.MERGE),
)


@dataclass(frozen=True, slots=True)
class Composer:
    """The text field: what is in it, which act is chosen, and the entry that was seen last."""

    text: str
    act: str
    seen: int


def case_context(case: Case, person: Person | None, now: datetime) -> dict[str, Any]:
    """Return the context of `console/desk/case.html`.

    The number of queries does not grow with the case.
    """
    desk, hours = desk_now(case.account.service_time_zone, now)
    timeline = entries(case, for_desk=True)
    begun = drafts.drafts_of(case)
    allowed = allowed_acts(case)
    assignment = current_assignment(case.account_id)
    return {
        "case": case,
        "base": f"/desk/cases/{case.pk}",
        "person": person,
        "desk": desk,
        "entries": timeline,
        "splittable": [_choice(entry) for entry in timeline if _is_splittable(entry)],
        "standing": standing(case, desk, now, reader=Side.DESK),
        "allowed": {act.value: True for act in allowed},
        "written": [(act.value, words.WRITE[act]) for act in WRITTEN if act in allowed],
        "can_escalate": case.escalated_at is None
        and case.status not in CLOSED
        and assignment is not None
        and Onboarding.objects.filter(pk=case.account_id).exists(),
        "tam": assignment.tam if assignment else None,
        "scope": list(words.SCOPE.items()),
        "kinds": list(words.KIND.items()),
        "severities": list(words.SEVERITY.items()),
        "is_unsorted": Act.SORT in allowed and _is_unsorted(timeline),
        "next_due_at": None if case.status in CLOSED else _next_due(case, hours, now),
        "evidence": evidence_tables(list(case.links.order_by("id"))),
        "watchers": list(case.watchers.order_by("pk")),
        "related": related_cases(case),
        "call_backs": coming(now, case=case),
        "people": list(Person.objects.order_by("name")),
        "answers": list(CannedAnswer.objects.order_by("name")),
        "writing": drafts.others_writing(begun, person, now),
        "composer": Composer(
            drafts.own_text(begun, person),
            Act.MESSAGE.value if Act.MESSAGE in allowed else Act.NOTE.value,
            timeline[-1].id,
        ),
        "form_key": secrets.token_urlsafe(16),
    }


def allowed_acts(case: Case) -> list[Act]:
    """Return what the desk may do to a case in its present state."""
    state, found = state_of(case), []
    for act in (*WRITTEN, *_OTHERS):
        try:
            after(state, act, Side.DESK)
        except CaseRefusal:
            continue
        found.append(act)
    return found


def _is_unsorted(timeline: list[Entry]) -> bool:
    """Return whether a case came by mail, which says neither kind nor severity, and stays so."""
    return timeline[0].mail_id is not None and all(e.kind != Act.SORT for e in timeline)


def _next_due(case: Case, hours: ServiceHours, now: datetime) -> datetime:
    """Return when the next update falls due if the desk writes now."""
    return due_at(hours, now, PROMISES[case.severity][ClockName.NEXT_UPDATE]).at


def _is_splittable(entry: Entry) -> bool:
    return entry.side == Side.CUSTOMER and bool(entry.text)


def _choice(entry: Entry) -> tuple[int, datetime, str]:
    return entry.id, entry.at, Truncator(entry.text).chars(60)
