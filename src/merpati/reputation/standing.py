"""Where we stand with a provider after a history: the belief, and what caution recent days advise.

Each rule here is one sentence of the explanation in docs/explanation/warm-up.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from merpati.reputation.belief import Belief
from merpati.reputation.history import Day
from merpati.reputation.signs import (
    COMPLAINTS_TOO_MANY,
    Sign,
    complaint_share,
    signs_of,
    was_closed,
)

# A stranger is given 50 to 2,000 messages a day, and 1.15 to 2.5 times as much each day.
FIRST_BELIEF = Belief(level=5.7, growth=0.5, level_variance=1.1**2, growth_variance=0.22**2)
_LEAST_GROWTH, _MOST_GROWTH = 0.03, 1.0  # logarithms: 1.03 and 2.7 a day

# How sure a day's evidence is, and how much doubt a day adds (standard deviations, logarithmic).
_CLEAN_ERROR = 0.2
_EDGE_ERROR = 0.15
_BLOCK_ERROR = 0.3
_LATE_ERROR = 0.5
_LEVEL_DRIFT = 0.1
_GROWTH_DRIFT = 0.02
_DAY_IDLE_VARIANCE = 0.01

_USE_THAT_EARNS = 0.8  # a day that uses this share of the tolerance earns the whole growth
_EDGE_EARNS = 0.6  # a day at the edge earns less
_BLOCK_COST, _BLOCK_COST_VARIANCE = 0.35, 0.1  # a block leaves about 70 % of the tolerance
_COMPLAINT_COST, _COMPLAINT_COST_VARIANCE = 0.3, 0.05
_STILL = 0.5  # accepted less than this share: the block still stands

# Caution is counted in standard deviations that the next allowance stays below its usual place.
_CAUTION_AFTER_BLOCK = 1.0
_CAUTION_AFTER_FALL = 0.7
_CAUTION_AFTER_COMPLAINTS = 0.3
_CAUTION_KEPT = 0.8  # from day to day
_FALL = 2.5  # standard deviations below the belief: tolerance has fallen
_KEPT_AT_EDGE = 0.8  # of what the edge let through is proven


@dataclass(frozen=True, slots=True)
class Standing:
    """What a history amounts to.

    proven: messages a day known to go through; 0 after a block. closed_days: sent days in a row on
    which the provider took next to nothing.
    """

    belief: Belief = FIRST_BELIEF
    caution: float = 0.0
    proven: float = 0.0
    closed_days: int = 0


def standing_after(days: Sequence[Day]) -> tuple[Standing, list[Sign]]:
    """Return where the sent days of a history leave us, and how each of them was taken."""
    signs = signs_of(days)
    standing = Standing()
    for number, (day, sign) in enumerate(zip(days, signs, strict=True)):
        before = days[:number]
        if before:
            standing = _idle(standing, (day.day - before[-1].day).days - 1)
        match sign:
            case Sign.CLEAN:
                standing = _after_clean(standing, day)
            case Sign.EDGE:
                standing = _after_edge(standing, day, before)
            case Sign.BLOCKED if before and signs[number - 1] is Sign.BLOCKED:
                standing = _still_blocked(standing, day)
            case Sign.BLOCKED:
                standing = _after_block(standing, day, before)
        if complaint_share(day, before) >= COMPLAINTS_TOO_MANY:
            standing = _after_complaints(standing)
    return standing, signs


def _idle(standing: Standing, days: int) -> Standing:
    """A day without mail makes us less sure, and lets caution fade like any other."""
    return replace(
        standing,
        belief=standing.belief.shifted(0.0, days * _DAY_IDLE_VARIANCE),
        caution=standing.caution * _CAUTION_KEPT,
    )


def _after_clean(standing: Standing, day: Day) -> Standing:
    """The tolerance lies above what went through; a well-used day earns growth."""
    belief = standing.belief.above(max(1, day.accepted), _CLEAN_ERROR)
    return replace(
        standing,
        belief=_grown(belief, day, 1.0),
        proven=max(standing.proven, day.accepted),
        closed_days=0,
    )


def _after_edge(standing: Standing, day: Day, before: Sequence[Day]) -> Standing:
    """What went through is the tolerance.

    Mail that was held back from the first refusal of the day on says as little as a block that
    stood when it began.
    """
    taken, error = max(1, day.accepted), _EDGE_ERROR
    if day.deferred_rests and was_closed(day):
        if not before:
            return replace(standing, caution=standing.caution + _CAUTION_AFTER_FALL)
        taken, error = max(1, before[-1].accepted), _LATE_ERROR
    has_fallen = taken < standing.belief.quantile(-_FALL)
    belief = standing.belief.measured(taken, error)
    return Standing(
        belief=_grown(belief, day, _EDGE_EARNS),
        caution=standing.caution + (_CAUTION_AFTER_FALL if has_fallen else 0.0),
        proven=_KEPT_AT_EDGE * day.accepted,
    )


def _after_block(standing: Standing, day: Day, before: Sequence[Day]) -> Standing:
    """A block shows where the tolerance was, and costs some of it.

    A block that stood when the day began answers the mail of the day before; if there was none, it
    says nothing of how much is tolerated.
    """
    if was_closed(day):
        if not before:
            return replace(standing, caution=standing.caution + _CAUTION_AFTER_BLOCK, closed_days=1)
        belief = standing.belief.measured(max(1, before[-1].accepted), _LATE_ERROR)
    else:
        # Deferrals before the block were above the tolerance, the accepted below: half-way.
        belief = standing.belief.measured(max(1, day.accepted + day.deferred / 2), _BLOCK_ERROR)
    return Standing(
        belief=belief.shifted(-_BLOCK_COST, _BLOCK_COST_VARIANCE),
        caution=standing.caution + _CAUTION_AFTER_BLOCK,
        closed_days=1,
    )


def _still_blocked(standing: Standing, day: Day) -> Standing:
    """A block that lasts says nothing new; one that ends within the day opens the way back."""
    is_open = day.accepted >= _STILL * max(1, day.attempted)
    return replace(standing, proven=0.0, closed_days=0 if is_open else standing.closed_days + 1)


def _after_complaints(standing: Standing) -> Standing:
    return replace(
        standing,
        belief=standing.belief.shifted(-_COMPLAINT_COST, _COMPLAINT_COST_VARIANCE),
        caution=standing.caution + _CAUTION_AFTER_COMPLAINTS,
    )


def _grown(belief: Belief, day: Day, share: float) -> Belief:
    """The belief on the next day, growth being earned by using what is tolerated."""
    use = min(1.0, day.accepted / belief.tolerance / _USE_THAT_EARNS)
    later = belief.after_a_day(share * use, _LEVEL_DRIFT**2, use * _GROWTH_DRIFT**2)
    return later.with_growth_between(_LEAST_GROWTH, _MOST_GROWTH)
