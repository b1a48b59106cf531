"""What is done to an open case: one act, one transaction, one entry of its history.

The conditional UPDATE in `perform` is the lock: of two who act at once on the same state one finds
no row, looks again, and gets the refusal that the new state has for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from merpati.accounts import audit
from merpati.desk import attachments, case_clocks, ended_clocks
from merpati.desk.attachments import NewFile
from merpati.desk.business_hours import Due
from merpati.desk.calendars import find_calendar, service_hours
from merpati.desk.case_clocks import ClockName, Progress, age, remind_at
from merpati.desk.case_entries import write_entry
from merpati.desk.case_errors import (
    CaseNotFound,
    EscalatedBefore,
    InvalidCase,
    NoTam,
    OnboardingIncomplete,
)
from merpati.desk.case_states import ANSWERS, Act, CaseState, Side, Status, Step, after
from merpati.desk.case_steps import steps_of
from merpati.desk.checks import checked_choice, checked_text
from merpati.desk.ended_clocks import ended_clock
from merpati.desk.models import (
    Case,
    CaseKind,
    Onboarding,
    Person,
    ResolutionRecord,
    Severity,
)
from merpati.desk.parties import Party
from merpati.desk.resolution_record import record_of
from merpati.desk.scope import OutOfScope, scope_text
from merpati.desk.service_hours import ServiceHours
from merpati.desk.tam import current_assignment

if TYPE_CHECKING:
    from merpati.adapters.record_signing import RecordSigner


def write(
    number: int, text: str, files: Sequence[NewFile] = (), *, by: Party, now: datetime
) -> Case:
    """Add a message that both sides read; the customer's ends a wait for them."""
    return perform(number, Act.MESSAGE, by, now, text=_text(text), files=files)


def note(
    number: int, text: str, files: Sequence[NewFile] = (), *, by: Party, now: datetime
) -> Case:
    """Add a note that only the desk reads; it moves no clock."""
    return perform(number, Act.NOTE, by, now, text=_text(text), files=files, is_internal=True)


def ask(number: int, text: str, files: Sequence[NewFile] = (), *, by: Party, now: datetime) -> Case:
    """Say what is needed from the customer; clocks stand until they write."""
    return perform(number, Act.ASK, by, now, text=_text(text), files=files)


def report_progress(
    number: int, text: str, files: Sequence[NewFile] = (), *, by: Party, now: datetime
) -> Case:
    """Tell the customer how far the desk is."""
    return perform(number, Act.PROGRESS, by, now, text=_text(text), files=files)


def answer_out_of_scope(
    number: int, topic: OutOfScope, text: str = "", *, by: Party, now: datetime
) -> Case:
    """Answer with what the service plan excludes, in the case's language; text: added to it."""
    language = find_case(number).language
    said = scope_text(topic, language) + (f"\n\n{_text(text)}" if text.strip() else "")
    return perform(number, Act.OUT_OF_SCOPE, by, now, text=said, detail={"topic": topic.value})


def assign(number: int, person: Person, *, by: Party, now: datetime) -> Case:
    """Make a person the one responsible representative."""
    detail = {"representative": person.email, "name": person.name}
    return perform(number, Act.ASSIGN, by, now, detail=detail, representative=person)


def sort(number: int, kind: str, severity: str, *, by: Party, now: datetime) -> Case:
    """Say what a case is and how severe; its running clock keeps its start and gets the promise
    of the new severity. Nothing happens where it is sorted so already.
    """
    kind = checked_choice(kind, CaseKind.values, "kind", InvalidCase)
    severity = checked_choice(severity, Severity.values, "severity", InvalidCase)
    case = find_case(number)
    if (kind, severity) == (case.kind, case.severity):
        return case
    detail = {
        "kind": kind,
        "severity": severity,
        "before": {"kind": case.kind, "severity": case.severity},
    }
    return perform(number, Act.SORT, by, now, detail=detail, kind=kind, severity=severity)


def escalate(number: int, reason: str, *, by: Party, now: datetime) -> Case:
    """Take a case to the account's TAM; both sides see who did, when and why.

    Raises OnboardingIncomplete, NoTam, EscalatedBefore.
    """
    reason = _text(reason, "reason")
    with transaction.atomic():
        case = find_case(number)
        if not Onboarding.objects.filter(pk=case.account_id).exists():
            raise OnboardingIncomplete
        assignment = current_assignment(case.account_id)
        if assignment is None:
            raise NoTam
        # As in `perform`, the UPDATE decides between two at once.
        if not Case.objects.filter(pk=number, escalated_at=None).update(escalated_at=now):
            raise EscalatedBefore(case.escalated_at or now)
        detail = {"tam": assignment.tam.email, "name": assignment.tam.name}
        return perform(number, Act.ESCALATE, by, now, text=reason, detail=detail)


def propose(
    number: int, text: str, files: Sequence[NewFile] = (), *, by: Party, now: datetime
) -> Case:
    """Propose that the case is resolved, and say how."""
    return perform(number, Act.PROPOSE, by, now, text=_text(text), files=files)


def withdraw(number: int, *, by: Party, now: datetime) -> Case:
    """Take one's own proposal back."""
    return perform(number, Act.WITHDRAW, by, now)


def agree(number: int, text: str = "", *, by: Party, signer: RecordSigner, now: datetime) -> Case:
    """Close the case whose resolution the other side proposed, and sign the record of it."""
    with transaction.atomic():
        said = _text(text) if text.strip() else ""
        took = _working_times(number, now)
        case = perform(number, Act.AGREE, by, now, text=said, resolved_at=now, **took)
        ResolutionRecord.objects.create(case=case, document=signer.sign(record_of(case)))
    return case


def dispute(number: int, reason: str, *, by: Party, now: datetime) -> Case:
    """Refuse the other side's proposal with a reason; the case goes on."""
    return perform(number, Act.DISPUTE, by, now, text=_text(reason, "reason"))


def perform(
    number: int,
    act: Act,
    by: Party,
    now: datetime,
    *,
    text: str = "",
    detail: dict[str, Any] | None = None,
    is_internal: bool = False,
    files: Sequence[NewFile] = (),
    also: Iterable[str] = (),
    **changes: Any,
) -> Case:
    """Do one act, or raise what the case's state has against it; see `case_states.after`.

    also: what the case is found by from now on; changes: columns that the act itself sets.
    """
    kept = attachments.kept(files)  # before the transaction: a disk takes longer than a row
    with transaction.atomic():
        while True:
            case = find_case(number)
            then = after(state_of(case), act, by.side)
            before = progress_of(case)
            progress = case_clocks.progress_after(before, then, Step(act, by.side, now))
            severity = changes.get("severity", case.severity)
            columns, ended = _clock_changes(case, before, progress, severity, now)
            is_taken = case.representative is None and by.person is not None and act in ANSWERS
            taken = {"representative": by.person} if is_taken else {}
            unchanged = Case.objects.filter(
                pk=number,
                status=case.status,
                proposed_by=case.proposed_by,
                turn=case.turn,
                severity=case.severity,
                clock_started_at=case.clock_started_at,
            )
            if unchanged.update(
                status=then.status,
                proposed_by=then.proposed_by,
                changed_at=now,
                **columns,
                **taken,
                **changes,
            ):
                break
        update = write_entry(
            case,
            act.value,
            by=by,
            now=now,
            text=text,
            is_internal=is_internal,
            detail=(detail or {})
            | ({"representative": by.email} if taken else {})
            | ({"clock": ended} if ended else {}),
            also=also,
        )
        ended_clocks.remember([update])
        attachments.attach(update, kept)
        audit.record(
            f"case_{act.value}", f"case {number}", by=by.via, now=now, account_id=case.account_id
        )
    return find_case(number)


def _clock_changes(
    case: Case, before: Progress, progress: Progress, severity: str, now: datetime
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the columns that a moved clock changes, and the clock that ended, if one did."""
    if (progress, severity) == (before, case.severity):
        return {}, None
    calendar = find_calendar(case.account.service_time_zone)
    hours = service_hours(calendar)
    due = case_clocks.due_of(hours, severity, progress)
    if progress == before:
        return promised_anew(hours, case, progress, severity, due) if due else {}, None
    columns = {
        "turn": progress.turn,
        "clock_started_at": progress.started_at,
        "first_answered_at": progress.first_answered_at,
        "due_at": due.at if due else None,
        "remind_at": remind_at(hours, severity, progress, now),
    }
    ended = case_clocks.due_of(hours, case.severity, before)
    return columns, ended_clock(before, ended, calendar.version, now) if ended else None


def _working_times(number: int, now: datetime) -> dict[str, Any]:
    """Return the columns that say how long a case took that ends now. Raises BeyondCalendar."""
    case = find_case(number)
    hours = service_hours(find_calendar(case.account.service_time_zone))
    entries = case.updates.only("case", "kind", "side", "at").order_by("id")
    counted = age(hours, case.opened_at, steps_of(entries), now)
    return {"worked": counted.of_the_desk, "waited": counted.waited}


def promised_anew(
    hours: ServiceHours, case: Case, progress: Progress, severity: str, due: Due
) -> dict[str, Any]:
    """Return the columns of a clock that goes on, and falls due at another moment than before."""
    columns: dict[str, Any] = {"due_at": due.at}
    if case.remind_at is not None:  # else it was done, and once is enough
        columns["remind_at"] = remind_at(hours, severity, progress, case.remind_at)
    if progress.clock is ClockName.FIRST_ANSWER:
        columns["first_answer_due_at"] = due.at
    return columns


def state_of(case: Case) -> CaseState:
    """Return where a case stands."""
    proposed_by = Side(case.proposed_by) if case.proposed_by else None
    return CaseState(Status(case.status), proposed_by, case.merged_into_id)


def progress_of(case: Case) -> Progress:
    """Return how far a case's clocks are."""
    return Progress(Side(case.turn), case.clock_started_at, case.first_answered_at)


def find_case(number: int) -> Case:
    """Return a case of any account as acts need it. Raises CaseNotFound."""
    related = ("account", "representative", "opened_by")
    case = Case.objects.select_related(*related).filter(pk=number).first()
    if case is None:
        raise CaseNotFound(number)
    return case


def _text(text: str, field: str = "text") -> str:
    return checked_text(text, field, InvalidCase)
