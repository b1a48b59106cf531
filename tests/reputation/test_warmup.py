"""The rules of the warm-up controller, each as somebody would check it by hand."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from merpati.reputation.history import Day
from merpati.reputation.reason import Kind
from merpati.reputation.warmup import Allowance, next_allowance
from tests.reputation.days import MONDAY, clean_day, clean_days, day, empty_day

TARGET = 1_000_000
GROWTH = clean_days(160, 320, 700, 1_500, 3_000)  # a week's beginning, all clean


def _after(*more: Day) -> Allowance:
    return next_allowance([*GROWTH, *more], TARGET)


def _on(number: int) -> Day:
    return GROWTH[number]


SATURDAY = MONDAY + timedelta(len(GROWTH))


def test_an_empty_history_gives_the_first_days_allowance() -> None:
    allowance = next_allowance([], TARGET)
    assert 50 <= allowance.messages_per_day <= 500
    assert allowance.reason.kind is Kind.FIRST_DAY


def test_it_grows_while_the_mail_goes_through() -> None:
    allowances = [next_allowance(GROWTH[:number], TARGET).messages_per_day for number in range(6)]
    assert allowances == sorted(set(allowances)), "every clean day raises it"
    for number, used in enumerate(GROWTH, start=1):
        assert allowances[number] <= 2.5 * used.attempted


def test_it_steps_back_in_proportion_to_what_was_refused() -> None:
    little = _after(day(SATURDAY, attempted=6_000, deferred=600))
    much = _after(day(SATURDAY, attempted=6_000, deferred=3_000))
    assert little.messages_per_day <= 5_400
    assert much.messages_per_day < 0.7 * little.messages_per_day
    assert much.reason.kind is Kind.STEPPED_BACK
    assert much.reason.facts["deferred"] == 3_000


def test_usual_deferrals_are_no_edge() -> None:
    """Three in a hundred every day: greylisting, and no reason to stand still."""
    history = [
        day(MONDAY + timedelta(number), attempted=count, deferred=count * 3 // 100)
        for number, count in enumerate([300, 600, 1_200, 2_400, 4_800])
    ]
    assert next_allowance(history, TARGET).messages_per_day > 5_500


def test_it_creeps_up_after_trouble() -> None:
    trouble = day(SATURDAY, attempted=6_000, deferred=3_000)
    history = [*GROWTH, trouble]
    allowances = []
    for number in range(1, 5):
        allowance = next_allowance(history, TARGET).messages_per_day
        allowances.append(allowance)
        history.append(clean_day(SATURDAY + timedelta(number), allowance))
    steps = [after / before for before, after in itertools.pairwise(allowances)]
    assert min(steps) > 1
    assert max(steps) < 2.1, "it knows the edge now"


def test_a_block_weighs_more_than_as_many_deferrals() -> None:
    deferred = _after(day(SATURDAY, attempted=6_000, deferred=1_000))
    blocked = _after(day(SATURDAY, attempted=6_000, blocked=1_000))
    assert blocked.messages_per_day < 0.3 * deferred.messages_per_day
    assert blocked.reason.kind is Kind.BLOCKED


def test_a_stray_block_is_about_a_message_not_about_us() -> None:
    assert (
        _after(day(SATURDAY, attempted=6_000, blocked=1)).messages_per_day
        > 0.9 * _after(clean_day(SATURDAY, 6_000)).messages_per_day
    )


def test_while_blocked_it_probes_and_afterwards_it_returns_below_where_it_was() -> None:
    history = [*GROWTH, day(SATURDAY, attempted=6_000, blocked=3_000)]
    for number in range(1, 4):
        probe = next_allowance(history, TARGET)
        assert probe.messages_per_day < 600
        history.append(
            day(SATURDAY + timedelta(number), attempted=probe.messages_per_day,
                blocked=probe.messages_per_day)
        )  # fmt: skip
    probe = next_allowance(history, TARGET)
    history.append(clean_day(SATURDAY + timedelta(4), probe.messages_per_day))
    back = next_allowance(history, TARGET)
    assert probe.messages_per_day < back.messages_per_day < 3_000


def test_one_block_after_which_the_ip_rests_is_a_block() -> None:
    """The sender held the others back, so more of them cannot come."""
    rested = _after(day(SATURDAY, attempted=2_000, blocked=1, blocked_rests=1, allowance=6_000))
    stray = _after(day(SATURDAY, attempted=2_000, blocked=1, allowance=6_000))
    assert rested.messages_per_day < 500 < stray.messages_per_day
    assert rested.reason.kind is Kind.BLOCKED


def test_a_deferral_after_which_the_ip_rests_is_no_edge_of_its_own() -> None:
    """The rest was answer enough: taken for an edge it would measure the rest."""
    rested = _after(day(SATURDAY, attempted=5_000, deferred=1, deferred_rests=1, allowance=6_000))
    plain = _after(day(SATURDAY, attempted=5_000, deferred=1, allowance=6_000))
    assert rested == plain


def test_a_day_refused_from_its_first_deferral_on_is_followed_by_a_probe_and_a_quick_return() -> (
    None
):
    refused = day(SATURDAY, attempted=2, deferred=2, deferred_rests=2, allowance=6_000)
    assert _after(refused).messages_per_day == 20
    probe = clean_day(SATURDAY + timedelta(1), 20)
    assert _after(refused, probe).messages_per_day > 1_000


def test_a_refused_greeting_is_a_block_without_any_attempt() -> None:
    """T-Online refuses unknown IPs so: it counts as a day, and nobody learns a tolerance of it."""
    greeted = [
        day(MONDAY + timedelta(number), attempted=0, blocked_rests=3, allowance=170)
        for number in range(40)
    ]
    allowance = next_allowance(greeted, TARGET)
    assert 20 <= allowance.messages_per_day <= 50
    assert (allowance.reason.kind, allowance.reason.facts["rests"]) == (Kind.AT_GREETING, 3)
    registered = clean_day(MONDAY + timedelta(40), allowance.messages_per_day)
    twice = next_allowance([*greeted, registered], TARGET).messages_per_day
    assert twice > 2 * allowance.messages_per_day


def test_it_never_falls_below_what_teaches_something() -> None:
    """Else a few early deferrals would hold it at one message a day for ever."""
    refused = day(MONDAY, attempted=5, deferred=5, allowance=170)
    assert next_allowance([refused], TARGET).messages_per_day == 20
    assert next_allowance([refused], 7).messages_per_day == 7


def test_complaints_hold_it() -> None:
    held = _after(day(SATURDAY, attempted=6_000, complaints=7))
    assert held.messages_per_day == 6_000
    assert held.reason.kind is Kind.COMPLAINTS


def test_too_many_complaints_push_it_back() -> None:
    history = [*GROWTH, day(SATURDAY, attempted=6_000, deferred=100)]
    many, too_many = (
        next_allowance(
            [
                *history,
                day(SATURDAY + timedelta(1), attempted=5_000, complaints=count, deferred=200),
            ],
            TARGET,
        ).messages_per_day
        for count in (0, 40)
    )
    assert too_many < 0.8 * many


def test_two_complaints_are_chance() -> None:
    few = _after(day(SATURDAY, attempted=1_500, complaints=2))
    assert few.reason.kind is not Kind.COMPLAINTS


def test_a_list_full_of_unknown_users_holds_it() -> None:
    held = _after(day(SATURDAY, attempted=6_000, hard_bounced=600))
    assert held.messages_per_day == 6_000
    assert held.reason.kind is Kind.BOUNCES


def test_too_small_a_sample_advances_nothing() -> None:
    held = _after(clean_day(SATURDAY, 100, allowance=6_000))
    assert held.messages_per_day <= 6_000
    assert held.reason.kind is Kind.TOO_FEW
    assert held.reason.facts["attempted"] == 100


def test_a_gap_repeats_the_last_level_once() -> None:
    later = SATURDAY + timedelta(4)
    repeated = _after(clean_day(SATURDAY, 6_000), empty_day(later))
    assert repeated.messages_per_day == 6_000
    assert repeated.reason.kind is Kind.AFTER_GAP
    on = _after(clean_day(SATURDAY, 6_000), clean_day(later, 6_000))
    assert on.messages_per_day > 6_000


def test_a_gap_that_the_last_days_allowance_did_not_know_of_is_repeated_after_it() -> None:
    assert _after(clean_day(SATURDAY + timedelta(5), 6_000)).reason.kind is Kind.AFTER_GAP


def test_sent_days_count_not_calendar_days() -> None:
    """Who sends every week climbs by weeks, not never."""
    weekly = [clean_day(MONDAY + timedelta(weeks=week), 160 * 2**week) for week in range(5)]
    history = [*weekly, empty_day(weekly[-1].day + timedelta(6))]
    assert next_allowance(history, TARGET).messages_per_day > weekly[-1].attempted


def test_an_empty_day_is_a_day_left_out() -> None:
    with_gap = [*GROWTH, clean_day(SATURDAY + timedelta(2), 6_000)]
    spelled_out = [*GROWTH, empty_day(SATURDAY), clean_day(SATURDAY + timedelta(2), 6_000)]
    assert next_allowance(with_gap, TARGET) == next_allowance(spelled_out, TARGET)


def test_it_starts_again_after_thirty_idle_days() -> None:
    first = next_allowance([], TARGET).messages_per_day
    forgotten = _after(empty_day(_on(-1).day + timedelta(31)))
    assert forgotten.messages_per_day == first
    assert forgotten.reason.kind is Kind.RESTARTED
    assert forgotten.reason.facts["idle_days"] == 31
    remembered = _after(empty_day(_on(-1).day + timedelta(29)))
    assert remembered.messages_per_day > first
    # Seen afterwards, with the first day after the pause sent.
    again = clean_day(_on(-1).day + timedelta(40), first)
    assert _after(again) == next_allowance([again], TARGET)


def test_near_the_target_it_risks_less() -> None:
    far, near = (next_allowance(GROWTH, target).messages_per_day for target in (10**7, 7_500))
    assert near < 0.9 * far
    assert near < 7_500


def test_the_target_is_the_end() -> None:
    allowance = next_allowance(GROWTH, 3_500)
    assert allowance.messages_per_day == 3_500
    assert allowance.reason.kind is Kind.TARGET
    assert next_allowance(GROWTH, 0).messages_per_day == 0


COUNTS = (
    "allowance", "offered", "attempted", "delivered", "deferred", "blocked", "hard_bounced",
    "complaints", "human_opens",
)  # fmt: skip


@pytest.mark.parametrize("count", [*COUNTS, "deferred_rests", "blocked_rests"])
def test_a_negative_count_is_refused(count: str) -> None:
    counts = dict.fromkeys(COUNTS, 0)
    with pytest.raises(ValueError, match=f"{count} must not be negative, got -1"):
        Day(day=MONDAY, **{**counts, count: -1})


def test_more_outcomes_than_attempts_are_refused() -> None:
    with pytest.raises(ValueError, match="101 outcomes of 100 attempts"):
        Day(
            day=MONDAY, allowance=100, offered=100, attempted=100, delivered=60, deferred=41,
            blocked=0, hard_bounced=0, complaints=0, human_opens=0,
        )  # fmt: skip


def test_days_out_of_order_and_a_negative_target_are_refused() -> None:
    with pytest.raises(ValueError, match="2026-03-02 stands after 2026-03-03"):
        next_allowance([_on(1), _on(0)], TARGET)
    with pytest.raises(ValueError, match="stands after"):
        next_allowance([_on(0), _on(0)], TARGET)
    with pytest.raises(ValueError, match="target must not be negative, got -5"):
        next_allowance([], -5)
