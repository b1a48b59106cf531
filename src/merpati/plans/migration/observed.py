"""A migration's traffic taken from what was sent lately, instead of from a file.

For each pool and provider the busiest day of two weeks, for an IP has to be warmed to that; small
providers are added up, as in a file one would.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import date, timedelta

from merpati.events.provider_days import old_way, provider_days
from merpati.plans.migration.errors import NothingObserved
from merpati.providers.labels import ROUTE
from merpati.reputation.migration_plan import OTHER, Flow, Traffic
from merpati.sending.pools import pools_of

_LOOKS_BACK = timedelta(days=14)
_MOST_PROVIDERS = 20  # of a pool; the rest is one flow


def observed_traffic(db: sqlite3.Connection, account_id: int, today: date) -> Traffic:
    """Return an account's traffic. db: the event store, open. Raises NothingObserved."""
    since = today - _LOOKS_BACK
    flows = [
        Flow(stream=pool.slug, provider=provider, messages_per_day=most, target_per_day=most)
        for pool in pools_of(account_id)
        for provider, most in _busiest(
            db,
            [*(ip.address for ip in pool.sending_ips.all()), old_way(account_id, pool.slug)],
            since,
        )
    ]
    if not flows:
        raise NothingObserved(since)
    return Traffic(tuple(flows))


def _busiest(db: sqlite3.Connection, ways: list[str], since: date) -> list[tuple[str, int]]:
    by_day: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for row in provider_days(db, ways, since):
        if row.provider and not row.provider.startswith(ROUTE):
            by_day[row.provider][row.day] += row.offered
    most = sorted(
        ((provider, max(days.values())) for provider, days in by_day.items()),
        key=lambda one: (-one[1], one[0]),
    )
    found = [(provider, count) for provider, count in most[:_MOST_PROVIDERS] if count]
    if rest := sum(count for _, count in most[_MOST_PROVIDERS:]):
        found.append((OTHER, rest))
    return found
