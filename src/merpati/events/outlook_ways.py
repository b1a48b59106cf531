"""The ways that the policy gives an account's mail, for the outlook of its campaigns.

Providers and paces are those the worker knows; a domain that it has not looked up yet is taken to
be where it was last known to be. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from merpati.contracts.queues import KnownWays, LaneStatus
from merpati.contracts.sending_policy import (
    Egress,
    Migration,
    OnBlock,
    OnSpent,
    Order,
    Pool,
    ProviderAllowance,
    Route,
    SendingIp,
    SendingPolicy,
)
from merpati.events.outlook import Queue, Way
from merpati.providers.directory import directory
from merpati.sending.engagement import WITHIN_DAYS

Used = Mapping[tuple[str, str], int]  # today's attempts, by sending IP and provider


class Ways:
    """The ways of one account's mail as of a moment (milliseconds since the epoch)."""

    def __init__(
        self,
        policy: SendingPolicy,
        account_id: int,
        used: Used | None = None,
        known: KnownWays | None = None,
    ) -> None:
        self.account = next((a for a in policy.accounts if a.account_id == account_id), None)
        self._pools = {one.pool_id: one for one in policy.pools if one.account_id == account_id}
        self._orders = policy.orders
        self._routes = {route.pattern.lower(): route for route in policy.routes}
        self._through: dict[str, Route] = {}
        self._providers = known.providers if known is not None else {}
        lanes = known.lanes if known is not None else ()
        self._lanes = {(lane.sending_ip, lane.provider): lane for lane in lanes}
        self._egresses = {one.egress_id: one for one in policy.egresses}
        self._migrations = {
            one.pool_id: one for one in policy.migrations if one.account_id == account_id
        }
        self._used = used or {}

    @property
    def shares(self) -> list[int]:
        """Return where the buckets of recipients are divided, in order."""
        found = {share.share for one in self._migrations.values() for share in one.shares}
        return sorted({0, *found}) if self._migrations else []

    def queue(
        self, pool_id: int, domain: str, tier: int, bucket: int, *, is_refused: bool
    ) -> Queue:
        """Return where a message waits. bucket: at least the least of its division."""
        pool, provider = self._pool(pool_id), self._provider(domain)
        if pool is None:
            return Queue(pool_id, provider)
        by_old = self._goes_old(pool, provider, bucket, is_refused=is_refused)
        barred = () if by_old else self._barred(pool, tier)
        return Queue(pool.pool_id, provider, barred, by_old)

    def of(self, queue: Queue) -> list[Way]:
        """Return the ways of a queue's mail, in the order of use."""
        pool = self._pool(queue.pool_id)
        if pool is None:
            return []
        migration = self._migrations.get(pool.pool_id)
        old = self._old(migration, pool, queue) if migration is not None else []
        if queue.by_old:
            return old
        relieved = migration is not None and (
            bool(migration.paused) or migration.on_spent is OnSpent.OLD
        )
        overflows = migration is None or (
            not migration.paused and migration.on_spent is OnSpent.POOL
        )
        ours = [
            self._way(pool, ip, queue.provider)
            for ip in self._ips(pool, overflows=overflows)
            if ip.address not in queue.barred
        ]
        return [*ours, *(old if relieved else ())]

    def _pool(self, pool_id: int) -> Pool | None:
        default = self.account.default_pool_id if self.account is not None else 0
        return self._pools.get(pool_id) or self._pools.get(default)

    def _ips(self, pool: Pool, *, overflows: bool = True) -> Iterator[SendingIp]:
        yield from pool.ips
        overflow = self._pools.get(pool.overflow_pool_id or 0)
        if overflows and overflow is not None:
            yield from overflow.ips

    def _provider(self, domain: str) -> str:
        """Return who takes a domain's mail, as the worker calls it."""
        route = _route(self._routes, domain)
        if route is not None:
            name = f"route:{route.host}:{route.port}"
            self._through[name] = route
            return name
        if (provider := self._providers.get(domain)) is not None:
            return provider
        hinted = directory().hint(domain)
        return hinted.id if hinted is not None else domain

    def _barred(self, pool: Pool, tier: int) -> tuple[str, ...]:
        return tuple(ip.address for ip in self._ips(pool) if not _takes(ip, tier)) if tier else ()

    def _goes_old(self, pool: Pool, provider: str, bucket: int, *, is_refused: bool) -> bool:
        migration = self._migrations.get(pool.pool_id)
        if migration is None:
            return False
        if is_refused:
            return migration.on_block is OnBlock.OLD
        shares = {share.provider: share.share for share in migration.shares}
        return bucket >= shares.get(provider, shares.get("", 0))

    def _old(self, migration: Migration, pool: Pool, queue: Queue) -> list[Way]:
        egress: Egress | None = self._egresses.get(migration.egress_id)
        if egress is None:
            return []
        name = f"egress:{egress.name}"
        return [
            Way(
                address=egress.name,
                provider=name,
                per_minute=egress.messages_per_minute,
                paused_until=max(
                    (one.paused_until or 0 for key, one in self._lanes.items() if key[1] == name),
                    default=0,
                ),
                closed_until=_closed_until(self._orders, pool, queue.provider, ""),
                is_old=True,
                relieves=not queue.by_old,
            )
        ]

    def _way(self, pool: Pool, ip: SendingIp, provider: str) -> Way:
        pace = self._through.get(provider) or directory().pace(provider)
        lane = self._lanes.get((ip.address, provider))
        slowed = lane if lane is not None and lane.reason else None
        return Way(
            address=ip.address,
            provider=provider,
            levels=_levels(ip, provider),
            per_day=ip.messages_per_day,
            used=self._used.get((ip.address, provider), 0),
            used_in_all=self._used.get((ip.address, ""), 0),
            per_minute=pace.messages_per_minute,
            slowed_to=slowed.messages_per_minute if slowed is not None else None,
            slowed_until=(slowed.until or 0) if slowed is not None else 0,
            paused_until=_paused_until(slowed),
            closed_until=_closed_until(self._orders, pool, provider, ip.address),
            relieves=ip not in pool.ips,  # of the overflow pool
        )


def _paused_until(lane: LaneStatus | None) -> int:
    return (lane.paused_until or 0) if lane is not None else 0


def _takes(ip: SendingIp, tier: int) -> bool:
    days = ip.engaged_within_days
    is_warm = not ip.allowances and ip.first_allowance is None and ip.messages_per_day is None
    return days is None or is_warm or (tier <= len(WITHIN_DAYS) and WITHIN_DAYS[tier - 1] <= days)


def _levels(ip: SendingIp, provider: str) -> tuple[ProviderAllowance, ...]:
    planned = [row for row in ip.allowances if row.provider == provider]
    if ip.first_allowance is not None:
        planned.append(ProviderAllowance(provider, 0, ip.first_allowance))
    return tuple(planned)


def _closed_until(orders: Sequence[Order], pool: Pool, provider: str, address: str) -> int:
    return max(
        (
            order.until
            for order in orders
            if order.account_id in (None, pool.account_id)
            and order.pool_id in (None, pool.pool_id)
            and order.provider in ("", provider)
            and order.sending_ip in ("", address)
        ),
        default=0,
    )


def _route(routes: Mapping[str, Route], domain: str) -> Route | None:
    """Return the static route of a domain: itself, then *.parent upwards, then *."""
    patterns = [domain]
    while "." in domain:
        domain = domain.partition(".")[2]
        patterns.append(f"*.{domain}")
    return next((routes[one] for one in [*patterns, "*"] if one in routes), None)
