"""The desk's refusals in words, in the language that is active; a page never mixes two."""

from __future__ import annotations

from django.utils.translation import gettext

from merpati.desk.attachments import FILE_BYTES, FILES, MESSAGE_BYTES
from merpati.desk.case_errors import (
    CaseMerged,
    CaseResolved,
    EscalatedBefore,
    InvalidCase,
    NoTam,
    NothingProposed,
    OnboardingIncomplete,
    OwnProposal,
    ProposalOfOther,
    ProposalPending,
)
from merpati.desk.checks import TEXT_LENGTH
from merpati.desk.errors import BeyondCalendar, DeskError, NothingWithin

_MB = 1024 * 1024


def in_words(error: DeskError) -> str:  # noqa: PLR0911 - one for each kind
    """Return what was refused, why, and what to do."""
    match error:
        case InvalidCase():
            return field_words(error.field) or error.message
        case CaseResolved():
            return gettext(
                "Both sides agreed that this case is resolved, and it stays so. Open a new case "
                "and name this one in it."
            )
        case CaseMerged():
            return gettext("This case goes on in case %(number)s: say it there.") % {
                "number": error.into
            }
        case ProposalPending():
            return gettext(
                "A resolution is proposed already. It has to be answered or withdrawn first."
            )
        case NothingProposed():
            return gettext(
                "No resolution is proposed any more: somebody answered or withdrew it meanwhile. "
                "Nothing was changed."
            )
        case OwnProposal() | ProposalOfOther():
            return gettext("A proposal is answered by the other side, and withdrawn by its own.")
        case EscalatedBefore():
            return gettext("This case was escalated before; it stays escalated.")
        case OnboardingIncomplete():
            return gettext(
                "During onboarding your Technical Account Manager is your contact already. "
                "Escalation opens once onboarding is complete."
            )
        case NoTam():
            return gettext("No Technical Account Manager is assigned to this account yet.")
        case BeyondCalendar() | NothingWithin():
            return gettext("The desk's calendar does not reach that far, so nothing is promised.")
        case _:
            return error.message


def field_words(field: str) -> str:  # noqa: PLR0911 - one for each field
    """Return what a field of a case takes; "" for one that people do not fill in."""
    match field.partition(".")[0]:
        case "subject":
            return gettext("Write a subject of 1 to 200 characters, in one line.")
        case "text" | "reason":
            return gettext("Write 1 to %(most)s characters.") % {"most": f"{TEXT_LENGTH:,}"}
        case "files":
            return gettext(
                "At most %(files)d files of %(size)d MB, together %(all)d MB; none may be empty."
            ) % {"files": FILES, "size": FILE_BYTES // _MB, "all": MESSAGE_BYTES // _MB}
        case "links":
            return gettext(
                "This cannot be found in that form. Write a domain as kirim.example, an IP as "
                "192.0.2.10, a message by the 16 digits that events show."
            )
        case "watchers":
            return gettext("Write addresses such as sari@kirim.example, one a line, at most 20.")
        case "kind" | "severity" | "language":
            return gettext("Choose one of those offered.")
        case _:
            return ""
