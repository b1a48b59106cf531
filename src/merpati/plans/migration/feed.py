"""A migration's milestones as an iCalendar feed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from merpati.adapters.ics import Entry, ics_bytes
from merpati.plans.models import Migration
from merpati.reputation.milestones import Milestone

_DAY = timedelta(days=1)


def feed(migration: Migration, milestones: Sequence[Milestone]) -> bytes:
    """Return the iCalendar feed of some milestones; the same input gives the same bytes."""
    entries = (
        Entry(
            f"migration-{migration.pk}-{one.key}@merpati",
            f"{migration.name}: {one.title}",
            one.day,
            one.day + _DAY,
            one.detail,
        )
        for one in milestones
    )
    return ics_bytes(
        migration.name, entries, changed_at=migration.changed_at, version=migration.version
    )
