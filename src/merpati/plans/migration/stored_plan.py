"""A migration's plan, made anew from what is stored with it, and written as cells and days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.plans.migration.deciding import Ways
from merpati.plans.migration.stored_traffic import traffic_of
from merpati.plans.models import Migration, MigrationCell, MigrationDay
from merpati.providers.directory import directory
from merpati.reputation.demand import Demand, demands_of
from merpati.reputation.first_steps import first_steps
from merpati.reputation.migration_plan import Cell, MigrationPlan, Pool, Step, Traffic
from merpati.reputation.planning import plan_for
from merpati.reputation.pool_layout import pools_as_they_are, pools_for
from merpati.sending.pools import pools_of


def plan_of(migration: Migration, today: date) -> MigrationPlan:
    """Return the plan as it would be made now. Raises InvalidTraffic."""
    traffic = traffic_of(migration.traffic)
    pools = pools_now(migration.account_id, traffic, migration.starts_on)
    return plan_for(
        traffic, migration.starts_on, today, directory(), pools=pools, seed=migration.seed
    )


def ways_of(migration: Migration) -> Ways:
    """Return what a migration does about obstacles."""
    return Ways(
        OnSpent(migration.on_spent),
        OnBlock(migration.on_block),
        OnOldFailure(migration.when_old_fails),
    )


def steps_now(migration: Migration) -> list[Step]:
    """Return what has to be done by hand before the first day."""
    traffic = traffic_of(migration.traffic)
    pools = pools_now(migration.account_id, traffic, migration.starts_on)
    pools = pools_for(traffic, migration.starts_on) if pools is None else pools
    return list(first_steps(traffic, pools, migration.starts_on, directory()))


def pools_now(account_id: int, traffic: Traffic, starts_on: date) -> list[Pool] | None:
    """Return the account's pools as the streams use them; None before it has a sending IP."""
    ips = {pool.slug: len(pool.sending_ips.all()) for pool in pools_of(account_id)}
    return pools_as_they_are(traffic, ips, starts_on) if any(ips.values()) else None


def demands_now(migration: Migration, cells: Sequence[MigrationCell]) -> dict[int, Demand]:
    """Return what there is to send in each cell, by its number, with the IPs of today."""
    traffic = traffic_of(migration.traffic)
    pools = pools_now(migration.account_id, traffic, migration.starts_on) or []
    demands = {
        (demand.pool.name, demand.provider): demand
        for demand in demands_of(traffic, pools, directory())
    }
    return {
        cell.pk: demands[cell.pool, cell.provider]
        for cell in cells
        if (cell.pool, cell.provider) in demands
    }


def write_cells(migration: Migration, plan: MigrationPlan) -> None:
    """Put the plan's cells and days in the place of those there were; inside a transaction."""
    migration.cells.all().delete()
    starts = {pool.name: pool.starts_on for pool in plan.pools}
    cells = MigrationCell.objects.bulk_create(
        _cell_row(migration, cell, starts[cell.pool]) for cell in plan.cells
    )
    last = _last_day(plan)
    MigrationDay.objects.bulk_create(
        (
            MigrationDay(
                cell=row,
                day=day.day,
                planned_share=day.share,
                planned=day.ours,
                planned_low=day.ours_low,
                planned_high=day.ours_high,
            )
            for row, cell in zip(cells, plan.cells, strict=True)
            for day in cell.days
            if day.day <= last
        ),
        batch_size=500,
    )


def _cell_row(migration: Migration, cell: Cell, starts_on: date) -> MigrationCell:
    return MigrationCell(
        migration=migration,
        pool=cell.pool,
        provider=cell.provider,
        starts_on=starts_on,
        messages_per_day=cell.messages_per_day,
        target_per_day=cell.target_per_day,
        done_early=cell.done.early,
        done_likely=cell.done.likely,
        done_late=cell.done.late,
    )


def _last_day(plan: MigrationPlan) -> date:
    """Return the last day worth keeping: by then all cells are done, or the plan ends."""
    ends = [cell.days[-1].day if cell.done.late is None else cell.done.late for cell in plan.cells]
    return max(ends)
