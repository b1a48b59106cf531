"""Clocks of cases: what is due, what stands, what the desk is not charged with; and why."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.accounts.models import AuditEntry
from merpati.desk import calendar_changes, case_actions
from merpati.desk.business_hours import working_time_between
from merpati.desk.case_clocks import PROMISES, Progress, age, due_of, progress_after
from merpati.desk.case_document import for_customer
from merpati.desk.case_errors import CaseRefusal
from merpati.desk.case_states import CLOSED, OPEN, Act, Side, Step, after
from merpati.desk.errors import NothingWithin
from merpati.desk.models import Case, CaseUpdate, Severity
from tests.desk.calendars import ZONES, local
from tests.desk.cases import BY, MONDAY, SIGNER, Desk, uk


def opening(opened_at: datetime) -> Progress:
    """Return how a case begins: the desk owes the first answer."""
    return Progress(Side.DESK, opened_at, None)


UK, EASTERN = ZONES["uk"], ZONES["us-eastern"]
ACTS = st.lists(
    st.tuples(st.sampled_from(Act), st.sampled_from(Side), st.integers(1, 3_000)), max_size=20
)


@pytest.fixture
def desk(tmp_path: Path, db: None) -> Desk:
    return Desk(tmp_path)


def clocks(case: Case, now: datetime) -> Any:
    return for_customer(Case.objects.get(pk=case.pk), now)["clocks"]


def test_every_severity_has_its_promises() -> None:
    assert set(PROMISES) == set(Severity.values)


def test_the_first_answer_is_due_in_business_hours() -> None:
    """C1 and C2 of the clocks: a Friday's last quarter, and a bank holiday on Monday."""
    for hours, opened, due in (
        (EASTERN, "2026-03-06T16:45", "2026-03-09T09:45"),
        (UK, "2026-05-01T16:15", "2026-05-05T09:15"),
    ):
        found = due_of(hours, "urgent", opening(local(hours, opened)))
        assert found is not None
        assert found.at == local(hours, due)


def test_a_wait_over_a_weekend_and_a_clock_change_counts_in_business_minutes_only() -> None:
    """C4: asked on Friday at 16:30 in New York, answered on Monday at 10:00; 8 March is between."""
    steps = [
        Step(Act.ASK, Side.DESK, local(EASTERN, "2026-03-06T16:30")),
        Step(Act.MESSAGE, Side.CUSTOMER, local(EASTERN, "2026-03-09T10:00")),
    ]
    opened, now = local(EASTERN, "2026-03-06T16:00"), local(EASTERN, "2026-03-09T12:00")
    counted = age(EASTERN, opened, steps, now)
    assert counted.whole.working_time == timedelta(hours=4)
    assert counted.waited == timedelta(hours=1, minutes=30)
    assert counted.of_the_desk == timedelta(hours=2, minutes=30)


@given(ACTS)
def test_a_clock_runs_exactly_while_it_is_the_desks_turn(
    acts: list[tuple[Act, Side, int]],
) -> None:
    now = MONDAY
    state, progress, steps = OPEN, opening(now), []
    for act, by, minutes in acts:
        now += timedelta(minutes=minutes)
        try:
            state = after(state, act, by)
        except CaseRefusal:
            continue
        steps.append(Step(act, by, now))
        progress = progress_after(progress, state, steps[-1])
        is_running = state.status not in CLOSED and progress.turn is Side.DESK
        assert (progress.started_at is not None) == is_running
        if by is Side.DESK and act is Act.MESSAGE:
            assert progress.first_answered_at is not None
    counted = age(UK, MONDAY, steps, now)
    assert timedelta() <= counted.waited <= counted.whole.working_time
    desk = [MONDAY, *[edge for w in counted.waits for edge in (w.starts_at, w.ends_at or now)], now]
    of_the_desk = sum(
        (
            working_time_between(UK, start, end).working_time
            for start, end in zip(desk[::2], desk[1::2], strict=True)
        ),
        timedelta(),
    )
    assert counted.of_the_desk == of_the_desk


def test_clocks_tell_what_is_due_what_stands_and_how_it_was_counted(desk: Desk) -> None:
    case = desk.opens(uk("03-02 15:00"))
    found = clocks(case, uk("03-02 15:30"))
    assert found["first_answer"]["due_at"] == uk("03-03 11:00")
    assert found["first_answer"]["explanation"] == "Mon 15:00-16:30, Tue 08:30-11:00"
    assert found["next_update"]["state"] == "not_begun"

    case_actions.ask(case.pk, "Which domain?", by=desk.budi, now=uk("03-03 11:30"))
    found = clocks(case, uk("03-03 12:30"))
    assert found["first_answer"]["is_late"]
    counted = [day["counted"][0]["minutes"] for day in found["first_answer"]["account"]]
    assert counted == [90, 150]
    assert found["next_update"]["why"] == "waiting_for_customer"
    assert found["waiting_for_customer"]["minutes"] == 60
    assert Case.objects.get().due_at is None

    case_actions.write(case.pk, "kirim.example", by=desk.sari, now=uk("03-05 08:30"))
    found = clocks(case, uk("03-05 09:30"))
    assert found["next_update"]["state"] == "running"
    assert found["next_update"]["due_at"] == uk("03-06 16:30")  # 16 hours from the answer on
    (wait,) = found["waiting_for_customer"]["waits"]
    assert wait["minutes"] == 5 * 60 + 8 * 60
    assert wait["explanation"] == "Tue 11:30-16:30, Wed 08:30-16:30, none of Thu 08:30-16:30"
    assert found["age"]["minutes"] == 90 + 480 + 480 + 60
    assert found["age"]["minutes_of_the_desk"] == 90 + 180 + 60


def test_a_customers_second_message_moves_no_clock(desk: Desk) -> None:
    case = desk.opens()
    case_actions.write(case.pk, "Anybody?", by=desk.sari, now=uk("03-02 12:00"))
    case_actions.note(case.pk, "Busy.", by=desk.budi, now=uk("03-02 12:30"))
    assert Case.objects.get().due_at == case.first_answer_due_at == uk("03-02 13:00")


def test_an_unanswered_proposal_stays_proposed_and_charges_nobody(desk: Desk) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "Fixed.", by=desk.budi, now=uk("03-02 10:00"))
    found = clocks(case, uk("04-13 10:00"))
    assert Case.objects.get().status == "proposed"
    assert found["next_update"]["state"] == "standing"
    assert found["age"]["minutes_of_the_desk"] == 60


def test_a_resolved_case_keeps_its_age(desk: Desk) -> None:
    case = desk.opens()
    case_actions.propose(case.pk, "Fixed.", by=desk.budi, now=uk("03-02 10:00"))
    case_actions.agree(case.pk, by=desk.sari, signer=SIGNER, now=uk("03-02 11:00"))
    assert clocks(case, uk("03-09 10:00"))["age"]["minutes"] == 120
    assert clocks(case, uk("03-09 10:00"))["next_update"]["state"] == "ended"


def test_a_calendar_that_changes_counts_running_clocks_again_and_says_so(desk: Desk) -> None:
    running, ended = desk.opens(uk("03-02 15:00")), desk.opens(uk("03-02 15:00"))
    case_actions.ask(ended.pk, "Which?", by=desk.budi, now=uk("03-02 15:10"))
    calendar_changes.add_override(
        "uk", date(2026, 3, 3), ["10:00-12:00"], "Moving house", by=BY, now=uk("03-02 15:30")
    )
    case = Case.objects.get(pk=running.pk)
    assert case.due_at == case.first_answer_due_at == uk("03-04 09:00")
    entry = case.updates.get(kind=CaseUpdate.RECOUNT)
    assert entry.detail == {
        "recounted": "first_answer",
        "due_before": "2026-03-03T11:00:00+00:00",
        "due_at": "2026-03-04T09:00:00+00:00",
        "calendar_version": 2,
    }
    assert (entry.author_name, entry.is_internal) == ("UK calendar", False)
    assert AuditEntry.objects.get(action="recount_clocks").detail == {"cases": [running.pk]}
    assert (
        "Tue 10:00-12:00 (Moving house)"
        in clocks(case, uk("03-02 16:00"))["first_answer"]["explanation"]
    )
    kept = Case.objects.get(pk=ended.pk)
    assert (kept.due_at, kept.first_answer_due_at) == (None, uk("03-03 11:00"))
    calendar_changes.remove_override("uk", date(2026, 3, 3), by=BY, now=uk("03-02 16:00"))
    assert Case.objects.get(pk=running.pk).due_at == uk("03-03 11:00")


def test_other_zones_and_other_days_move_nothing(desk: Desk) -> None:
    desk.opens()
    calendar_changes.add_override("us-eastern", MONDAY.date(), [], "Storm", by=BY, now=MONDAY)
    calendar_changes.add_override("uk", date(2026, 3, 5), [], "Move", by=BY, now=MONDAY)
    assert not CaseUpdate.objects.filter(kind=CaseUpdate.RECOUNT).exists()


def test_a_calendar_without_an_end_is_refused_while_a_clock_runs_on_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.opens()
    monkeypatch.setattr("merpati.desk.business_hours.SEARCH_DAYS", 0)
    with pytest.raises(NothingWithin):
        calendar_changes.add_override("uk", MONDAY.date(), [], "Closed", by=BY, now=MONDAY)
    assert not AuditEntry.objects.filter(action="add_override").exists()
