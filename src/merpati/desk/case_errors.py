"""What can go wrong with people and cases; see `errors.py` for their base.

A refusal of the state machine carries the facts; its class is its name for programs.
"""

from __future__ import annotations

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
