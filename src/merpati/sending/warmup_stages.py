"""How a customer may change the warm-up stage of a sending IP, as SparkPost's API has it.

Pure. The stages themselves are in `reputation/sparkpost_stages.py`.

Source: sparkpost-api 13.1, from SparkPost's "Automated IP Warmup".
"""

from __future__ import annotations

from merpati.reputation.sparkpost_stages import FIRST_STAGE, LAST_STAGE
from merpati.sending.errors import WarmupStageRefused


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
