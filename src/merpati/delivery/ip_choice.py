"""Which sending IPs of a pool may send to a provider now, or why none may. Pure but for allowances.

Overflow answers a spent allowance, never a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merpati.delivery.allowance import Allowance
from merpati.delivery.destinations import Destination
from merpati.delivery.reasons import NoSendingIp, NotEngaged, Reason, Said, spent
from merpati.delivery.sending_ip import LocalIp


@dataclass(frozen=True, slots=True)
class LocalPool:
    """A pool as the engine uses it; overflow: of the same account, or None."""

    pool_id: int
    account_id: int
    name: str
    ips: tuple[LocalIp, ...]
    overflow: tuple[LocalIp, ...] = ()

    def barred(self, tier: int) -> tuple[str, ...]:
        """Return which IPs an engagement tier may not use."""
        if not tier:
            return ()
        return tuple(ip.address for ip in self.ips + self.overflow if not ip.takes(tier))

    def member(self, address: str) -> LocalIp | None:
        """Return a sending IP that the pool's mail may leave from, by address."""
        return next((ip for ip in self.ips + self.overflow if ip.address == address), None)


@dataclass(frozen=True, slots=True)
class IpChoice:
    """reason: why there are none, None when there are some.

    is_spent: none has any allowance left that the plan lets go now.
    """

    ips: Sequence[LocalIp]
    reason: Reason | None = None
    is_spent: bool = False


def usable_ips(
    pool: LocalPool,
    destination: Destination,
    barred: Sequence[str],
    wants: Callable[[Allowance], None],
    *,
    overflows: bool,
) -> IpChoice:
    """Return who may send; what is not on this host, barred or used up is not among them.

    wants: called with each allowance that is looked at, so that it is filled in time.
    """
    if not pool.ips:
        return IpChoice((), NoSendingIp(pool.name, ()))
    present = [ip for ip in pool.ips if not ip.is_missing]
    if not present:
        return IpChoice((), NoSendingIp(pool.name, tuple(ip.address for ip in pool.ips)))
    present = [ip for ip in present if destination.is_reached_from(ip.address)]
    if not present:
        return IpChoice((), _of_another_family(pool, destination))
    provider = destination.provider
    unspent = _unspent(present, provider, barred, wants)
    if not unspent and overflows:
        overflow = [ip for ip in pool.overflow if not ip.is_missing]
        reaching = [ip for ip in overflow if destination.is_reached_from(ip.address)]
        unspent = _unspent(reaching, provider, barred, wants)
    if unspent:
        return IpChoice(unspent, is_spent=all(ip.is_withheld(provider) for ip in unspent))
    used_up = [ip.spent_at(provider) for ip in present if ip.address not in barred]
    return IpChoice((), spent(used_up) if used_up else NotEngaged(tuple(barred)), is_spent=True)


def _unspent(
    ips: Sequence[LocalIp],
    provider: str,
    barred: Sequence[str],
    wants: Callable[[Allowance], None],
) -> list[LocalIp]:
    unspent = []
    for ip in ips:
        if ip.address in barred:
            continue
        for allowance in ip.allowances(provider):
            wants(allowance)
        if ip.spent_at(provider) is None:
            unspent.append(ip)
    return unspent


def _of_another_family(pool: LocalPool, destination: Destination) -> Said:
    names = ", ".join(host.name for host in destination.hosts)
    first = destination.hosts[0].addresses[0]
    theirs, needed = ("IPv6", "an IPv6") if ":" in first else ("IPv4", "an IPv4")
    return Said(f"{names} has {theirs} addresses alone; add {needed} address to {pool.name}")
