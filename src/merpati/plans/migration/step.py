"""Migrations carried out: once a day the clock process decides how many recipients move where.

It comes behind warm-up's step, whose allowances of the day it reads. Done twice it does nothing
more; days that were missed leave the shares where they were, for they are about the mail of a day.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from django.db import transaction

from merpati.events.alerts import SUBJECT_CHARACTERS, Kind, end_alert, raise_alert
from merpati.events.store import reading
from merpati.plans.migration.actions import splits_of
from merpati.plans.migration.deciding import share_for, share_name
from merpati.plans.migration.progress import CellProgress, progress_of
from merpati.plans.migration.steps import holding_steps, why_held
from merpati.plans.migration.stored_plan import demands_now
from merpati.plans.migration.warming import widen
from merpati.plans.models import Migration, MigrationCell, MigrationDay, MigrationState
from merpati.reputation.migration_plan import OTHER
from merpati.reputation.share_decision import SELF_HELD, ShareDecision
from merpati.sending import splits
from merpati.sending.allowances_in_force import first_allowance, latest
from merpati.sending.models import SendingIp

log = logging.getLogger(__name__)

BY = "clock"
_AFTER_MIDNIGHT = timedelta(minutes=2)  # by then warm-up has decided, and the day before is stored


class Migrations:
    """Follows all migrations. For one thread; never two steps at a time."""

    def __init__(self, events_file: Path) -> None:
        self._events_file = events_file
        self._decided: dict[int, date] = {}

    def step(self, now: datetime, recorded_until: datetime | None) -> None:
        """Decide the day of each running migration that has none yet.

        recorded_until: all that happened before is in the event store.
        Raises sqlite3.Error and Django's DatabaseError; then the next step tries again.
        """
        now = now.astimezone(UTC)
        today = now.date()
        begun = datetime.combine(today, time(), UTC) + _AFTER_MIDNIGHT
        if recorded_until is None or recorded_until < begun:
            return
        running = Migration.objects.filter(state=MigrationState.RUNNING).select_related("account")
        due = [one for one in running.order_by("pk") if self._decided.get(one.pk) != today]
        if not due:
            return
        with reading(self._events_file) as db:
            for migration in due:
                decide_day(migration, db, today, now)
                self._decided[migration.pk] = today


def decide_day(migration: Migration, db: sqlite3.Connection, today: date, now: datetime) -> None:
    """Decide the shares of a day, unless that was done; one transaction, one policy version."""
    cells = progress_of(migration, db)
    demands = demands_now(migration, [one.cell for one in cells])
    holding = holding_steps(migration)
    allowances = _allowances(migration, cells)
    with transaction.atomic():
        if not Migration.objects.filter(pk=migration.pk, state=MigrationState.RUNNING).exists():
            return
        risen: dict[str, dict[str, int]] = defaultdict(dict)
        for one in cells:
            if any(day.day == today and day.kind for day in one.days):
                continue
            demand = demands.get(one.cell.pk)
            allowance = allowances.get((one.cell.pool, one.cell.provider), 0)
            if one.cell.provider == OTHER:  # many small ones, each with an allowance of its own
                allowance = max((d.planned for d in one.days if d.day <= today), default=0)
            decision = share_for(
                demand,
                one.cell.starts_on,
                one.cell.share,
                one.sent,
                today,
                allowance=allowance,
                held_because=one.cell.held_because,
                not_ready=why_held(one.cell.provider, holding),
            )
            _keep(one, decision, allowance, today, now)
            _tell(migration, one.cell, decision, now)
            risen[one.cell.pool][share_name(one.cell.provider)] = decision.share
        for split in splits_of(migration):
            splits.raise_shares(split, risen[split.pool.slug])
    for pool, starts_on in {one.cell.pool: one.cell.starts_on for one in cells}.items():
        widen(migration, pool, starts_on, by=BY, now=now)


def _tell(
    migration: Migration, cell: MigrationCell, decision: ShareDecision, now: datetime
) -> None:
    """Raise an alert while the plan holds itself back at a provider, and end it afterwards."""
    subject = f"{migration.pk} {cell.pool} {cell.provider}"[:SUBJECT_CHARACTERS]
    if decision.kind not in SELF_HELD:
        end_alert(migration.account_id, Kind.MIGRATION_HELD, subject, now=now)
        return
    facts = {
        "migration": migration.pk,
        "pool": cell.pool,
        "provider": cell.provider,
        "share_kind": decision.kind.value,
        **decision.facts,
    }
    raise_alert(migration.account_id, Kind.MIGRATION_HELD, subject, facts, now=now)


def _keep(
    one: CellProgress, decision: ShareDecision, allowance: int, today: date, now: datetime
) -> None:
    MigrationDay.objects.update_or_create(
        cell=one.cell,
        day=today,
        defaults={
            "share": decision.share,
            "allowance": allowance,
            "kind": decision.kind.value,
            "facts": dict(decision.facts),
            "decided_at": now,
        },
    )
    log.info(
        "migration_share migration=%d pool=%s provider=%s before=%d share=%d reason=%s",
        one.cell.migration_id,
        one.cell.pool,
        one.cell.provider,
        one.cell.share,
        decision.share,
        decision.kind.value,
    )
    if decision.share != one.cell.share:
        one.cell.share = decision.share
        one.cell.save(update_fields=["share"])


def _allowances(migration: Migration, cells: Sequence[CellProgress]) -> dict[tuple[str, str], int]:
    """Return what all IPs of a pool may send to a provider today."""
    pools = {one.cell.pool for one in cells}
    ips = list(
        SendingIp.objects.filter(account_id=migration.account_id, pool__slug__in=pools)
        .select_related("pool")
        .order_by("slot")
    )
    levels = {
        (row.sending_ip_id, row.provider): row.messages for row in latest(ip.pk for ip in ips)
    }
    return {
        (one.cell.pool, one.cell.provider): sum(
            levels.get((ip.pk, one.cell.provider), first_allowance())
            if ip.warms_by_provider
            else one.cell.target_per_day  # warm: nothing limits it
            for ip in ips
            if ip.pool.slug == one.cell.pool
        )
        for one in cells
    }
