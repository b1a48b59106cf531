"""A migration from the old provider, as data: the traffic that is to move, and the plan for it.

Providers are named as in `providers/directory.py`: by id, by the registrable domain of MX hosts
that nobody knows, or `OTHER` for all the rest. Days are UTC days. `planning.py` makes a plan of
traffic; `traffic_csv.py` reads traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

OTHER = "other"  # every provider that has no line of its own
MOST_IPS = 6  # mission clause C1
WHOLE = 10_000  # a share of one, as the policy counts it


@dataclass(frozen=True, slots=True)
class Engaged:
    """Which share of a flow's recipients opened or clicked within so many days, 0 to 1 each."""

    within_7: float
    within_30: float
    within_60: float
    within_90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One stream's mail to one provider.

    messages_per_day: on a busy day now, by the old provider; target_per_day: in the end, never
    less. starts_on: the first day on which some of it comes here; None: the plan's. engaged: None
    when nothing is known of it. weekdays: messages now on each, Monday first; None: all are busy.
    """

    stream: str
    provider: str
    messages_per_day: int
    target_per_day: int
    starts_on: date | None = None
    engaged: Engaged | None = None
    weekdays: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """All mail of a migration: each stream and provider once."""

    flows: tuple[Flow, ...]

    @property
    def streams(self) -> list[str]:
        """Return the streams, largest first."""
        return _by_volume((flow.stream, flow.target_per_day) for flow in self.flows)

    @property
    def providers(self) -> list[str]:
        """Return the providers, largest first."""
        return _by_volume((flow.provider, flow.target_per_day) for flow in self.flows)

    @property
    def target_per_day(self) -> int:
        """Return the messages of a busy day in the end, all flows together."""
        return sum(flow.target_per_day for flow in self.flows)


def _by_volume(volumes: Iterable[tuple[str, int]]) -> list[str]:
    totals: dict[str, int] = {}
    for name, volume in volumes:
        totals[name] = totals.get(name, 0) + volume
    return sorted(totals, key=lambda name: (-totals[name], name))


@dataclass(frozen=True, slots=True)
class Pool:
    """An IP pool of the plan, the streams that go by it and how many sending IPs it has."""

    name: str
    streams: tuple[str, ...]
    ips: int
    starts_on: date


@dataclass(frozen=True, slots=True)
class Range:
    """When something is done: nine in ten simulated runs are later than `early`, one in ten than
    `late`. None: not within the days that were simulated.
    """

    early: date | None
    likely: date | None
    late: date | None


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """One day of one pool at one provider: messages here, in the likely run and in 8 of 10.

    share: of WHOLE recipients who have moved, in the likely run; the rest goes the old way.
    volume: all messages of such a weekday, as of now.
    """

    day: date
    volume: int
    share: int
    ours: int
    ours_low: int
    ours_high: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One pool at one provider, day by day from the plan's first day. Volumes: of a busy day."""

    pool: str
    provider: str
    messages_per_day: int
    target_per_day: int
    days: tuple[PlannedDay, ...]
    done: Range


class StepKind(Enum):
    """What has to be done by hand. Each has its sentence in `plan_words.toml`."""

    OLD_PROVIDER = "old_provider"
    POOL = "pool"  # pool, ips
    PTR = "ptr"
    SPF_DKIM = "spf_dkim"
    SUPPRESSIONS = "suppressions"
    ENGAGEMENT = "engagement"
    REGISTER = "register"  # provider, where
    FEEDBACK_LOOP = "feedback_loop"  # provider, where
    KEEP_OLD = "keep_old"  # days


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do by hand, and until when. about: the pool or the provider's id, or ""."""

    kind: StepKind
    due_on: date
    facts: Mapping[str, int | str]
    about: str = ""

    @property
    def key(self) -> str:
        """Return what names the step in its plan, however often that is made anew."""
        return f"{self.kind.value}:{self.about}" if self.about else self.kind.value


class Note(Enum):
    """What whoever reads the plan should know of it."""

    LITTLE_MAIL = "little_mail"  # too little to keep an IP warm
    NO_ENGAGEMENT = "no_engagement"
    NO_IPS = "no_ips"  # a pool has no sending IP yet
    NOT_WITHIN = "not_within"  # some provider is not done within the days simulated


class Word(Enum):
    """What else a plan says."""

    POOL_STARTS = "pool_starts"  # pool
    HALF_MOVED = "half_moved"
    MOST_MOVED = "most_moved"
    WHOLE_MOVED = "whole_moved"
    BEYOND = "beyond"
    RANGE = "range"  # early, likely, late


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """Day by day from the old provider to here.

    half, most, whole: when half, nine tenths and all of today's mail are sent from here.
    """

    starts_on: date
    pools: tuple[Pool, ...]
    cells: tuple[Cell, ...]
    half: Range
    most: Range
    whole: Range
    steps: tuple[Step, ...]
    notes: tuple[Note, ...]
