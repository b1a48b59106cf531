"""What plans keep, one file for each kind of plan."""

from merpati.plans.models.warmup import WarmupOverride, WarmupTarget

__all__ = ["WarmupOverride", "WarmupTarget"]
