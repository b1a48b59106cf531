"""The desk's hours: whether a person has confirmed the bank holidays that its clocks count with."""

from __future__ import annotations

from merpati.upkeep.doctor.finding import Finding, ok, warn
from merpati.upkeep.doctor.scene import Scene

HOLIDAYS = "hours.holidays"


async def check(scene: Scene) -> list[Finding]:
    """Name each zone in use and year that is not confirmed."""
    if not scene.unconfirmed:
        return [ok(HOLIDAYS, "", "every zone in use has its bank holidays confirmed")]
    return [
        warn(
            HOLIDAYS,
            f"{zone} {year}",
            "bank holidays are proposed, not confirmed",
            f"merpati hours holidays propose --zone {zone} --year {year}, then confirm",
        )
        for zone, year in scene.unconfirmed
    ]
