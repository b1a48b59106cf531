"""What the desk's mails say, in the language that is active. Each returns paragraphs."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext

from merpati.desk.case_states import Act, Side
from merpati.desk.hours_words import moment_in_words, week_in_words
from merpati.desk.models import Case, CaseUpdate
from merpati.desk.service_hours import ServiceHours

_Words = Callable[[Case, CaseUpdate, ServiceHours], list[str]]


def greeting(name: str) -> str:
    """Return how a mail begins."""
    return gettext("Hello %(name)s,") % {"name": name}


def team() -> str:
    """Return who signs where no person does."""
    return gettext("Your Customer Success Team")


def how_to_add() -> str:
    """Return how to go on by email."""
    return gettext("To add to this case, answer this email.")


def page() -> str:
    """Return what the link to the case's page is called."""
    return gettext("The case, with all that was said:")


def page_to_decide() -> str:
    """Return what the link is called where an answer is wanted."""
    return gettext("Agree or disagree on this page:")


def said_by(name: str, when: str) -> str:
    """Return the line above what is quoted."""
    return gettext("On %(when)s %(name)s wrote:") % {"when": when, "name": name}


def for_customer(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str] | None:
    """Return what a customer reads of an entry; None for what no mail tells them."""
    if update.kind == Act.AGREE:
        return _agreed(case, update, hours)
    if update.kind == CaseUpdate.OPENED:
        return _opened(case, update, hours)
    tell = _OF_THE_DESK.get(update.kind) if update.side == Side.DESK else None
    return tell(case, update, hours) if tell else None


def _opened(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    known = {"number": case.pk, "subject": case.subject}
    if "split_from" in update.detail:
        known["other"] = update.detail["split_from"]
        first = (
            gettext("Case #%(number)s is new, of a part of case #%(other)s: %(subject)s") % known
        )
    else:
        first = gettext("Thank you. Your request is case #%(number)s: %(subject)s") % known
    return [first, _responsible(case), *_due(case, hours), _hours(hours), how_to_add()]


def _responsible(case: Case) -> str:
    if case.representative is None:
        return gettext("We are about to name who is responsible for it.")
    return gettext("%(name)s is responsible for it.") % {"name": case.representative.name}


def _hours(hours: ServiceHours) -> str:
    return gettext("Our hours: %(hours)s (%(zone)s), except on bank holidays.") % {
        "hours": week_in_words(hours.weekly),
        "zone": hours.zone.key.rpartition("/")[2].replace("_", " "),
    }


def _due(case: Case, hours: ServiceHours) -> list[str]:
    if case.due_at is None:
        return []
    when = {"when": moment_in_words(case.due_at, hours.zone)}
    if case.first_answered_at is None:
        return [gettext("You have our answer by %(when)s.") % when]
    return [gettext("You hear from us again by %(when)s.") % when]


def _message(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    return [update.text, *_due(case, hours)]


def _ask(_case: Case, update: CaseUpdate, _hours: ServiceHours) -> list[str]:
    return [
        gettext("To go on we need something from you:"),
        update.text,
        gettext(
            "Please answer this email. Until then our clock stands still; the case stays open, and "
            "nobody closes it without you."
        ),
    ]


def _progress(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    return [gettext("This is how far we are:"), update.text, *_due(case, hours)]


def _proposal(_case: Case, update: CaseUpdate, _hours: ServiceHours) -> list[str]:
    return [
        gettext("%(name)s proposes that this case is resolved:") % {"name": update.author_name},
        update.text,
        gettext(
            "It is resolved only if you agree, on the page below. An email cannot agree; if you "
            "answer nothing, the case stays open."
        ),
    ]


def _withdrawal(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    words = gettext("%(name)s took back the proposal; the case goes on.")
    return [words % {"name": update.author_name}, *_due(case, hours)]


def _dispute(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    words = gettext("%(name)s does not agree yet that this case is resolved:")
    return [words % {"name": update.author_name}, update.text, *_due(case, hours)]


def _agreed(case: Case, update: CaseUpdate, _hours: ServiceHours) -> list[str]:
    proposals = case.updates.filter(kind=Act.PROPOSE, pk__lt=update.pk).order_by("-pk")
    proposal = proposals.first()
    return [
        gettext("Both sides agree: case #%(number)s is resolved.") % {"number": case.pk},
        *([proposal.text] if proposal else []),
        *([update.text] if update.text else []),
        gettext("The signed record of it is on the case's page."),
    ]


def _escalation(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    words = gettext("This case was taken to your Technical Account Manager, %(name)s:")
    return [words % {"name": update.detail.get("name", "")}, update.text, *_due(case, hours)]


def _merge(_case: Case, update: CaseUpdate, _hours: ServiceHours) -> list[str]:
    words = gettext("This case goes on as case #%(number)s: %(subject)s")
    known = {"number": update.detail["case"], "subject": update.detail["subject"]}
    return [words % known]


def _call(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str]:
    words = gettext("This is what we noted of our call:")
    return [words, *([update.text] if update.text else []), *_due(case, hours)]


_OF_THE_DESK: dict[str, _Words] = {
    Act.MESSAGE: _message,
    Act.OUT_OF_SCOPE: _message,
    Act.ASK: _ask,
    Act.PROGRESS: _progress,
    Act.PROPOSE: _proposal,
    Act.WITHDRAW: _withdrawal,
    Act.DISPUTE: _dispute,
    Act.ESCALATE: _escalation,
    Act.MERGE: _merge,
    Act.CALL: _call,
}


TOLD = tuple(_OF_THE_DESK)
"""The acts of the desk that a customer's mail tells of."""


def for_staff(case: Case, update: CaseUpdate, hours: ServiceHours) -> list[str] | None:
    """Return what the responsible person reads of an entry; None for what no mail tells them."""
    heads = {
        CaseUpdate.OPENED: gettext("%(name)s opened case #%(number)s."),
        Act.MESSAGE: gettext("%(name)s wrote in case #%(number)s:"),
        Act.PROPOSE: gettext("%(name)s proposes that case #%(number)s is resolved:"),
        Act.WITHDRAW: gettext("%(name)s took the proposal in case #%(number)s back."),
        Act.AGREE: gettext("%(name)s agreed: case #%(number)s is resolved."),
        Act.DISPUTE: gettext("%(name)s disputes the proposal in case #%(number)s:"),
        Act.ESCALATE: gettext("%(name)s escalated case #%(number)s:"),
        Act.ASSIGN: gettext("%(name)s made you responsible for case #%(number)s."),
    }
    head = heads.get(update.kind)
    if head is None:
        return None
    words = head % {"name": update.author_name, "number": case.pk}
    return [words, *([update.text] if update.text else []), *_staff_due(case, hours)]


def _staff_due(case: Case, hours: ServiceHours) -> list[str]:
    if case.due_at is None:
        return []
    words = gettext("The customer is to hear from you by %(when)s.")
    return [words % {"when": moment_in_words(case.due_at, hours.zone)}]


def staff_page() -> str:
    """Return what the link to the desk's page of a case is called."""
    return gettext("Answer this email, and the customer reads it; or answer in the desk:")


def files(count: int) -> str:
    """Return that there are files."""
    return gettext("Files: %(count)d") % {"count": count}


# Reminders.


def reminder_to_answer(update: CaseUpdate) -> list[str]:
    """Return the reminder of a question or a proposal that nobody has answered."""
    if update.kind == Act.PROPOSE:
        return [
            gettext("May we remind you of our proposal that this case is resolved:"),
            update.text,
            gettext(
                "Please agree or disagree on the page below. Without your answer the case stays "
                "open."
            ),
        ]
    return [
        gettext("May we remind you of what we asked:"),
        update.text,
        gettext("Please answer this email. Until then our clock stands still."),
    ]


def reminder_to_update(case: Case, hours: ServiceHours) -> list[str]:
    """Return the reminder, for the responsible person, of what falls due in an hour."""
    when = moment_in_words(case.due_at, hours.zone) if case.due_at else ""
    words = gettext("In case #%(number)s the customer is to hear from you by %(when)s.")
    return [words % {"number": case.pk, "when": when}]


# Answers to mail that could not become part of a case.


def answer_closed(number: int) -> list[str]:
    """Return the answer to a mail about a case that both sides closed."""
    return [
        gettext(
            "Case #%(number)s is resolved, as both sides agreed, and stays so. We keep your email "
            "with it, and nobody works on it."
        )
        % {"number": number},
        gettext(
            "If there is something to do, please write a new email without this number in its "
            "subject: that opens a new case."
        ),
    ]


def answer_foreign(number: int) -> list[str]:
    """Return the answer to a mail that names a case which is none of the sender's."""
    return [
        gettext("Your account has no case #%(number)s, so your email is not part of any case.")
        % {"number": number},
        gettext(
            "A person will look at it. For a new request, please write a new email without this "
            "number in its subject."
        ),
    ]


def answer_merged(number: int, into: int) -> list[str]:
    """Return the answer to a mail about a case that goes on in another one."""
    words = gettext("Case #%(number)s goes on as case #%(into)s; we added your email there.")
    return [words % {"number": number, "into": into}]


def no_text() -> str:
    """Return what stands for a mail that says nothing."""
    return gettext("(The email has no text.)")


def no_subject() -> str:
    """Return what stands for a subject."""
    return gettext("(no subject)")


def left_out(names: str) -> str:
    """Return which files are not among those of the case."""
    return gettext("[Not kept here, but in the original email: %(names)s]") % {"names": names}


def cut() -> str:
    """Return that the end of a text is missing."""
    return gettext("[The rest is in the original email.]")
