"""Warm-up: how much a sending IP may send to a mailbox provider, found from what it answered.

Pure and without state: the history is all that is known, and the same history gives the same
answer. Nobody says what a provider tolerates; it shows only where it begins to defer. So the
tolerance and its growth are inferred, each with its doubt (`standing.py`), and the allowance is the
place in that doubt where one more message gains as much as it risks.

Why so, how well it does and where it fails: docs/explanation/warm-up.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from merpati.reputation.allowance import Allowance, Pace
from merpati.reputation.history import Day, checked, checked_target, sent
from merpati.reputation.pace import during_day
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.signs import (
    BOUNCES_MANY,
    COMPLAINTS_MANY,
    Sign,
    bounce_share,
    complaint_share,
)
from merpati.reputation.standing import FIRST_BELIEF, Standing, standing_after

__all__ = ["Allowance", "Day", "Pace", "Reason", "during_day", "next_allowance"]

RESTART_AFTER = timedelta(days=30)  # idle; providers remember about so long
_FIRST = -0.5  # standard deviations: two in three providers tolerate more than the first day's

# Where in the doubt the allowance lies, in standard deviations from the median.
_WHEN_LITTLE_IS_AT_STAKE = 0.3
_WHEN_ALL_IS_AT_STAKE = -0.8
_STAKE_POWER = 0.3  # the stake rises early: a tenth of the target is already half of it
# What trouble costs is the share refused on days that had it; each such share costs as much again.
_COST_AT_FIRST = 0.1
_CHEAP, _DEVIATIONS_PER_CHEAP = 0.02, 0.1
_TROUBLES, _COST_DAYS = 3, 14  # the last three of two weeks

_CHANCE_OF_A_DAY = 0.1  # tolerance differs from day to day by this much anyhow
_MOST_DOUBT = 0.4  # once it is known roughly: doubt alone must not hold us down
_ROUGHLY_KNOWN_AFTER = 3  # sent days
_MOST_STEP = 2.5  # times the most accepted on a day of the last week
_STEP_DAYS = 7
_CREEP = 0.5  # of the growth believed in: so much at least, after a clean day
_WELL_USED = 0.5  # of the allowance: a day that says something about it
_PROBE, _LEAST_PROBE = 0.1, 20  # of the tolerance; messages

_CLEARLY_REFUSED = 0.05  # of the attempts: the next day steps back, whatever growth it may bring

_FEWEST_ATTEMPTS = 20
_TOO_SMALL_A_SHARE = 0.1  # of the allowance
_GAP = 2  # idle days that are more than a free day


def next_allowance(history: Sequence[Day], target: int) -> Allowance:
    """Return what may be sent on the day after the history, and why.

    history: days in order; a day left out, or without attempts, is a day not sent. End it with
    empty days if nothing was sent lately. target: messages a day that are wanted in the end.
    Raises ValueError on a negative target and on days that do not follow each other; `Day` itself
    refuses negative and contradictory numbers.
    """
    target = checked_target(target)
    days = sent(_remembered(checked(history)))
    if not days:
        return _first(history, target)
    standing, signs = standing_after(days)
    wanted = _wanted(standing, days, signs, target)
    held = _held(standing, history, days, signs)
    if held is not None and wanted >= days[-1].allowance:
        messages = _whole(days[-1].allowance, target)
        kind, facts = held
    else:
        messages = _whole(wanted, target)
        kind, facts = _explained(messages, standing, days[-1], signs[-1], target)
    return Allowance(messages, Reason(kind, {"messages": messages, **facts}))


def _remembered(history: Sequence[Day]) -> Sequence[Day]:
    """Return what came after the last idle time that made the provider forget us."""
    start, last_sent = 0, None
    for number, day in enumerate(history):
        if last_sent is not None and day.day - last_sent > RESTART_AFTER:
            start, last_sent = number, None
        if day.was_sent:
            last_sent = day.day
    return history[start:]


def _first(history: Sequence[Day], target: int) -> Allowance:
    messages = _whole(FIRST_BELIEF.quantile(_FIRST), target)
    days = sent(history)
    if not days:
        return Allowance(messages, Reason(Kind.FIRST_DAY, {"messages": messages}))
    idle = (history[-1].day - days[-1].day).days
    return Allowance(messages, Reason(Kind.RESTARTED, {"messages": messages, "idle_days": idle}))


def _wanted(standing: Standing, days: Sequence[Day], signs: Sequence[Sign], target: int) -> float:
    """Return where one more message gains as much as it risks, within a bounded step."""
    belief, last = standing.belief, days[-1]
    if standing.closed_days:
        return max(_LEAST_PROBE, _PROBE * belief.tolerance)
    doubt = math.hypot(math.sqrt(belief.level_variance), _CHANCE_OF_A_DAY)
    if len(days) > _ROUGHLY_KNOWN_AFTER:
        doubt = min(doubt, _MOST_DOUBT)
    boldness = _boldness(belief.tolerance / target if target else 1.0, days, signs)
    wanted = math.exp(belief.level + (boldness - standing.caution) * doubt)
    if signs[-1] is Sign.CLEAN and last.accepted >= _WELL_USED * last.allowance:
        crept = math.exp(_CREEP * belief.growth / (1 + standing.caution))
        wanted = max(wanted, standing.proven * crept)
    else:
        wanted = max(wanted, standing.proven)
    if last.refused_share > _CLEARLY_REFUSED:
        wanted = min(wanted, last.accepted)
    most = max(day.accepted for day in days[-_STEP_DAYS:])
    # Fewer than a probe would teach nothing, and hold the level for ever.
    return max(_LEAST_PROBE, min(wanted, _MOST_STEP * max(_LEAST_PROBE, most)))


def _boldness(share_of_target: float, days: Sequence[Day], signs: Sequence[Sign]) -> float:
    """Return how many standard deviations above the median the allowance should lie.

    Early, an edge found costs few messages and teaches for the whole way; late, each step is most
    of the mail. And where trouble turned out to cost little, more of it is worth its price.
    """
    stake: float = min(1.0, share_of_target) ** _STAKE_POWER
    place = _WHEN_LITTLE_IS_AT_STAKE * (1 - stake) + _WHEN_ALL_IS_AT_STAKE * stake
    recent = list(zip(days, signs, strict=True))[-_COST_DAYS:]
    costs = [day.refused_share for day, sign in recent if sign is not Sign.CLEAN]
    costs = [_COST_AT_FIRST, *costs[-_TROUBLES:]]
    return place - _DEVIATIONS_PER_CHEAP * (sum(costs) / len(costs) / _CHEAP - 1)


def _held(
    standing: Standing, history: Sequence[Day], days: Sequence[Day], signs: Sequence[Sign]
) -> tuple[Kind, dict[str, int]] | None:
    """Return why the last allowance must not be passed, whatever is believed; None: it may."""
    last = days[-1]
    if complaint_share(last, days[:-1]) >= COMPLAINTS_MANY:
        return Kind.COMPLAINTS, {"complaints": last.complaints}
    if bounce_share(last) >= BOUNCES_MANY:
        return Kind.BOUNCES, {"hard_bounced": last.hard_bounced, "attempted": last.attempted}
    if signs[-1] is not Sign.CLEAN or standing.closed_days:
        return None
    enough = max(_FEWEST_ATTEMPTS, _TOO_SMALL_A_SHARE * last.allowance)
    if last.attempted < min(last.allowance, enough):
        return Kind.TOO_FEW, {"attempted": last.attempted, "allowance": last.allowance}
    return (Kind.AFTER_GAP, {}) if _repeats(history, days) else None


def _repeats(history: Sequence[Day], days: Sequence[Day]) -> bool:
    """Return whether a gap asks for the last level again: once for each gap.

    A gap at the end may have been left out when the last day was decided. Who sends every week
    repeats nothing: to that provider the gap is the rhythm.
    """
    now = (history[-1].day - days[-1].day).days >= _GAP
    earlier = len(days) > 1 and (days[-1].day - days[-2].day).days > _GAP
    went_up = len(days) > 1 and days[-1].allowance > days[-2].allowance
    return now != earlier and (now or went_up)


def _explained(
    messages: int, standing: Standing, last: Day, sign: Sign, target: int
) -> tuple[Kind, dict[str, int]]:
    """Return in what words an allowance that follows from the belief is explained."""
    tolerated = round(standing.belief.tolerance)
    if standing.closed_days:
        return _refused(Kind.BLOCKED, last)
    if messages == target:
        return Kind.TARGET, {}
    if sign is Sign.EDGE and messages <= last.allowance:
        return _refused(Kind.STEPPED_BACK, last)
    if standing.caution > _CHANCE_OF_A_DAY:
        return Kind.RECOVERING, {"tolerated": tolerated}
    if messages <= last.allowance:
        return Kind.HOLDING, {"tolerated": tolerated}
    kind = Kind.FEELING if messages > tolerated else Kind.GROWING
    return kind, {"before": last.allowance, "tolerated": tolerated}


def _refused(kind: Kind, last: Day) -> tuple[Kind, dict[str, int]]:
    """Return how the last day's refusals are told: of attempts, or of the greeting alone."""
    if not last.refused:
        return Kind.AT_GREETING, {"rests": last.rests}
    facts = {"attempted": last.attempted}
    if kind is Kind.BLOCKED:
        return kind, {**facts, "blocked": last.blocked}
    return kind, {**facts, "deferred": last.deferred, "accepted": last.accepted}


def _whole(messages: float, target: int) -> int:
    """Return whole messages, at least one and never more than the target."""
    return min(target, max(1, int(messages)))
