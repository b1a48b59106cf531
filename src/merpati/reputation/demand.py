"""What one pool has to send to one provider: the flows of its streams, added up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from merpati.providers.directory import Directory
from merpati.reputation.migration_plan import Engaged, Flow, Pool, Traffic

DAYS = 7  # of a week
_EVERYBODY = Engaged(1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Demand:
    """Messages of a busy day of one pool at one provider: by the old provider now, and in the end.

    engaged: None when nothing is known. most_growth: as in `providers.directory.Arrival`.
    weekdays: shares of a busy day's messages, Monday first; None: all are busy.
    """

    pool: Pool
    provider: str
    messages_per_day: int
    target_per_day: int
    engaged: Engaged | None
    most_growth: float | None
    weekdays: tuple[float, ...] | None = None

    def share_on(self, day: date) -> float:
        """Return what a day has of a busy day's messages, by its weekday."""
        return 1.0 if self.weekdays is None else self.weekdays[day.weekday()]

    def volume_on(self, day: date) -> int:
        """Return the messages of a day, by its weekday."""
        return round(self.messages_per_day * self.share_on(day))


def demands_of(traffic: Traffic, pools: Sequence[Pool], providers: Directory) -> list[Demand]:
    """Return what there is to send, pool by pool, its largest provider first."""
    demands = []
    for pool in pools:
        for provider in traffic.providers:
            flows = [
                flow
                for flow in traffic.flows
                if flow.provider == provider and flow.stream in pool.streams
            ]
            if flows:
                demands.append(_demand(pool, provider, flows, providers))
    return demands


def _demand(pool: Pool, provider: str, flows: Sequence[Flow], providers: Directory) -> Demand:
    known = providers.get(provider)
    return Demand(
        pool,
        provider,
        sum(flow.messages_per_day for flow in flows),
        sum(flow.target_per_day for flow in flows),
        _engaged(flows),
        known.arrival.most_growth if known and known.arrival else None,
        _weekdays(flows),
    )


def _weekdays(flows: Sequence[Flow]) -> tuple[float, ...] | None:
    if all(flow.weekdays is None for flow in flows):
        return None
    total = sum(flow.messages_per_day for flow in flows)
    each = [flow.weekdays or (flow.messages_per_day,) * DAYS for flow in flows]
    return tuple(sum(of_day) / total for of_day in zip(*each, strict=True))


def _engaged(flows: Sequence[Flow]) -> Engaged | None:
    """Return the mean of the flows; one of which nothing is known counts as engaged."""
    if all(flow.engaged is None for flow in flows):
        return None
    total = sum(flow.messages_per_day for flow in flows)

    def mean(within: Callable[[Engaged], float]) -> float:
        return sum(within(f.engaged or _EVERYBODY) * f.messages_per_day for f in flows) / total

    return Engaged(
        mean(lambda engaged: engaged.within_7),
        mean(lambda engaged: engaged.within_30),
        mean(lambda engaged: engaged.within_60),
        mean(lambda engaged: engaged.within_90),
    )
