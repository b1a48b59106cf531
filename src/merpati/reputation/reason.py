"""Why an allowance or a pace is what it is: a kind and its facts, as data.

The words are in `reason_words.toml`, in each language; the kind's comment names its facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What decided. Each kind has its sentence in every language."""

    # Of a day's allowance. All have: messages.
    FIRST_DAY = "first_day"
    RESTARTED = "restarted"  # idle_days
    GROWING = "growing"  # before, tolerated (believed, messages a day)
    FEELING = "feeling"  # before, tolerated: above it, to learn where the edge is
    HOLDING = "holding"  # tolerated
    STEPPED_BACK = "stepped_back"  # deferred, attempted, accepted: of the last day
    RECOVERING = "recovering"  # tolerated
    BLOCKED = "blocked"  # blocked, attempted: of the last day
    AT_GREETING = "at_greeting"  # rests: refusals of the last day, before any attempt
    COMPLAINTS = "complaints"  # complaints
    BOUNCES = "bounces"  # hard_bounced, attempted
    TOO_FEW = "too_few"  # attempted, allowance: of the last day
    AFTER_GAP = "after_gap"
    TARGET = "target"
    STAGE = "stage"  # stage
    OVERRIDDEN = "overridden"  # by a person, whose reason stands beside it

    # Of a pace within the day.
    EVEN = "even"  # messages_per_hour
    SLOWED = "slowed"  # messages_per_hour, deferred, attempted
    SLOWED_BY_COMPLAINTS = "slowed_by_complaints"  # messages_per_hour, complaints
    STOPPED = "stopped"  # deferred, attempted
    STOPPED_BY_BLOCK = "stopped_by_block"  # blocked, attempted
    STOPPED_AT_GREETING = "stopped_at_greeting"  # rests
    SPENT = "spent"  # attempted


@dataclass(frozen=True, slots=True)
class Reason:
    """One decision's reason. facts: whole numbers by the names that the kind's sentence uses."""

    kind: Kind
    facts: Mapping[str, int]
