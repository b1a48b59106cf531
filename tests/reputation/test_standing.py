from __future__ import annotations

import math
from datetime import timedelta

import pytest

from merpati.reputation.history import Day
from merpati.reputation.standing import FIRST_BELIEF, Standing, standing_after
from tests.reputation.days import MONDAY, clean_day, clean_days, day

GROWTH = clean_days(160, 320, 700, 1_500, 3_000)
SATURDAY = MONDAY + timedelta(len(GROWTH))


def _after(*more: Day) -> Standing:
    return standing_after([*GROWTH, *more])[0]


def _tolerance(*more: Day) -> float:
    return _after(*more).belief.tolerance


def test_at_first_the_belief_spans_what_strangers_are_given() -> None:
    assert FIRST_BELIEF.quantile(-1.65) < 60
    assert FIRST_BELIEF.quantile(1.65) > 1_800


def test_clean_days_raise_the_belief_and_an_edge_measures_it() -> None:
    clean = _after(clean_day(SATURDAY, 6_000))
    edge = _after(day(SATURDAY, attempted=6_000, deferred=600))
    assert clean.belief.tolerance > 6_000
    assert edge.belief.tolerance < clean.belief.tolerance
    assert edge.belief.level_variance < clean.belief.level_variance / 2
    assert edge.proven < 5_400 <= clean.proven


def test_two_edges_give_the_growth() -> None:
    def growth(factor: float) -> float:
        volumes = [round(1_000 * factor**number) for number in range(6)]
        days = [
            day(MONDAY + timedelta(number), attempted=volume, deferred=volume // 10)
            for number, volume in enumerate(volumes)
        ]
        return math.exp(standing_after(days)[0].belief.growth)

    assert growth(1.2) < growth(1.5) < growth(2.0)


def test_a_fall_makes_cautious_and_caution_fades() -> None:
    fallen = day(SATURDAY, attempted=900, deferred=600, allowance=6_000)
    assert _after(fallen).caution > 0.5
    calm = [clean_day(SATURDAY + timedelta(number), 500) for number in range(1, 6)]
    assert 0 < _after(fallen, *calm).caution < 0.4 * _after(fallen).caution


def test_too_many_complaints_cost_tolerance_and_make_cautious() -> None:
    many, too_many = (day(SATURDAY, attempted=6_000, complaints=count) for count in (10, 25))
    assert _tolerance(too_many) < 0.8 * _tolerance(many)
    assert _after(too_many).caution > _after(many).caution == 0


def test_a_block_costs_tolerance() -> None:
    """Half-way between what was taken and what was deferred, less what a block costs."""
    blocked = day(SATURDAY, attempted=6_000, deferred=1_000, blocked=2_000)
    assert _tolerance(blocked) < 3_500
    assert _after(blocked).closed_days == 1


def test_a_block_that_lasts_costs_once() -> None:
    blocked = day(SATURDAY, attempted=6_000, blocked=3_000)
    lasts = [day(SATURDAY + timedelta(n), attempted=100, blocked=100) for n in (1, 2, 3)]
    assert _after(blocked, *lasts).closed_days == 4
    assert _tolerance(blocked, *lasts) == pytest.approx(_tolerance(blocked))
    ends = day(SATURDAY + timedelta(4), attempted=100, blocked=30)
    assert _after(blocked, *lasts, ends).closed_days == 0


def test_a_block_that_stood_at_dawn_answers_the_day_before() -> None:
    late = [
        clean_day(SATURDAY, 7_000),
        day(SATURDAY + timedelta(1), attempted=9_000, blocked=9_000),
    ]
    assert _tolerance(*late) < 0.75 * _tolerance(late[0])


def test_idle_days_add_doubt() -> None:
    soon, later = (_after(clean_day(SATURDAY + timedelta(gap), 100)) for gap in (0, 9))
    assert later.belief.level_variance > soon.belief.level_variance + 0.05
