"""SparkPost's automatic warm-up: 29 stages with a daily volume; stage 30 means finished.

Volumes are per sending IP and day, over all providers. A stage only goes up; what a provider
refuses is not looked at. Kept for those who rely on SparkPost's way; `warmup.py` is ours.

Source: SparkPost, "Automated IP Warmup" (2020-02): table, advance at over 90 % delivered, switched
off after 10 days without a step, manual end below twice the stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from merpati.reputation.allowance import Allowance
from merpati.reputation.history import Day, checked, checked_target
from merpati.reputation.reason import Kind, Reason

FIRST_STAGE = 1
LAST_STAGE = 29
FINISHED = 30
_ADVANCE_ABOVE = 0.9  # delivered, as a share of the stage's volume
_STALLED_AFTER = timedelta(days=10)

_MESSAGES_PER_DAY = (
    200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 50_000, 75_000,
    100_000, 150_000, 200_000, 250_000, 325_000, 400_000, 500_000, 600_000, 750_000, 1_000_000,
    1_250_000, 1_750_000, 2_000_000, 3_000_000, 4_250_000,
    5_000_000, 6_000_000, 7_500_000, 10_000_000,
)  # fmt: skip


def messages_per_day(stage: int) -> int | None:
    """Return what an IP at this stage may send in a day; None when it has finished.

    Raises ValueError for a stage that does not exist.
    """
    if stage == FINISHED:
        return None
    if not FIRST_STAGE <= stage <= LAST_STAGE:
        raise ValueError(f"no warm-up stage {stage}: 1 to 29, or 30 for finished")
    return _MESSAGES_PER_DAY[stage - 1]


def stage_after(history: Sequence[Day], first: int = FIRST_STAGE) -> int:
    """Return the stage that follows these days: one up after each day that filled its stage."""
    stage = first
    for day in checked(history):
        volume = messages_per_day(stage)
        if volume is not None and day.delivered > _ADVANCE_ABOVE * volume:
            stage += 1
    return stage


def next_allowance(history: Sequence[Day], target: int) -> Allowance:
    """Return the volume of the stage that this history reached, at most the target.

    Raises ValueError as `merpati.reputation.warmup.next_allowance` does.
    """
    target = checked_target(target)
    stage = stage_after(history)
    volume = messages_per_day(stage)
    messages = target if volume is None else min(target, volume)
    return Allowance(messages, Reason(Kind.STAGE, {"stage": stage, "messages": messages}))


def is_stalled(
    history: Sequence[Day], has_engagement_age: bool = False, first: int = FIRST_STAGE
) -> bool:
    """Return whether SparkPost would switch this warm-up off: past stage 1, no step for ten days.

    An engagement age on the IP keeps it on. first: the stage at which the history begins.
    """
    stage = stage_after(history, first)
    if has_engagement_age or not FIRST_STAGE < stage < FINISHED:
        return False
    since = history[-1].day - _STALLED_AFTER
    earlier = [day for day in history if day.day <= since]
    return bool(earlier) and stage_after(earlier, first) == stage


def may_end(stage: int, expected_per_day: int) -> bool:
    """Return whether SparkPost advises that warm-up may be switched off by hand."""
    volume = messages_per_day(stage)
    return volume is None or expected_per_day < 2 * volume
