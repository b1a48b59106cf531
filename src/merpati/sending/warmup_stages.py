"""SparkPost's automatic warm-up: 29 stages with a daily volume; stage 30 means finished.

Pure. Until the warm-up controller takes over, a stage only limits what an IP sends in a UTC day.

Source: sparkpost-api 13.1, from SparkPost's "Automated IP Warmup".
"""

from __future__ import annotations

from merpati.sending.errors import WarmupStageRefused

FIRST_STAGE = 1
LAST_STAGE = 29
FINISHED = 30

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


def changed_stage(
    is_enabled: bool, current: int | None, wants_enabled: bool | None, wants_stage: int | None
) -> tuple[bool, int | None]:
    """Return (enabled, stage) after a request to change them; None in a request: leave as it is.

    Switched on for the first time, an IP begins at stage 1, later where it was; a finished one
    stays finished. Only the way back is open: a customer may slow a warm-up down, not skip stages.
    Raises WarmupStageRefused with SparkPost's texts.
    """
    enabled = is_enabled if wants_enabled is None else wants_enabled
    if wants_stage is None:
        return enabled, FIRST_STAGE if enabled and current is None else current
    if not enabled:
        raise WarmupStageRefused("auto_warmup_enabled must be true to update auto_warmup_stage")
    if not FIRST_STAGE <= wants_stage <= LAST_STAGE:
        raise WarmupStageRefused("auto_warmup_stage must be between 1 and 29")
    if current is None:
        # Never warmed up here: the IP counts as warm, so every stage is a step back.
        return True, wants_stage
    if wants_stage > current:
        raise WarmupStageRefused(f"auto_warmup_stage must be less than or equal to {current}")
    return True, wants_stage
