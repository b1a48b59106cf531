"""A case as plain data: what the API answers, what the commands print, what an export holds.

Moments are aware datetimes in UTC; who only sees the customer's side sees no internal notes and not
by which way the desk's people came.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import override

from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_actions import progress_of
from merpati.desk.case_clocks import Age, ClockName, age, due_of
from merpati.desk.case_search import related_cases
from merpati.desk.case_states import CLOSED, Status
from merpati.desk.case_steps import steps_of
from merpati.desk.hours_document import account_document, minutes
from merpati.desk.hours_words import account_in_words
from merpati.desk.models import (
    CallBack,
    Case,
    CaseAttachment,
    CaseLink,
    CaseUpdate,
    ResolutionRecord,
)
from merpati.desk.service_hours import ServiceHours


def summary(case: Case) -> dict[str, Any]:
    """Return a case as lists show it."""
    representative = case.representative
    return {
        "number": case.pk,
        "subject": case.subject,
        "kind": case.kind,
        "severity": case.severity,
        "language": case.language,
        "status": case.status,
        "proposed_by": case.proposed_by,
        "merged_into": case.merged_into_id,
        "turn": None if case.status in CLOSED else case.turn,
        "representative": (
            {"name": representative.name, "email": representative.email} if representative else None
        ),
        "opened_by": {"name": case.opened_by.name, "email": case.opened_by.email},
        "opened_at": case.opened_at,
        "changed_at": case.changed_at,
        "first_answer_due_at": case.first_answer_due_at,
        "first_answered_at": case.first_answered_at,
        "clock": None if case.due_at is None else progress_of(case).clock.value,
        "due_at": case.due_at,
        "escalated_at": case.escalated_at,
        "resolved_at": case.resolved_at,
        "merged_at": case.merged_at,
    }


def for_customer(case: Case, now: datetime) -> dict[str, Any]:
    """Return a whole case as the customer may read it, explained in the case's language.

    Eleven queries, however long the case.
    """
    updates = _history(case)
    with override(case.language):
        whole = _whole(case, updates, now)
    whole["related"] = [
        _related(other) for other in related_cases(case) if other.account_id == case.account_id
    ]
    return whole | {"timeline": [_shown(update) for update in updates if not update.is_internal]}


def for_desk(case: Case, now: datetime) -> dict[str, Any]:
    """Return a whole case with its internal notes, and by which way everybody came."""
    updates = _history(case)
    return {
        "account": {"id": case.account_id, "name": case.account.name},
        **_whole(case, updates, now),
        "related": [
            _related(other) | {"account": other.account_id} for other in related_cases(case)
        ],
        "timeline": [
            _shown(update) | {"id": update.pk, "internal": update.is_internal, "via": update.via}
            for update in updates
        ],
    }


def with_record(document: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return a whole case's document with the signed resolution record, None before there is one.

    This is the export.
    """
    record = ResolutionRecord.objects.filter(pk=case.pk).first()
    return document | {"resolution_record": record.document if record else None}


def _history(case: Case) -> list[CaseUpdate]:
    return list(case.updates.order_by("id").prefetch_related("attachments"))


def _whole(case: Case, updates: list[CaseUpdate], now: datetime) -> dict[str, Any]:
    return summary(case) | {
        "service_time_zone": case.account.service_time_zone,
        "watchers": [{"name": w.name, "email": w.email} for w in case.watchers.order_by("pk")],
        "links": [_link(link) for link in case.links.order_by("id")],
        "call_backs": [
            call_back(row) for row in case.call_backs.select_related("person", "contact")
        ],
        "clocks": clocks(case, updates, now),
    }


def clocks(case: Case, updates: list[CaseUpdate], now: datetime) -> dict[str, Any]:
    """Return each clock of a case with its account. Raises BeyondCalendar, NothingWithin."""
    calendar = find_calendar(case.account.service_time_zone)
    hours = service_hours(calendar)
    steps = steps_of(updates)
    closed_at = case.resolved_at or case.merged_at
    counted = age(hours, case.opened_at, steps, closed_at or max(now, case.opened_at))
    return {
        "calendar_version": calendar.version,
        ClockName.FIRST_ANSWER.value: _first_answer(case, updates, hours, now),
        ClockName.NEXT_UPDATE.value: _next_update(case, hours, now),
        "waiting_for_customer": _waiting(counted, hours),
        "age": {
            "minutes": minutes(counted.whole.working_time),
            "minutes_of_the_desk": minutes(counted.of_the_desk),
            "account": account_document(counted.whole.account),
            "explanation": account_in_words(counted.whole.account, hours.zone),
        },
    }


def _first_answer(
    case: Case, updates: list[CaseUpdate], hours: ServiceHours, now: datetime
) -> dict[str, Any]:
    if case.first_answered_at is None:
        is_merged = case.status == Status.MERGED  # its clock ended without an answer
        shown = {"state": "ended", "due_at": None} if is_merged else _running(case, hours, now)
        return shown | {"answered_at": None}
    ended = next(
        u.detail["clock"]
        for u in updates
        if u.detail.get("clock", {}).get("name") == ClockName.FIRST_ANSWER
    )
    return {
        "state": "ended",
        "answered_at": case.first_answered_at,
        "due_at": case.first_answer_due_at,
        "is_late": ended["is_late"],
        "calendar_version": ended["calendar_version"],
        "account": ended["account"],
    }


def _next_update(case: Case, hours: ServiceHours, now: datetime) -> dict[str, Any]:
    if case.status in CLOSED:
        return {"state": "ended", "due_at": None}
    if case.first_answered_at is None:
        return {"state": "not_begun", "due_at": None}
    if case.due_at is None:
        return {"state": "standing", "due_at": None, "why": "waiting_for_customer"}
    return _running(case, hours, now)


def _running(case: Case, hours: ServiceHours, now: datetime) -> dict[str, Any]:
    due = due_of(hours, case.severity, progress_of(case))
    if due is None:
        return {"state": "standing", "due_at": None}
    return {
        "state": "running",
        "started_at": case.clock_started_at,
        "due_at": due.at,
        "is_late": now > due.at,
        "account": account_document(due.account),
        "explanation": account_in_words(due.account, hours.zone),
    }


def _waiting(counted: Age, hours: ServiceHours) -> dict[str, Any]:
    return {
        "minutes": minutes(counted.waited),
        "waits": [
            {
                "from": wait.starts_at,
                "to": wait.ends_at,
                "minutes": minutes(wait.elapsed.working_time),
                "account": account_document(wait.elapsed.account),
                "explanation": account_in_words(wait.elapsed.account, hours.zone),
            }
            for wait in counted.waits
        ],
    }


def _related(case: Case) -> dict[str, Any]:
    return {"number": case.pk, "subject": case.subject, "status": case.status}


def call_back(row: CallBack) -> dict[str, Any]:
    """Return a call that the desk will make, its people loaded, as plain data."""
    return {
        "id": row.pk,
        "person": row.person.name,
        "contact": row.contact.email,
        "phone": row.phone,
        "topic": row.topic,
        "case": row.case_id,
        "starts_at": row.starts_at,
        "cancelled_at": row.cancelled_at,
    }


def _link(link: CaseLink) -> dict[str, Any]:
    return {"kind": link.kind, "value": link.value, "evidence": link.evidence}


def _shown(update: CaseUpdate) -> dict[str, Any]:
    return {
        "what": update.kind,
        "at": update.at,
        "side": update.side,
        "name": update.author_name,
        "email": update.author_email,
        "text": update.text,
        "detail": update.detail,
        "files": [_file(file) for file in update.attachments.all()],
    }


def _file(file: CaseAttachment) -> dict[str, Any]:
    return {
        "id": file.pk,
        "name": file.name,
        "type": file.type,
        "size_bytes": file.size_bytes,
        "sha256": file.digest,
    }
