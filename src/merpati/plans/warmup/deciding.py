"""The decisions of warm-up: a day's level, and the pace within it. Pure, so a rehearsal plays them.

A person's number for a day goes before the controller's; on the day it was given it also goes
before what the controller would do about refusals, for that person has seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.reputation.allowance import Allowance, Pace
from merpati.reputation.history import Day
from merpati.reputation.reason import Kind, Reason
from merpati.reputation.warmup import during_day, next_allowance

# Nothing to tell the engine: it spreads evenly and counts to the end by itself.
_BY_ITSELF = frozenset((Kind.EVEN, Kind.SPENT))


@dataclass(frozen=True, slots=True)
class Overridden:
    """A person's number for a day; is_of_today: given on that very day."""

    messages: int
    is_of_today: bool


def level_for(
    history: Sequence[Day], target: int, overridden: Overridden | None = None
) -> Allowance:
    """Return what may be sent on the day after a history (`ending_before` that day), and why."""
    if overridden is not None:
        messages = overridden.messages
        return Allowance(messages, Reason(Kind.OVERRIDDEN, {"messages": messages}))
    return next_allowance(history, target)


def pace_for(
    history: Sequence[Day], today_so_far: Day, overridden: Overridden | None = None
) -> Pace | None:
    """Return how fast the rest of the day may go; None: evenly, to the end of the allowance."""
    if overridden is not None and overridden.is_of_today:
        return None
    pace = during_day(history, today_so_far)
    return None if pace.reason.kind in _BY_ITSELF else pace
