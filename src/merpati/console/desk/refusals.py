"""Refusals that only the desk meets, in words, in the language that is active."""

from __future__ import annotations

from django.utils.translation import gettext

from merpati.console import refusals
from merpati.desk.case_errors import (
    AnswerNameUnknown,
    AnswerNotFound,
    AnswerUnreadable,
    CallBackNotFound,
    InvalidAnswer,
    InvalidCall,
    InvalidCase,
    InvalidPerson,
    MailSorted,
    OnboardingComplete,
    PersonNotFound,
    SlotNotFree,
)
from merpati.desk.errors import (
    BeyondCalendar,
    DeskError,
    InvalidHours,
    OverrideExists,
    OverrideNotFound,
    YearConfirmed,
)


def in_words(error: DeskError) -> str:  # noqa: PLR0911, PLR0912 - one for each kind
    """Return what was refused, why, and what to do."""
    match error:
        case InvalidCase() if words := _case_field(error.field):
            return words
        case InvalidCall():
            return _call_field(error.field)
        case MailSorted():
            return gettext("Somebody found a place for this mail meanwhile.")
        case SlotNotFree():
            return gettext(
                "This time is not free any more: somebody took it, or it is not within the hours. "
                "Choose another one."
            )
        case CallBackNotFound():
            return gettext("This call was cancelled, or its time has come: it cannot be changed.")
        case InvalidAnswer():
            return _answer_field(error)
        case AnswerNotFound():
            return gettext("This canned answer was removed meanwhile.")
        case PersonNotFound():
            return gettext("Nobody of the desk has this address.")
        case InvalidPerson():
            return _person_field(error.field)
        case OnboardingComplete():
            return gettext("The onboarding was completed before.")
        case InvalidHours():
            return _hours_field(error.field)
        case OverrideExists():
            return gettext(
                "This day is kept otherwise already; tick the box to put yours in its place."
            )
        case OverrideNotFound():
            return gettext("This day is kept as usual already.")
        case YearConfirmed():
            return gettext("Somebody confirmed this year already.")
        case BeyondCalendar():
            return gettext("No bank holidays are known for this year, so nothing is confirmed.")
        case _:
            return refusals.in_words(error)


def _case_field(field: str) -> str:  # noqa: PLR0911 - one for each field
    match field:
        case "into":
            return gettext(
                "It goes on in another case of the same account only: the people of two accounts "
                "must not read each other's. Link the two instead."
            )
        case "other":
            return gettext("A case is not related to itself: name another one.")
        case "entry":
            return gettext("Choose an entry of this case that the customer wrote.")
        case "number":
            return gettext("Write the number of a case.")
        case "act" | "topic" | "status" | "due" | "escalated":
            return gettext("Choose one of those offered.")
        case "case":
            return gettext("Tick the cases first.")
        case "mail":
            return gettext(
                "This mail names no single author, so it can be nobody's message: set it aside, "
                "and write a note."
            )
        case "name" | "view":
            return gettext("Give the view a name of 1 to 200 characters; there are 50 at most.")
        case "account":
            return gettext("An account is named by its number.")
        case "month":
            return gettext("Choose a month that has begun, written as 2026-11.")
        case _:
            return ""


def _call_field(field: str) -> str:
    match field:
        case "minutes":
            return gettext("A call takes 1 to 600 minutes.")
        case "began_at":
            return gettext("Say when the call began; it is logged when it is over.")
        case "phone":
            return gettext("Write the phone number with its country, as +62 21 5550 100.")
        case "starts_at":
            return gettext("Choose one of the free times.")
        case "contact" | "person":
            return gettext("Choose who calls whom; the contact is one of this account.")
        case _:
            return gettext("Say with whom you spoke, or what it is about, and what was said.")


def _answer_field(error: InvalidAnswer) -> str:
    match error:
        case AnswerUnreadable():
            return gettext(
                "Line %(line)d cannot be filled in: each {{ has its }} there, and each {{if}} and "
                "{{each}} its {{end}}."
            ) % {"line": error.line}
        case AnswerNameUnknown():
            return gettext("Nothing is known as {{%(name)s}}; there are %(names)s.") % {
                "name": error.name,
                "names": ", ".join(error.names),
            }
        case _ if error.field == "name":
            return gettext("Give a name of 1 to 200 characters that no other answer has.")
        case _:
            return refusals.field_words("text")


def _person_field(field: str) -> str:
    match field:
        case "starts_on":
            return gettext("Choose the first and the last day.")
        case "ends_on":
            return gettext("The last day is not before the first.")
        case "reason":
            return gettext("Give a reason of 1 to 200 characters.")
        case "deputy":
            return gettext("Nobody is their own deputy: choose another person.")
        case "tam":
            return gettext("An account's TAM has the role of a TAM, and a phone.")
        case _:
            return gettext("Choose a person of the desk.")


def _hours_field(field: str) -> str:
    match field:
        case "hours":
            return gettext(
                "Write hours as 09:00-17:00, several with a blank between them. Each closes after "
                "it opens, at 24:00 at the latest, and no two overlap; hours beyond midnight are "
                "two days."
            )
        case "day":
            return gettext("Choose a day.")
        case _:
            return gettext("Say why, in 1 to 200 characters.")
