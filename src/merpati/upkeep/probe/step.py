"""One step of a probe: what was found, how long it took, what it means, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from merpati.upkeep.doctor.finding import Level


@dataclass(frozen=True, slots=True)
class Step:
    """name: "mx", "banner", "starttls" …; meaning and remedy: "" where there is nothing to say.

    Texts may quote other hosts: escape them where they are shown.
    """

    level: Level
    name: str
    text: str
    meaning: str = ""
    remedy: str = ""
    seconds: float = 0.0
