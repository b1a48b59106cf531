"""What one pool has to send to one provider: the flows of its streams, added up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merpati.providers.directory import Directory
from merpati.reputation.migration_plan import Engaged, Flow, Pool, Traffic

_EVERYBODY = Engaged(1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Demand:
    """Messages a day of one pool at one provider: by the old provider now, and in the end.

    engaged: None when nothing is known. most_growth: as in `providers.directory.Arrival`.
    """

    pool: Pool
    provider: str
    messages_per_day: int
    target_per_day: int
    engaged: Engaged | None
    most_growth: float | None


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
    )


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
