"""A migration from the old provider, as data: the traffic that is to move, and the plan for it.

Providers are named as in `providers/directory.py`: by id, by the registrable domain of MX hosts
that nobody knows, or `OTHER` for all the rest. Days are UTC days. `planning.py` makes a plan of
traffic; `traffic_csv.py` reads traffic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

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
    when nothing is known of it.
    """

    stream: str
    provider: str
    messages_per_day: int
    target_per_day: int
    starts_on: date | None = None
    engaged: Engaged | None = None


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
