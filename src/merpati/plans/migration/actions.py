"""What people do to a migration; the only writers of it, each one transaction with its audit entry.

The state decides what may be done (`WrongState`): a draft starts; what runs is paused, held, raised
by hand, rolled back and at last cut over. The share of those who have moved falls by a roll-back
alone.
"""

from __future__ import annotations

import secrets
from datetime import date, datetime

from django.db import IntegrityError, transaction

from merpati.accounts import audit
from merpati.events.alerts import end_alerts_of_migration
from merpati.plans.migration.deciding import AS_USUAL, Ways, share_name
from merpati.plans.migration.errors import (
    InvalidMigration,
    NameTaken,
    NoEgress,
    NoSendingIps,
    NotAllMoved,
    StepNotFound,
    WrongState,
)
from merpati.plans.migration.finding import find_cells
from merpati.plans.migration.steps import ips_of
from merpati.plans.migration.stored_plan import plan_of, steps_now, ways_of, write_cells
from merpati.plans.migration.stored_traffic import as_data
from merpati.plans.migration.warming import begin_warming
from merpati.plans.models import (
    Migration,
    MigrationCell,
    MigrationDay,
    MigrationState,
    MigrationStep,
)
from merpati.reputation.migration_plan import WHOLE, StepKind, Traffic
from merpati.reputation.provider_family import SEED
from merpati.reputation.share_decision import Facts, ShareKind, per_cent
from merpati.sending import splits
from merpati.sending.egresses import find_egress
from merpati.sending.ip_names import Verdict
from merpati.sending.models import IpPool, SendingIp, Split
from merpati.sending.outside import Outside

REASON_CHARACTERS = 500
_NAME_CHARACTERS = 100
_MOST_DAYS_AHEAD = 366
_ON_WAY = (MigrationState.RUNNING, MigrationState.PAUSED)


def create(
    account_id: int,
    name: str,
    traffic: Traffic,
    starts_on: date,
    egress: str,
    *,
    by: str,
    now: datetime,
    ways: Ways = AS_USUAL,
    seed: int = SEED,
) -> Migration:
    """Keep a plan as a draft. egress: the old provider's name.

    Raises InvalidMigration, NameTaken, EgressNotFound, InvalidTraffic.
    """
    with transaction.atomic():
        migration = Migration(
            account_id=account_id,
            seed=seed,
            calendar_key=secrets.token_urlsafe(32),
            created_by=by[:200],
            created_at=now,
        )
        _fill(migration, name, traffic, starts_on, egress, ways, now)
        _audit("create_migration", migration, by, now, messages_per_day=traffic.target_per_day)
    return migration


def change_draft(
    migration: Migration,
    name: str,
    traffic: Traffic,
    starts_on: date,
    egress: str,
    *,
    ways: Ways = AS_USUAL,
    by: str,
    now: datetime,
) -> Migration:
    """Plan a draft anew; steps that are done stay done. Raises WrongState, and as `create`."""
    with transaction.atomic():
        migration = _locked(migration, MigrationState.DRAFT)
        migration.version += 1
        _fill(migration, name, traffic, starts_on, egress, ways, now)
        _audit("change_migration", migration, by, now, messages_per_day=traffic.target_per_day)
    return migration


def start(migration: Migration, *, by: str, now: datetime) -> Migration:
    """Begin: all mail of the pools goes by the old provider, and moves day by day from then on.

    The plan is made anew with the pools as they are; one whose first day has passed begins today.
    The pools' IPs begin to warm up by provider. Raises WrongState, NoEgress, NoSendingIps,
    PoolSplit, InvalidTraffic.
    """
    with transaction.atomic():
        migration = _locked(migration, MigrationState.DRAFT)
        if migration.egress is None:
            raise NoEgress
        migration.starts_on = max(migration.starts_on, now.date())
        plan = plan_of(migration, now.date())
        if lacking := [pool.name for pool in plan.pools if not _ip_count(migration, pool.name)]:
            raise NoSendingIps(lacking)
        write_cells(migration, plan)
        migration.state, migration.started_at = MigrationState.RUNNING, now
        _save(migration, now)
        ways = ways_of(migration)
        for pool in plan.pools:
            splits.open_split(
                IpPool.objects.get(account_id=migration.account_id, slug=pool.name),
                migration.egress,
                on_spent=ways.on_spent,
                on_block=ways.on_block,
                when_old_fails=ways.when_old_fails,
                now=now,
            )
        begin_warming(migration, plan, by=by, now=now)
        _audit("start_migration", migration, by, now, pools=[pool.name for pool in plan.pools])
    return migration


def pause(migration: Migration, reason: str, *, by: str, now: datetime) -> Migration:
    """Let nobody move any more, for now; who has moved stays moved. Raises WrongState."""
    return _toggle(migration, MigrationState.PAUSED, _checked(reason), by=by, now=now)


def resume(migration: Migration, *, by: str, now: datetime) -> Migration:
    """Go on after a pause. Raises WrongState."""
    return _toggle(migration, MigrationState.RUNNING, "", by=by, now=now)


def tick(
    migration: Migration, key: str, note: str = "", *, by: str, now: datetime
) -> MigrationStep:
    """Record that a step is done, or that it is to go without: note says so.

    What waited for it moves from the next day on. Raises StepNotFound, InvalidMigration.
    """
    note = note.strip()
    if len(note) > REASON_CHARACTERS:
        raise InvalidMigration(f"a note has at most {REASON_CHARACTERS} characters", "note")
    _check_step(migration, key)
    with transaction.atomic():
        row, is_new = MigrationStep.objects.get_or_create(
            migration=migration,
            key=key,
            defaults={"done_by": by[:200], "done_at": now, "note": note},
        )
        if is_new:
            _audit("tick_migration_step", migration, by, now, step=key, note=note)
    return row


def untick(migration: Migration, key: str, *, by: str, now: datetime) -> None:
    """Record that a step is not done after all. Who has moved stays moved. Raises StepNotFound."""
    _check_step(migration, key)
    with transaction.atomic():
        deleted, _ = MigrationStep.objects.filter(migration=migration, key=key).delete()
        if deleted:
            _audit("untick_migration_step", migration, by, now, step=key)


def check_names(
    migration: Migration, outside: Outside, *, by: str, now: datetime
) -> list[tuple[SendingIp, Verdict]]:
    """Ask DNS for the PTR records of the sending IPs, and tick that step off when all are right.

    Raises NoSendingIps.
    """
    ips = ips_of(migration)
    if not ips:
        raise NoSendingIps(sorted(set(migration.cells.values_list("pool", flat=True))))
    found = list(zip(ips, outside.names(ips), strict=True))
    if all(verdict is Verdict.RIGHT for _, verdict in found):
        note = ", ".join(f"{ip.address} {ip.hostname}" for ip in ips)
        tick(migration, StepKind.PTR.value, note, by=by, now=now)
    return found


def hold(
    migration: Migration, provider: str, reason: str, *, pool: str = "", by: str, now: datetime
) -> list[MigrationCell]:
    """Keep a provider's share where it is until `release`. Raises WrongState, CellNotFound."""
    reason = _checked(reason)
    return _set_hold(migration, provider, pool, reason, by=by, now=now)


def release(
    migration: Migration, provider: str, reason: str, *, pool: str = "", by: str, now: datetime
) -> list[MigrationCell]:
    """End a hold; the next day decides again. Raises WrongState, CellNotFound."""
    _checked(reason)
    return _set_hold(migration, provider, pool, "", by=by, now=now, because=reason)


def raise_share(
    migration: Migration,
    provider: str,
    share: int,
    reason: str,
    *,
    pool: str = "",
    by: str,
    now: datetime,
) -> list[MigrationCell]:
    """Move more of a provider's recipients than was decided, at once. share: of WHOLE.

    What the IPs may send stays as it is; the rest goes as the plan says for a spent allowance.
    Raises WrongState, CellNotFound, InvalidMigration, ShareWouldFall.
    """
    reason = _checked(reason)
    return _set_shares(
        migration,
        provider,
        pool,
        share=share,
        reason=reason,
        kind=ShareKind.RAISED_BY_HAND,
        by=by,
        now=now,
    )


def roll_back(
    migration: Migration,
    reason: str,
    *,
    provider: str = "",
    pool: str = "",
    share: int = 0,
    by: str,
    now: datetime,
) -> Migration:
    """Send recipients by the old provider again, all or those of a provider, and hold it there.

    All of them, to nothing: the migration is over, and everything goes the old way until it is cut
    over or the split is ended. Raises WrongState, CellNotFound, InvalidMigration.
    """
    reason = _checked(reason)
    with transaction.atomic():
        _set_shares(
            migration,
            provider,
            pool,
            share=share,
            reason=reason,
            kind=ShareKind.ROLLED_BACK,
            by=by,
            now=now,
        )
        migration = _locked(migration, *_ON_WAY)
        if not provider and not pool and not share:
            migration.state, migration.reason = MigrationState.ROLLED_BACK, reason
            migration.ended_at = now
            _save(migration, now)
            end_alerts_of_migration(migration.account_id, migration.pk, now=now)
            for split in splits_of(migration):
                splits.pause_split(split, reason)
    return migration


def cut_over(
    migration: Migration, *, even_if_not_all: bool = False, by: str, now: datetime
) -> Migration:
    """End the split: all mail goes from here. Raises WrongState, NotAllMoved."""
    with transaction.atomic():
        migration = _locked(migration, *_ON_WAY, MigrationState.ROLLED_BACK)
        left = [
            f"{cell.provider} {per_cent(cell.share):g} %"
            for cell in migration.cells.order_by("pool", "provider")
            if cell.share < WHOLE
        ]
        if left and not even_if_not_all:
            raise NotAllMoved(left)
        migration.state, migration.ended_at, migration.reason = MigrationState.DONE, now, ""
        _save(migration, now)
        end_alerts_of_migration(migration.account_id, migration.pk, now=now)
        for split in splits_of(migration):
            splits.close_split(split)
        _audit("cut_over_migration", migration, by, now, left=left)
    return migration


def remove_draft(migration: Migration, *, by: str, now: datetime) -> None:
    """Remove a draft. Raises WrongState."""
    with transaction.atomic():
        migration = _locked(migration, MigrationState.DRAFT)
        _audit("remove_migration", migration, by, now)
        migration.delete()


def splits_of(migration: Migration) -> list[Split]:
    """Return the splits of a migration's pools, while there are any."""
    pools = migration.cells.values_list("pool", flat=True).distinct()
    return list(
        Split.objects.filter(account_id=migration.account_id, pool__slug__in=list(pools))
        .select_related("pool")
        .order_by("pool_id")
    )


def _fill(  # noqa: PLR0917 - what a plan is made of
    migration: Migration,
    name: str,
    traffic: Traffic,
    starts_on: date,
    egress: str,
    ways: Ways,
    now: datetime,
) -> None:
    """Keep what a draft says, with its plan."""
    name = name.strip()
    if not name or len(name) > _NAME_CHARACTERS or not name.isprintable():
        raise InvalidMigration(f"a name has 1 to {_NAME_CHARACTERS} printable characters", "name")
    if (starts_on - now.date()).days > _MOST_DAYS_AHEAD:
        raise InvalidMigration(f"{starts_on} is more than a year away", "starts_on")
    migration.name, migration.traffic, migration.starts_on = name, as_data(traffic), starts_on
    migration.egress = find_egress(migration.account_id, egress)
    migration.on_spent, migration.on_block = ways.on_spent, ways.on_block
    migration.when_old_fails, migration.changed_at = ways.when_old_fails, now
    plan = plan_of(migration, now.date())
    migration.starts_on = plan.starts_on
    try:
        with transaction.atomic():
            migration.save()
    except IntegrityError:
        raise NameTaken(name) from None
    write_cells(migration, plan)


def _check_step(migration: Migration, key: str) -> None:
    known = [*(step.key for step in steps_now(migration)), StepKind.KEEP_OLD.value]
    if key not in known:
        raise StepNotFound(key, known)


def _toggle(
    migration: Migration, state: MigrationState, reason: str, *, by: str, now: datetime
) -> Migration:
    was = MigrationState.RUNNING if state is MigrationState.PAUSED else MigrationState.PAUSED
    with transaction.atomic():
        migration = _locked(migration, was)
        migration.state, migration.reason = state, reason
        _save(migration, now)
        end_alerts_of_migration(migration.account_id, migration.pk, now=now)
        for split in splits_of(migration):
            splits.pause_split(split, reason)
        action = "pause_migration" if reason else "resume_migration"
        _audit(action, migration, by, now, reason=reason)
    return migration


def _set_hold(
    migration: Migration,
    provider: str,
    pool: str,
    reason: str,
    *,
    by: str,
    now: datetime,
    because: str = "",
) -> list[MigrationCell]:
    with transaction.atomic():
        migration = _locked(migration, *_ON_WAY)
        cells = find_cells(migration, provider, pool)
        for cell in cells:
            cell.held_because, cell.held_by = reason, by[:200] if reason else ""
            cell.save(update_fields=["held_because", "held_by"])
        action = "hold_migration" if reason else "release_migration"
        _audit(action, migration, by, now, reason=reason or because, cells=list(map(str, cells)))
    return cells


def _set_shares(
    migration: Migration,
    provider: str,
    pool: str,
    *,
    share: int,
    reason: str,
    kind: ShareKind,
    by: str,
    now: datetime,
) -> list[MigrationCell]:
    if not 0 <= share <= WHOLE:
        raise InvalidMigration("a share is 0 to 100 per cent", "share")
    with transaction.atomic():
        migration = _locked(migration, *_ON_WAY)
        cells = find_cells(migration, provider, pool)
        by_pool = {split.pool.slug: split for split in splits_of(migration)}
        for cell in cells:
            if kind is ShareKind.ROLLED_BACK:
                after = min(share, cell.share)
                splits.roll_back(by_pool[cell.pool], {share_name(cell.provider): after})
                cell.held_because, cell.held_by = reason, by[:200]
            else:
                after = share
                splits.raise_shares(by_pool[cell.pool], {share_name(cell.provider): after})
            facts: Facts = {
                "per_cent": per_cent(after),
                "before": per_cent(cell.share),
                "reason": reason,
            }
            cell.share = after
            cell.save(update_fields=["share", "held_because", "held_by"])
            _note(cell, after, kind, facts, now)
        names = {ShareKind.ROLLED_BACK: "roll_back_migration"}
        action = names.get(kind, "raise_migration_share")
        touched = list(map(str, cells))
        _audit(action, migration, by, now, share=share, reason=reason, cells=touched)
    return cells


def _note(cell: MigrationCell, share: int, kind: ShareKind, facts: Facts, now: datetime) -> None:
    MigrationDay.objects.update_or_create(
        cell=cell,
        day=now.date(),
        defaults={"share": share, "kind": kind.value, "facts": dict(facts), "decided_at": now},
    )


def _locked(migration: Migration, *states: MigrationState) -> Migration:
    """Return a migration as it is now. Raises WrongState unless it is in one of the states."""
    found = Migration.objects.select_related("egress").get(pk=migration.pk)
    if found.state not in states:
        raise WrongState(found.state, states)
    return found


def _save(migration: Migration, now: datetime) -> None:
    migration.version += 1
    migration.changed_at = now
    migration.save()


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_CHARACTERS:
        raise InvalidMigration(
            f"say why, in 1 to {REASON_CHARACTERS} characters: it is kept with the decision",
            "reason",
        )
    return reason


def _ip_count(migration: Migration, pool: str) -> int:
    found = IpPool.objects.filter(account_id=migration.account_id, slug=pool).first()
    return found.sending_ips.count() if found else 0


def _audit(action: str, migration: Migration, by: str, now: datetime, **detail: object) -> None:
    audit.record(action, migration.name, by=by, now=now, account_id=migration.account_id, **detail)
