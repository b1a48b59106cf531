"""What the desk does to a case from its page. Each act returns what is said when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext

from merpati.adapters.record_signing import LABEL, RecordSigner
from merpati.console.cases.acts import files_of, request_of
from merpati.console.desk.forms import moment_in, number_in
from merpati.console.services import services
from merpati.desk import calls, case_actions, case_relations, drafts
from merpati.desk.case_errors import InvalidCall, InvalidCase
from merpati.desk.case_states import Act
from merpati.desk.checks import checked_choice
from merpati.desk.errors import DeskError
from merpati.desk.models import Case, Person
from merpati.desk.parties import Party
from merpati.desk.people import find_person
from merpati.desk.repeats import once
from merpati.desk.scope import OutOfScope


class WrittenMeanwhile(DeskError):
    """Somebody did something to the case since the page was made from which this text comes."""

    def __init__(self, names: Iterable[str]) -> None:
        told = gettext(
            "%(names)s wrote or did something here meanwhile. Nothing was sent: read what is new "
            "below, and send again if it still holds."
        )
        super().__init__(told % {"names": ", ".join(dict.fromkeys(names))})


Perform = Callable[[Case, HttpRequest, Party, datetime], str]


def _write(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    """Do what the one text field is for; the act that is chosen says which.

    Raises WrittenMeanwhile, as two who answer at once would contradict each other.
    """
    seen = number_in(request, "seen", InvalidCase)
    newer = case.updates.filter(pk__gt=seen).order_by("pk")
    if names := list(newer.values_list("author_name", flat=True)):
        raise WrittenMeanwhile(names)
    text, files = request.POST.get("text", ""), files_of(request)
    match request.POST.get("act", ""):
        case Act.MESSAGE:
            case_actions.write(case.pk, text, files, by=by, now=now)
            said = gettext("Sent to the customer.")
        case Act.ASK:
            case_actions.ask(case.pk, text, files, by=by, now=now)
            said = gettext("Asked; the clock stands until the customer writes.")
        case Act.PROGRESS:
            case_actions.report_progress(case.pk, text, files, by=by, now=now)
            said = gettext("Reported; the clock of the next update starts anew.")
        case Act.PROPOSE:
            case_actions.propose(case.pk, text, files, by=by, now=now)
            said = gettext("Proposed; the customer agrees or disputes.")
        case Act.NOTE:
            case_actions.note(case.pk, text, files, by=by, now=now)
            said = gettext("Noted, for the desk alone.")
        case _:
            raise InvalidCase("Choose what to do with the text.", "act")
    drafts.drop_draft(_person(by), case)
    return said


def _agree(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    signer = RecordSigner(services().secret_box.derive(LABEL))
    case_actions.agree(case.pk, _said(request), by=by, signer=signer, now=now)
    return gettext("Agreed: the case is resolved, and the record is signed.")


def _dispute(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    case_actions.dispute(case.pk, _said(request), by=by, now=now)
    return gettext("Disputed: the case goes on, and the customer has your reason.")


def _withdraw(case: Case, _: HttpRequest, by: Party, now: datetime) -> str:
    case_actions.withdraw(case.pk, by=by, now=now)
    return gettext("The proposal is withdrawn; the case goes on.")


def _escalate(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    case_actions.escalate(case.pk, _said(request), by=by, now=now)
    return gettext("Escalated to the Technical Account Manager.")


def _out_of_scope(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    offered = [topic.value for topic in OutOfScope]
    topic = checked_choice(request.POST.get("topic", ""), offered, "topic", InvalidCase)
    case_actions.answer_out_of_scope(case.pk, OutOfScope(topic), _said(request), by=by, now=now)
    return gettext("Answered with what the service plan excludes.")


def _assign(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    person = find_person(request.POST.get("person", ""))
    case_actions.assign(case.pk, person, by=by, now=now)
    return gettext("%(name)s is responsible now.") % {"name": person.name}


def _sort(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    kind, severity = (request.POST.get(name, "") for name in ("kind", "severity"))
    case_actions.sort(case.pk, kind, severity, by=by, now=now)
    return gettext("Sorted; the clock follows the severity.")


def _merge(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    into = number_in(request, "number", InvalidCase)
    case_relations.merge(case.pk, into, by=by, now=now)
    return gettext("Merged: it goes on in case %(number)d.") % {"number": into}


def _link(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    other = number_in(request, "number", InvalidCase)
    case_relations.link(case.pk, other, by=by, now=now)
    return gettext("Linked with case %(number)d.") % {"number": other}


def _split(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    entry, subject = number_in(request, "entry", InvalidCase), request.POST.get("subject", "")
    new = case_relations.split(case.pk, entry, subject, by=by, now=now)
    return gettext("Split off as case %(number)d.") % {"number": new.pk}


def _call(case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    calls.log_call(
        case.account_id,
        person=_person(by),
        spoke_with=request.POST.get("spoke_with", ""),
        began_at=moment_in(request, "began_at", InvalidCall),
        minutes=number_in(request, "minutes", InvalidCall),
        text=_said(request),
        number=case.pk,
        via=by.via,
        now=now,
    )
    return gettext("The call is logged.")


# Last part of the path → what it does.
ACTS: dict[str, Perform] = {
    "write": _write,
    "agree": _agree,
    "dispute": _dispute,
    "withdraw": _withdraw,
    "escalate": _escalate,
    "out-of-scope": _out_of_scope,
    "assign": _assign,
    "sort": _sort,
    "merge": _merge,
    "link": _link,
    "split": _split,
    "call": _call,
}


def perform(name: str, case: Case, request: HttpRequest, by: Party, now: datetime) -> str:
    """Do what a form asks, once, and return what to say of it. Raises DeskError, KeyError."""
    said = gettext("This was done before.")

    def act() -> Case:
        nonlocal said
        said = ACTS[name](case, request, by, now)
        return case

    once(request_of(request, case.account_id), act)
    return said


def _said(request: HttpRequest) -> str:
    return request.POST.get("text", "")


def _person(by: Party) -> Person:
    if by.person is None:
        raise TypeError("the desk's side of a case is a person")
    return by.person
