"""What a day's answers say: clean, at the edge of what is tolerated, or blocked.

Some deferrals are every day's (greylisting, a busy server), so a day is at the edge only when it
has more of them than lately, and more than chance explains. The same test reads a day that is not
over yet. Who holds mail back after a refusal sees no more of them. So one such block is enough, and
one such deferral where next to nothing was taken; else the rest was all the answer it needed.

Source: SparkPost, "IP Warm-up Strategy Overview" (deferrals are normal while they shrink); Google,
"Email sender guidelines" (complaints below 0.1 %, never 0.3 %); Braze, "IP warming" (hold above
5 % bounces).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

from merpati.reputation.history import Day

EDGE_SHARE = 0.01  # of a day's attempts, deferred beyond the usual: the provider begins to resist
_CHANCE = 3.0  # standard deviations of the usual deferrals, and so many messages, may be chance
_USUAL_DAYS = 8
_USUAL_AT_FIRST = 0.01
_WEIGHT_OF_FIRST = 200  # attempts that this guess counts for
_MOST_USUAL = 0.1

BLOCK_SHARE = 0.01  # of a day's attempts: fewer, or a single one, are about a message, not about us
_FEWEST_BLOCKS = 2

_BARELY = 0.1  # accepted, as a share of attempted: the refusal stood before the day began

COMPLAINTS_TOO_MANY = 0.003
COMPLAINTS_MANY = 0.001
_FEWEST_COMPLAINTS = 3
BOUNCES_MANY = 0.05
_FEWEST_BOUNCES = 10


class Sign(Enum):
    """How a provider took a day's mail."""

    CLEAN = "clean"
    EDGE = "edge"
    BLOCKED = "blocked"


def sign_of(day: Day, before: Sequence[Day]) -> Sign:
    """Return how a day was taken, seen from the sent days before it."""
    if is_blocking(day):
        return Sign.BLOCKED
    unusual = unusual_deferrals(day, usual_deferral_share(before))
    is_closed = day.deferred_rests > 0 and was_closed(day)
    is_at_edge = is_closed or unusual > EDGE_SHARE * day.attempted
    return Sign.EDGE if is_at_edge else Sign.CLEAN


def signs_of(days: Sequence[Day]) -> list[Sign]:
    """Return how each of the sent days was taken."""
    return [
        sign_of(day, days[max(0, number - _USUAL_DAYS) : number]) for number, day in enumerate(days)
    ]


def usual_deferral_share(days: Sequence[Day]) -> float:
    """Return the share of attempts deferred for no fault of ours: that of the better half of days.

    The better half, since days at the edge would pass their deferrals off as usual.
    """
    recent = sorted(days[-_USUAL_DAYS:], key=lambda day: day.deferred / max(1, day.attempted))
    better = recent[: (len(recent) + 1) // 2]
    deferred = sum(day.deferred for day in better) + _USUAL_AT_FIRST * _WEIGHT_OF_FIRST
    return min(_MOST_USUAL, deferred / (sum(day.attempted for day in better) + _WEIGHT_OF_FIRST))


def unusual_deferrals(day: Day, usual_share: float) -> float:
    """Return how many deferrals neither custom nor chance explains; negative: fewer than that."""
    usual = usual_share * day.attempted
    return day.deferred - usual - _CHANCE * math.sqrt(usual) - _CHANCE


def is_blocking(day: Day) -> bool:
    """Return whether the provider blocks us, beyond a stray refusal."""
    return day.blocked_rests > 0 or day.blocked >= max(_FEWEST_BLOCKS, BLOCK_SHARE * day.attempted)


def was_closed(day: Day) -> bool:
    """Return whether a day's mail was refused from the start."""
    return day.accepted < _BARELY * max(1, day.attempted)


def complaint_share(day: Day, before: Sequence[Day]) -> float:
    """Return a day's complaints as a share of the mail they may be about; a few are none.

    A report comes a day late, so of today's and the last day's mail the larger counts.
    """
    if day.complaints < _FEWEST_COMPLAINTS:
        return 0.0
    mail = max(day.delivered, before[-1].delivered if before else 0)
    return day.complaints / max(1, mail)


def bounce_share(day: Day) -> float:
    """Return the share of a day's attempts that named unknown users; a few are none."""
    return day.hard_bounced / day.attempted if day.hard_bounced >= _FEWEST_BOUNCES else 0.0
