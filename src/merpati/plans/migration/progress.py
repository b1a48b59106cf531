"""How a migration goes: planned against sent, by pool, provider and day.

What was sent is the recorder's count, by our IPs and by the old provider; the plan and the
decisions are the cells' days.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from merpati.events.provider_days import ProviderDay, old_way, provider_days
from merpati.plans.migration.deciding import Sent, sent_of
from merpati.plans.models import Migration, MigrationCell, MigrationDay
from merpati.reputation.migration_plan import OTHER
from merpati.sending.models import SendingIp


@dataclass(frozen=True, slots=True)
class CellProgress:
    """A cell with its days in order, and what was sent on each."""

    cell: MigrationCell
    days: Sequence[MigrationDay]
    sent: dict[date, Sent] = field(default_factory=dict)

    def on(self, day: date) -> Sent:
        """Return what was sent on a day."""
        return self.sent.get(day, Sent())


def progress_of(migration: Migration, db: sqlite3.Connection) -> list[CellProgress]:
    """Return how each cell goes, the largest first. db: the event store, open."""
    cells = list(
        migration.cells.order_by("-messages_per_day", "pool", "provider").prefetch_related("days")
    )
    pools = sorted({cell.pool for cell in cells})
    named = {pool: {c.provider for c in cells if c.pool == pool} for pool in pools}
    since = min((cell.starts_on for cell in cells), default=migration.starts_on)
    sent: dict[tuple[str, str], dict[date, Sent]] = defaultdict(dict)
    for pool in pools:
        ours = provider_days(db, _addresses(migration, pool), since)
        old = provider_days(db, [old_way(migration.account_id, pool)], since)
        for provider, days in _by_provider(ours, old, named[pool]).items():
            sent[pool, provider] = days
    return [
        CellProgress(
            cell, sorted(cell.days.all(), key=lambda day: day.day), sent[cell.pool, cell.provider]
        )
        for cell in cells
    ]


def _by_provider(
    ours: Iterable[ProviderDay], old: Iterable[ProviderDay], named: set[str]
) -> dict[str, dict[date, Sent]]:
    """Add rows up by provider and day; those of providers without a cell count as the others."""
    found: dict[str, tuple[list[ProviderDay], list[ProviderDay]]] = defaultdict(lambda: ([], []))
    for way, rows in enumerate((ours, old)):
        for row in rows:
            found[row.provider if row.provider in named else OTHER][way].append(row)
    return {provider: sent_of(*both) for provider, both in found.items()}


def _addresses(migration: Migration, pool: str) -> list[str]:
    found = SendingIp.objects.filter(account_id=migration.account_id, pool__slug=pool)
    return list(found.order_by("slot").values_list("address", flat=True))
