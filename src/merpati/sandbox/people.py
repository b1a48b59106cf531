"""What people and programs do with mail that a provider took: open, click, complain, scan. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from merpati.sandbox.providers_file import PlayedProvider


@dataclass(frozen=True, slots=True)
class Reaction:
    """What becomes of one mail. complains_after: seconds, None: nobody complains."""

    is_scanned: bool
    is_opened: bool
    is_clicked: bool
    complains_after: float | None


def reaction(provider: PlayedProvider, random: Random) -> Reaction:
    """Draw what a recipient does; who clicks has opened, and who complains does neither."""
    is_scanned = random.random() < provider.scanner_share
    chance = random.random()
    if chance < provider.complaint_share:
        mean = provider.complaint_hours * 3_600
        after = random.expovariate(1 / mean) if mean else 0.0
        return Reaction(is_scanned, is_opened=False, is_clicked=False, complains_after=after)
    is_clicked = random.random() < provider.click_share
    is_opened = is_clicked or random.random() < provider.open_share
    return Reaction(is_scanned, is_opened, is_clicked, None)
