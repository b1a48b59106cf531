"""What can go wrong with people and cases; see `errors.py` for their base.

A refusal of the state machine carries the facts; its class is its name for programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from merpati.desk.errors import DeskError


class CaseRefusal(DeskError):
    """Base of what the state of a case does not allow."""


class StaffAlone(CaseRefusal):
    """The act is the desk's alone."""

    def __init__(self, act: str) -> None:
        super().__init__(f"Only the desk makes a {_words(act)}; write a message instead.")


class CaseResolved(CaseRefusal):
    """Both sides agreed; the case is closed for good."""

    def __init__(self) -> None:
        super().__init__(
            "Both sides agreed that this case is resolved, and it stays so: open a new case and "
            "name this one in it."
        )


class CaseMerged(CaseRefusal):
    """The case goes on in another one."""

    def __init__(self, into: int | None) -> None:
        super().__init__(f"This case goes on in case {into}: say it there.")
        self.into = into


class ProposalPending(CaseRefusal):
    """A proposal has to be answered first."""

    def __init__(self, proposed_by: str, *, is_own: bool) -> None:
        super().__init__(
            "You proposed that this case is resolved; withdraw that first, or wait for the answer."
            if is_own
            else f"The {proposed_by} proposed that this case is resolved: agree, or dispute it "
            "with a reason."
        )


class NothingProposed(CaseRefusal):
    """There is no proposal to answer: none was made, or it was disputed or withdrawn."""

    def __init__(self, act: str) -> None:
        super().__init__(f"No resolution is proposed at present, so this {act} answers nothing.")


class OwnProposal(CaseRefusal):
    """Nobody answers their own proposal."""

    def __init__(self, act: str) -> None:
        super().__init__(
            f"You made this proposal, so its {act} is the other side's; you can withdraw it."
        )


class ProposalOfOther(CaseRefusal):
    """Only who proposed withdraws."""

    def __init__(self) -> None:
        super().__init__("The other side made this proposal: agree, or dispute it with a reason.")


def _words(name: str) -> str:
    return name.replace("_", " ")


class InvalidPerson(DeskError):
    """A field of a person, an absence or an assignment cannot be used."""


class PersonExists(DeskError):
    """The staff knows this address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"There is a person with the address {email} already.", "email")


class PersonNotFound(DeskError):
    """Nobody of the staff has this address."""

    def __init__(self, email: str) -> None:
        super().__init__(
            f"Nobody of the staff has the address {email!r}; merpati person list shows them all.",
            "email",
        )


class OnboardingComplete(DeskError):
    """The account's onboarding was completed before."""

    def __init__(self, by: str, at: datetime) -> None:
        super().__init__(f"The onboarding was completed by {by} on {at:%Y-%m-%d %H:%M} UTC.")


class OnboardingIncomplete(DeskError):
    """Cases are escalated once onboarding is complete; until then the TAM is the contact anyway."""

    def __init__(self) -> None:
        super().__init__(
            "The onboarding of this account is not complete, so its Technical Account Manager is "
            "its contact already. Escalation opens once onboarding is complete."
        )


class NoTam(DeskError):
    """The account has no TAM."""

    def __init__(self) -> None:
        super().__init__(
            "No Technical Account Manager is assigned to this account yet: merpati tam assign"
        )


class EscalatedBefore(DeskError):
    """The case is escalated already."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"This case was escalated on {at:%Y-%m-%d %H:%M} UTC; it stays escalated.")


class InvalidCase(DeskError):
    """A field of a case or of an update cannot be used."""


class InvalidAnswer(DeskError):
    """A canned answer cannot be kept or filled in."""


class AnswerUnreadable(InvalidAnswer):
    """A canned answer's template is wrong in a line."""

    def __init__(self, line: int, description: str, field: str) -> None:
        super().__init__(f"Line {line} cannot be read: {description}", field)
        self.line = line


class AnswerNameUnknown(InvalidAnswer):
    """A canned answer names what nobody can fill in."""

    def __init__(self, name: str, names: Sequence[str], field: str) -> None:
        super().__init__(
            f"Nothing is known as {{{{{name}}}}}; there are {', '.join(names)}.", field
        )
        self.name = name
        self.names = names


class AnswerNotFound(DeskError):
    """There is no such canned answer."""

    def __init__(self, answer_id: int) -> None:
        super().__init__(f"There is no canned answer {answer_id} any more.", "answer")


class InvalidCall(DeskError):
    """A field of a call or a call-back cannot be used."""


class SlotNotFree(DeskError):
    """At that moment the person cannot call: it is not in their hours, or taken by now."""

    def __init__(self, person: str) -> None:
        super().__init__(
            f"{person} cannot call then: the time was taken meanwhile, or is not among those "
            "offered. Choose another one.",
            "starts_at",
        )


class CallBackNotFound(DeskError):
    """There is no such call-back, or it was cancelled, or it is over."""

    def __init__(self, call_back_id: int) -> None:
        super().__init__(
            f"There is no call-back {call_back_id} that can be changed: it was cancelled, or its "
            "time has come.",
            "call_back",
        )


class CaseNotFound(DeskError):
    """The account has no such case."""

    def __init__(self, number: int | str) -> None:
        super().__init__(f"There is no case {number}.", "number")


class AttachmentNotFound(DeskError):
    """The case has no such file."""

    def __init__(self, number: int, attachment_id: int) -> None:
        super().__init__(f"Case {number} has no file {attachment_id}.", "attachment")


class MailNotFound(DeskError):
    """There is no such mail that came in."""

    def __init__(self, mail_id: int) -> None:
        super().__init__(f"There is no mail {mail_id}: merpati case mail list shows them.", "mail")


class MailSorted(DeskError):
    """Somebody, or the desk itself, found a place for the mail already."""

    def __init__(self, mail_id: int, state: str, by: str) -> None:
        who = f" by {by}" if by else ""
        super().__init__(f"Mail {mail_id} is sorted already{who}: {state.lower()}.", "mail")


class NotResolved(DeskError):
    """There is no resolution record, since the sides have not agreed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Case {number} is not resolved, so there is no record of it yet.")


class NoRepresentative(DeskError):
    """Nobody is responsible for the case and the command does not say who acts."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Nobody is responsible for case {number} yet: say with --as EMAIL who you are, or "
            f"first merpati case assign {number} EMAIL",
            "as",
        )
