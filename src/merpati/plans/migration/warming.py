"""The warm-up of a migration's sending IPs: begun with it, wider as the weeks go by."""

from __future__ import annotations

import math
from datetime import date, datetime

from merpati.plans.models import Migration
from merpati.plans.warmup.actions import set_target, start
from merpati.reputation.migration_plan import OTHER, MigrationPlan
from merpati.reputation.split import engaged_within
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import choose_warmup


def begin_warming(migration: Migration, plan: MigrationPlan, *, by: str, now: datetime) -> None:
    """Have each IP of the plan's pools warm up by provider, towards its part of the target."""
    for pool in plan.pools:
        ips = list(_ips(migration, pool.name))
        for ip in ips:
            within = engaged_within(1) if _knows_engagement(migration) else None
            start(migration.account_id, ip.address, engaged_within_days=within, by=by, now=now)
            for cell in plan.cells:
                if cell.pool == pool.name and cell.provider != OTHER:
                    part = math.ceil(cell.target_per_day / len(ips))
                    set_target(
                        migration.account_id, ip.address, cell.provider, part, by=by, now=now
                    )


def widen(migration: Migration, pool: str, starts_on: date, *, by: str, now: datetime) -> None:
    """Let in those who engaged longer ago, once the plan's weeks for the others are over."""
    if not _knows_engagement(migration):
        return
    within = engaged_within((now.date() - starts_on).days + 1)
    for ip in _ips(migration, pool):
        if ip.warms_by_provider and ip.engaged_within_days != within:
            choose_warmup(
                migration.account_id,
                ip.address,
                by_provider=True,
                by_stages=ip.auto_warmup_enabled,
                engaged_within_days=within,
                by=by,
                now=now,
            )


def _ips(migration: Migration, pool: str) -> list[SendingIp]:
    return list(
        SendingIp.objects.filter(account_id=migration.account_id, pool__slug=pool).order_by("slot")
    )


def _knows_engagement(migration: Migration) -> bool:
    return any(flow["engaged"] for flow in migration.traffic)
