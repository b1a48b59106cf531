"""How one day's mail is split between the old provider and us: the rule of plan and daily step.

A recipient who has moved stays moved, so a share only rises. Who engaged lately moves first: for
six weeks an IP that warms up takes only mail to recipients who opened or clicked not long ago.

Source: SparkPost, "IP Warm-up Strategy Overview" (30 days for two weeks, 60 for the next two, never
beyond 90 in the first six).
"""

from __future__ import annotations

from merpati.reputation.migration_plan import WHOLE, Engaged

_STAGES = ((14, 30), (28, 60), (42, 90))  # up to that day of the pool: engaged within so many days
_LOOK_AHEAD = 5  # days; a share that fits then as well need not spill over when more are let in


def engaged_within(number: int) -> int | None:
    """Return how lately a recipient must have engaged on a pool's n-th day; None: whenever."""
    return next((within for last, within in _STAGES if number <= last), None)


def engaged_share(engaged: Engaged | None, number: int) -> float:
    """Return the share of recipients who may be written to from here on a pool's n-th day."""
    within = engaged_within(number)
    if engaged is None or within is None:
        return 1.0
    return {30: engaged.within_30, 60: engaged.within_60, 90: engaged.within_90}[within]


def share_after(
    before: int, allowance: float, messages_per_day: int, engaged: Engaged | None, number: int
) -> int:
    """Return the share, of WHOLE, for a pool's n-th day: what the allowance bears, never less.

    before: the day before's; allowance: messages that may go from here, by all IPs of the pool;
    messages_per_day: what there is to send to that provider.
    """
    eligible = messages_per_day * engaged_share(engaged, number + _LOOK_AHEAD)
    borne = WHOLE if eligible <= allowance else int(WHOLE * allowance / eligible)
    return max(before, borne)


def without_leap(allowance: float, most_before: float, most_growth: float | None) -> float:
    """Return an allowance that grows no faster than the provider tells senders to grow.

    most_before: the most that went on a day so far, 0 on the first. Source: Google, "Email sender
    guidelines" (a volume that doubles at once may be limited).
    """
    if most_growth is None or not most_before:
        return allowance
    return min(allowance, most_growth * most_before)
