"""The life of a case: nothing closes it without both sides, and each refusal has its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.desk.case_errors import (
    CaseMerged,
    CaseRefusal,
    CaseResolved,
    NothingProposed,
    OwnProposal,
    ProposalOfOther,
    ProposalPending,
    StaffAlone,
)
from merpati.desk.case_states import (
    OF_THE_DESK_ALONE,
    OPEN,
    RESOLVED,
    WAITING,
    Act,
    CaseState,
    Side,
    Status,
    Step,
    after,
    waits_for_customer,
)

CUSTOMER, DESK = Side.CUSTOMER, Side.DESK
BY_CUSTOMER = CaseState(Status.PROPOSED, CUSTOMER)
BY_DESK = CaseState(Status.PROPOSED, DESK)
MERGED = CaseState(Status.MERGED, merged_into=7)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)

ACTS = st.lists(st.tuples(st.sampled_from(Act), st.sampled_from(Side)), max_size=30)


@pytest.mark.parametrize(
    ("state", "act", "by", "then"),
    [
        pytest.param(OPEN, Act.ASK, DESK, WAITING, id="asked"),
        pytest.param(WAITING, Act.MESSAGE, CUSTOMER, OPEN, id="answered"),
        pytest.param(WAITING, Act.ESCALATE, CUSTOMER, OPEN, id="escalated instead of answered"),
        pytest.param(WAITING, Act.MESSAGE, DESK, WAITING, id="another word while waiting"),
        pytest.param(WAITING, Act.PROPOSE, CUSTOMER, BY_CUSTOMER, id="customer found it"),
        pytest.param(OPEN, Act.PROPOSE, DESK, BY_DESK, id="proposed"),
        pytest.param(BY_DESK, Act.AGREE, CUSTOMER, RESOLVED, id="agreed"),
        pytest.param(BY_CUSTOMER, Act.AGREE, DESK, RESOLVED, id="agreed by the desk"),
        pytest.param(BY_DESK, Act.DISPUTE, CUSTOMER, OPEN, id="disputed"),
        pytest.param(BY_DESK, Act.WITHDRAW, DESK, OPEN, id="withdrawn"),
        pytest.param(BY_DESK, Act.MESSAGE, CUSTOMER, BY_DESK, id="a message never agrees"),
        pytest.param(RESOLVED, Act.NOTE, DESK, RESOLVED, id="a note afterwards"),
        pytest.param(RESOLVED, Act.LINK, DESK, RESOLVED, id="related afterwards"),
        pytest.param(OPEN, Act.CALL, DESK, OPEN, id="called"),
        pytest.param(BY_DESK, Act.MERGE, DESK, CaseState(Status.MERGED), id="merged"),
    ],
)
def test_an_act_leads_on(state: CaseState, act: Act, by: Side, then: CaseState) -> None:
    assert after(state, act, by) == then


@pytest.mark.parametrize(
    ("state", "act", "by", "refusal", "says"),
    [
        pytest.param(OPEN, Act.AGREE, CUSTOMER, NothingProposed, "No resolution", id="nothing"),
        pytest.param(BY_DESK, Act.AGREE, DESK, OwnProposal, "other side's", id="own"),
        pytest.param(BY_CUSTOMER, Act.DISPUTE, CUSTOMER, OwnProposal, "withdraw", id="own dispute"),
        pytest.param(BY_DESK, Act.WITHDRAW, CUSTOMER, ProposalOfOther, "agree, or", id="other's"),
        pytest.param(BY_DESK, Act.PROPOSE, DESK, ProposalPending, "You proposed", id="twice"),
        pytest.param(BY_DESK, Act.PROPOSE, CUSTOMER, ProposalPending, "The desk", id="both"),
        pytest.param(BY_DESK, Act.ASK, DESK, ProposalPending, "withdraw that first", id="asking"),
        pytest.param(RESOLVED, Act.AGREE, CUSTOMER, CaseResolved, "new case", id="agreed twice"),
        pytest.param(RESOLVED, Act.MESSAGE, CUSTOMER, CaseResolved, "new case", id="afterwards"),
        pytest.param(MERGED, Act.MESSAGE, CUSTOMER, CaseMerged, "goes on in case 7", id="merged"),
        pytest.param(RESOLVED, Act.MERGE, DESK, CaseResolved, "new case", id="merging resolved"),
        pytest.param(OPEN, Act.ASK, CUSTOMER, StaffAlone, "request for information", id="staff"),
    ],
)
def test_a_refusal_is_named_with_its_reason(
    state: CaseState, act: Act, by: Side, refusal: type[CaseRefusal], says: str
) -> None:
    """L5: after refusal, after agreement, twice: the state machine says why not."""
    with pytest.raises(refusal, match=says):
        after(state, act, by)


@given(ACTS)
def test_no_sequence_closes_a_case_without_both_sides(acts: list[tuple[Act, Side]]) -> None:
    state, proposals = OPEN, []
    for act, by in acts:
        try:
            then = after(state, act, by)
        except CaseRefusal:
            continue
        if act is Act.PROPOSE:
            proposals.append(by)
        if then == RESOLVED != state:
            assert act is Act.AGREE
            assert state == CaseState(Status.PROPOSED, by.other)
            assert proposals[-1] is by.other
        if state == RESOLVED:
            assert then == RESOLVED
        assert (then.proposed_by is not None) == (then.status is Status.PROPOSED)
        state = then


@given(ACTS)
def test_a_customer_never_does_what_is_the_desks(acts: list[tuple[Act, Side]]) -> None:
    state = OPEN
    for act, by in acts:
        try:
            state = after(state, act, by)
        except CaseRefusal:
            continue
        assert by is DESK or act not in OF_THE_DESK_ALONE


@given(ACTS)
def test_waits_follow_each_other_and_at_most_the_last_goes_on(acts: list[tuple[Act, Side]]) -> None:
    state, steps = OPEN, []
    for minute, (act, by) in enumerate(acts):
        try:
            state = after(state, act, by)
        except CaseRefusal:
            continue
        steps.append(Step(act, by, START + timedelta(minutes=minute)))
    waits = waits_for_customer(steps)
    assert all(end is not None for _, end in waits[:-1])
    edges = [edge for wait in waits for edge in wait if edge is not None]
    assert edges == sorted(set(edges))
    if state == WAITING:
        assert waits[-1][1] is None
    if state == RESOLVED:
        assert waits == [] or waits[-1][1] is not None


def test_a_question_about_a_proposal_is_the_desks_to_answer() -> None:
    def at(minute: int) -> datetime:
        return START + timedelta(minutes=minute)

    steps = [
        Step(Act.PROPOSE, DESK, at(1)),
        Step(Act.NOTE, DESK, at(2)),
        Step(Act.MESSAGE, CUSTOMER, at(5)),
        Step(Act.MESSAGE, DESK, at(8)),
        Step(Act.AGREE, CUSTOMER, at(9)),
    ]
    assert waits_for_customer(steps) == [(at(1), at(5)), (at(8), at(9))]
