"""A migration's traffic taken from what was sent lately, instead of from a file.

For each pool and provider the busiest day of two weeks, for an IP has to be warmed to that, and the
busier of each weekday's two; small providers are added up, as in a file one would.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from merpati.events.provider_days import old_way, provider_days
from merpati.plans.migration.errors import NothingObserved
from merpati.providers.labels import ROUTE
from merpati.reputation.migration_plan import OTHER, Flow, Traffic
from merpati.sending.pools import pools_of

_LOOKS_BACK = timedelta(days=14)
_WEEK = timedelta(days=7)
_MOST_PROVIDERS = 20  # of a pool; the rest is one flow


@dataclass(frozen=True, slots=True)
class _Volume:
    """Messages to one provider: of the busiest day, and the most of each weekday."""

    most: int
    weekdays: tuple[int, ...]


def observed_traffic(db: sqlite3.Connection, account_id: int, today: date) -> Traffic:
    """Return an account's traffic. db: the event store, open. Raises NothingObserved."""
    since = today - _LOOKS_BACK
    flows: list[Flow] = []
    for pool in pools_of(account_id):
        addresses = [ip.address for ip in pool.sending_ips.all()]
        ways = [*addresses, old_way(account_id, pool.slug)]
        flows += _flows(pool.slug, db, ways, since, today)
    if not flows:
        raise NothingObserved(since)
    return Traffic(tuple(flows))


def _flows(
    stream: str, db: sqlite3.Connection, ways: list[str], since: date, today: date
) -> Iterator[Flow]:
    is_whole_week, volumes = _observed(db, ways, since, today)
    for provider, volume in volumes:
        yield Flow(
            stream=stream,
            provider=provider,
            messages_per_day=volume.most,
            target_per_day=volume.most,
            weekdays=volume.weekdays if is_whole_week else None,
        )


def _observed(
    db: sqlite3.Connection, ways: list[str], since: date, today: date
) -> tuple[bool, list[tuple[str, _Volume]]]:
    """Return whether each weekday was seen whole, and the volumes, the largest first."""
    by_day: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    first = today
    for row in provider_days(db, ways, since):
        if row.provider and not row.provider.startswith(ROUTE):
            by_day[row.provider][row.day] += row.offered
            first = min(first, row.day)
    volumes = {provider: _volume(days) for provider, days in by_day.items()}
    ordered = sorted(volumes.items(), key=lambda one: (-one[1].most, one[0]))
    found = [(provider, one) for provider, one in ordered[:_MOST_PROVIDERS] if one.most]
    rest = [one for _, one in ordered[_MOST_PROVIDERS:] if one.most]
    if rest:
        weekdays = zip(*(one.weekdays for one in rest), strict=True)
        together = _Volume(sum(one.most for one in rest), tuple(map(sum, weekdays)))
        found.append((OTHER, together))
    return today - first >= _WEEK, found


def _volume(days: Mapping[date, int]) -> _Volume:
    weekdays = [0] * 7
    for day, messages in days.items():
        weekdays[day.weekday()] = max(weekdays[day.weekday()], messages)
    return _Volume(max(weekdays), tuple(weekdays))
