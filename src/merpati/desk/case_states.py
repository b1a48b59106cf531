"""The life of a support case: what each side may do in each state, and whose turn it is. Pure.

Nothing but the agreement of the side that did not propose closes a case. Either side proposes that
it is resolved; the other agrees or disputes, and a dispute opens the case again.

Source: mission clause C9 ("will mutually agree that an Issue has been resolved").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from merpati.desk.case_errors import (
    CaseMerged,
    CaseResolved,
    NothingProposed,
    OwnProposal,
    ProposalOfOther,
    ProposalPending,
    StaffAlone,
)


class Side(StrEnum):
    """The two parties of a case."""

    CUSTOMER = "customer"
    DESK = "desk"

    @property
    def other(self) -> Side:
        """The side that answers this one."""
        return Side.DESK if self is Side.CUSTOMER else Side.CUSTOMER


class Status(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    WAITING = "waiting_for_customer"
    PROPOSED = "proposed"
    RESOLVED = "resolved"
    MERGED = "merged"  # it goes on in another case


class Act(StrEnum):
    """What somebody does to a case."""

    MESSAGE = "message"
    NOTE = "note"  # internal
    ASK = "request_for_information"
    PROGRESS = "progress_update"
    OUT_OF_SCOPE = "out_of_scope"
    ASSIGN = "assignment"
    SORT = "sorting"  # another kind or severity
    ESCALATE = "escalation"
    PROPOSE = "proposal"
    WITHDRAW = "withdrawal"
    AGREE = "agreement"
    DISPUTE = "dispute"
    CALL = "call"
    MERGE = "merge"
    TAKE_IN = "merged_case"  # another case goes on in this one
    SPLIT = "split"
    LINK = "link"


CLOSED = frozenset({Status.RESOLVED, Status.MERGED})
GOES_ON = frozenset(Status) - CLOSED
_ABOUT_OTHER_CASES = frozenset({Act.MERGE, Act.TAKE_IN, Act.SPLIT, Act.LINK})
OF_THE_DESK_ALONE = _ABOUT_OTHER_CASES | {
    *(Act.NOTE, Act.ASK, Act.PROGRESS, Act.OUT_OF_SCOPE, Act.ASSIGN, Act.SORT, Act.CALL)
}
ALWAYS = frozenset({Act.NOTE, Act.SPLIT, Act.LINK})  # also in a case that is closed
# What a customer hears from the desk as a word on the matter: it answers, and it is an update.
ANSWERS = frozenset(
    {
        *(Act.MESSAGE, Act.ASK, Act.PROGRESS, Act.OUT_OF_SCOPE, Act.CALL),
        *(Act.PROPOSE, Act.AGREE, Act.DISPUTE),
    }
)


@dataclass(frozen=True, slots=True)
class CaseState:
    """Where a case stands.

    proposed_by: who proposed that it is resolved, while that is open; merged_into: the number of
    the case in which a merged one goes on.
    """

    status: Status
    proposed_by: Side | None = None
    merged_into: int | None = None


OPEN = CaseState(Status.OPEN)
WAITING = CaseState(Status.WAITING)
RESOLVED = CaseState(Status.RESOLVED)


def after(state: CaseState, act: Act, by: Side) -> CaseState:
    """Return where a case stands after an act.

    Raises StaffAlone, CaseResolved, CaseMerged, ProposalPending, ProposalOfOther, NothingProposed,
    OwnProposal.
    """
    if act in OF_THE_DESK_ALONE and by is not Side.DESK:
        raise StaffAlone(act)
    if state.status in CLOSED and act not in ALWAYS:
        raise CaseMerged(state.merged_into) if state.status is Status.MERGED else CaseResolved
    match act:
        case Act.MERGE:
            return CaseState(Status.MERGED)
        case Act.PROPOSE | Act.ASK:
            if state.proposed_by is not None:
                raise ProposalPending(state.proposed_by, is_own=state.proposed_by is by)
            return WAITING if act is Act.ASK else CaseState(Status.PROPOSED, by)
        case Act.AGREE | Act.DISPUTE | Act.WITHDRAW:
            _check_answer(state.proposed_by, act, by)
            return RESOLVED if act is Act.AGREE else OPEN
        case Act.MESSAGE | Act.ESCALATE if state == WAITING and by is Side.CUSTOMER:
            return OPEN
        case _:
            return state


def turn_after(turn: Side, state: CaseState, act: Act, by: Side) -> Side:
    """Return who has the next word after an act that led to `state`.

    The customer has it once the desk asked or proposed, until they say anything: a question about
    a proposal is the desk's to answer, though the proposal stands.
    """
    if by is Side.CUSTOMER:
        return Side.DESK
    if act not in ANSWERS:
        return turn if act is not Act.WITHDRAW else Side.DESK
    is_asked = state.status is Status.WAITING or state.proposed_by is Side.DESK
    return Side.CUSTOMER if is_asked else Side.DESK


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a case's history."""

    act: Act
    by: Side
    at: datetime


def waits_for_customer(history: Iterable[Step]) -> list[tuple[datetime, datetime | None]]:
    """Return when a case waited for the customer, from its history in order.

    The last one's end is None while it goes on.
    """
    waits: list[tuple[datetime, datetime | None]] = []
    state, turn = OPEN, Side.DESK
    for step in history:
        state = after(state, step.act, step.by)
        before, turn = turn, turn_after(turn, state, step.act, step.by)
        if before is not turn:
            if turn is Side.CUSTOMER:
                waits.append((step.at, None))
            else:
                waits[-1] = (waits[-1][0], step.at)
    return waits


def _check_answer(proposed_by: Side | None, act: Act, by: Side) -> None:
    if proposed_by is None:
        raise NothingProposed(act)
    if act is Act.WITHDRAW:
        if proposed_by is not by:
            raise ProposalOfOther
    elif proposed_by is by:
        raise OwnProposal(act)
