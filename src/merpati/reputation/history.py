"""What one sending IP sent to one mailbox provider, day by day: all that warm-up knows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

_COUNTS = (
    "allowance", "offered", "attempted", "delivered", "deferred", "blocked", "hard_bounced",
    "complaints", "human_opens", "deferred_rests", "blocked_rests",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's counts. Raises ValueError on numbers that are negative or contradict each other.

    offered: messages that wanted this IP; attempted: reached MAIL FROM, retries counted again, so
    it may exceed offered; deferred, blocked, hard_bounced: attempts that ended so (blocked: a
    refusal that blames our IP, domain or content); complaints, human_opens: by day of the report,
    which may be later than the mail's. deferred_rests, blocked_rests: refusals, for now or for
    good, after which the sender held mail back, so that each stands for all that was not tried; one
    that answered the greeting is no attempt, so there may be more of them than attempts.
    """

    day: date
    allowance: int
    offered: int
    attempted: int
    delivered: int
    deferred: int
    blocked: int
    hard_bounced: int
    complaints: int
    human_opens: int
    deferred_rests: int = 0
    blocked_rests: int = 0

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if (count := getattr(self, name)) < 0:
                raise ValueError(f"{self.day}: {name} must not be negative, got {count}")
        ended = self.accepted + self.refused
        if ended > self.attempted:
            raise ValueError(f"{self.day}: {ended} outcomes of {self.attempted} attempts")

    @property
    def was_sent(self) -> bool:
        """Return whether anything was sent, or refused before it could be."""
        return bool(self.attempted or self.rests)

    @property
    def refused(self) -> int:
        """Return the attempts that the provider turned away for our sake, for now or for good."""
        return self.deferred + self.blocked

    @property
    def rests(self) -> int:
        """Return the refusals after which mail was held back."""
        return self.deferred_rests + self.blocked_rests

    @property
    def refused_share(self) -> float:
        """Return the share of attempts that were refused; all, where none got past the greeting."""
        return self.refused / self.attempted if self.attempted else 1.0

    @property
    def accepted(self) -> int:
        """Return the attempts that our reputation let through; unknown users are no fault of it."""
        return self.delivered + self.hard_bounced


def checked(history: Sequence[Day]) -> Sequence[Day]:
    """Return the history. Raises ValueError unless its days follow each other, each once."""
    for before, after in itertools.pairwise(history):
        if after.day <= before.day:
            raise ValueError(f"history: {after.day} stands after {before.day}")
    return history


def sent(days: Sequence[Day]) -> list[Day]:
    """Return the days on which something was sent, or refused at once: only they count."""
    return [day for day in days if day.was_sent]


def checked_target(target: int) -> int:
    """Return a target in messages a day. Raises ValueError when it is negative."""
    if target < 0:
        raise ValueError(f"target must not be negative, got {target}")
    return target
