"""A sending policy as this worker uses it: looked up by id, with the state of its own IPs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from merpati.adapters.clock import Clock
from merpati.contracts.sending_policy import (
    Account,
    Egress,
    Migration,
    Order,
    Pool,
    SendingIp,
    SendingPolicy,
)
from merpati.delivery.allowance import Reserve
from merpati.delivery.ip_choice import LocalPool
from merpati.delivery.sending_ip import LocalIp, Warmup
from merpati.delivery.split import Split, split_of


@dataclass(frozen=True)
class LocalPolicy:
    """One version; ips: by address, those of accounts whose shard is here.

    orders: those that hold mail back whatever IP it would leave from; the others are at the IPs.
    """

    version: int
    bounce_domain: str
    accounts: dict[int, Account] = field(default_factory=dict)
    pools: dict[int, LocalPool] = field(default_factory=dict)
    ips: dict[str, LocalIp] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    migrations: dict[int, tuple[Migration, Egress]] = field(default_factory=dict)  # by pool

    @classmethod
    def empty(cls) -> LocalPolicy:
        """Return what holds before the first policy: nothing."""
        return cls(0, "")

    @classmethod
    def of(
        cls,
        policy: SendingPolicy,
        previous: LocalPolicy,
        shards: Mapping[int, Reserve],
        clock: Clock,
    ) -> LocalPolicy:
        """Return a policy for the accounts of `shards`; IPs that stay keep their state.

        shards: those of this worker, each with where its IPs' allowances are reserved.
        """
        accounts = {account.account_id: account for account in policy.accounts}
        ips: dict[str, LocalIp] = {}
        members: dict[int, tuple[LocalIp, ...]] = {}
        ours: list[Pool] = []
        for pool in policy.pools:
            account = accounts.get(pool.account_id)
            if account is None or account.shard not in shards:
                continue
            ours.append(pool)
            for ip in pool.ips:
                old = previous.ips.get(ip.address)
                local = _local_ip(ip, old, account.shard, shards[account.shard], clock)
                local.orders = tuple(
                    order
                    for order in policy.orders
                    if order.sending_ip == ip.address and _is_about(order, pool)
                )
                ips[ip.address] = local
            members[pool.pool_id] = tuple(ips[ip.address] for ip in pool.ips)
        accounts_of = {pool.pool_id: pool.account_id for pool in ours}
        pools = {}
        for pool in ours:
            overflow = pool.overflow_pool_id
            # Never from an address that is not the account's, whatever the snapshot says.
            is_own = overflow is not None and accounts_of.get(overflow) == pool.account_id
            pools[pool.pool_id] = LocalPool(
                pool.pool_id,
                pool.account_id,
                pool.name,
                members[pool.pool_id],
                members[overflow] if is_own and overflow is not None else (),
            )
        orders = tuple(order for order in policy.orders if not order.sending_ip)
        egresses = {(one.account_id, one.egress_id): one for one in policy.egresses}
        migrations = {
            one.pool_id: (one, egresses[one.account_id, one.egress_id])
            for one in policy.migrations
            if accounts_of.get(one.pool_id) == one.account_id
            and (one.account_id, one.egress_id) in egresses
        }
        return cls(policy.version, policy.bounce_domain, accounts, pools, ips, orders, migrations)

    def split_for(self, pool: LocalPool, provider: str) -> Split | None:
        """Return how a pool's mail to a provider is divided with an old provider, if it is."""
        found = self.migrations.get(pool.pool_id)
        return split_of(*found, provider) if found is not None else None

    def orders_for(self, pool: LocalPool, provider: str) -> tuple[Order, ...]:
        """Return what holds back a pool's mail to a provider."""
        return tuple(
            order
            for order in self.orders
            if _is_about(order, pool) and order.provider in ("", provider)
        )

    def pool_for(self, account: Account, pool_id: int) -> LocalPool | None:
        """Return the account's pool of this id, or its default pool when that is gone."""
        for wanted in (pool_id, account.default_pool_id):
            pool = self.pools.get(wanted)
            if pool is not None and pool.account_id == account.account_id:
                return pool
        return None


def _is_about(order: Order, pool: Pool | LocalPool) -> bool:
    return order.account_id in (None, pool.account_id) and order.pool_id in (None, pool.pool_id)


def _local_ip(
    ip: SendingIp, old: LocalIp | None, shard: int, reserve: Reserve, clock: Clock
) -> LocalIp:
    local = old if old is not None and old.hostname == ip.hostname else None
    warmup = old.warmup if old is not None else None
    if ip.messages_per_day is None and ip.first_allowance is None and not ip.allowances:
        warmup = None
    elif warmup is not None:
        warmup.follow(ip)
    else:
        warmup = Warmup(ip, reserve, clock)
    if local is None:
        return LocalIp(ip.address, ip.hostname, warmup, shard)
    local.warmup = warmup
    return local
