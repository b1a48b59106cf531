"""What plans keep, one file for each kind of plan."""

from merpati.plans.models.migration import (
    Migration,
    MigrationCell,
    MigrationDay,
    MigrationState,
    MigrationStep,
)
from merpati.plans.models.warmup import WarmupOverride, WarmupTarget

__all__ = [
    "Migration",
    "MigrationCell",
    "MigrationDay",
    "MigrationState",
    "MigrationStep",
    "WarmupOverride",
    "WarmupTarget",
]
