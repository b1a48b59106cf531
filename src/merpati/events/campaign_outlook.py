"""A campaign's outlook: what waits in the spool, the ways the policy gives it, one sentence each.

Read from disk, so it is there while Merpati is stopped too. A recipient domain's provider is the
one it was last known to be with, since nobody is asked here; static routes count. Mail that goes by
an old provider when an allowance is spent is not held by allowances.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from merpati.adapters import codec
from merpati.contracts.sending_policy import (
    OnSpent,
    Order,
    Pool,
    ProviderAllowance,
    Route,
    SendingIp,
    SendingPolicy,
)
from merpati.events.outlook import DAY_MS, Held, Part, Waiting, Way, estimate
from merpati.providers.directory import directory
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.reading import snapshot

MOST_SAID = 5  # parts that the sentence speaks of, those that leave last

Used = Mapping[tuple[str, str], int]  # today's attempts, by sending IP and provider


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a campaign's last message leaves. parts: the last to leave first; none: nothing waits.

    stopped: why nothing leaves at all at present, "" when it does. pools: their names, by id.
    """

    campaign_id: str
    now: int
    parts: list[Part]
    pools: Mapping[int, str]
    stopped: str = ""

    @property
    def messages(self) -> int:
        """How many of its messages wait."""
        return sum(part.messages for part in self.parts)

    @property
    def last_at(self) -> int | None:
        """When the last leaves, None when that is not foreseen."""
        return self.parts[0].last_at if self.parts and not self.stopped else None

    def sentence(self) -> str:
        """Return when the last leaves and what holds it, as one says it."""
        if not self.parts:
            return "nothing of this campaign waits"
        count = _messages(self.messages)
        if self.stopped:
            return f"{count} {_verb(self.messages)}: the account is suspended: {self.stopped}"
        if self.last_at is None:
            told = f"when the last of {count} leaves is not to be foreseen"
        elif self.last_at <= self.now:
            told = f"{count} {_verb(self.messages, 'leave')} now"
        else:
            told = f"the last of {count} leaves {_moment(self.last_at)}"
        held = [reason(part) for part in self.parts if part.held is not Held.NOTHING]
        more = [f"and {len(held) - MOST_SAID} more"] if len(held) > MOST_SAID else []
        return "; ".join([told, *held[:MOST_SAID], *more])


class Outlooks:
    """The outlooks of all accounts' campaigns, for any thread. policy: reads the published one."""

    def __init__(self, spool: Path, policy: Callable[[], SendingPolicy | None]) -> None:
        self._spool = spool
        self._policy = policy

    def of(self, account_id: int, shard: int, campaign_id: str, now: int) -> Outlook:
        """Return a campaign's outlook; shard: that of the account. Raises SpoolUnavailable."""
        try:
            policy = self._policy() or SendingPolicy(0, "")
            with snapshot(self._spool, shard) as spool:
                if spool is None:
                    return Outlook(campaign_id, now, [], {})
                rows = spool.waiting_of(account_id, campaign_id)
                used = spool.granted(now // DAY_MS)
        except (sqlite3.Error, OSError, codec.DecodeError) as error:
            raise SpoolUnavailable(f"what waits cannot be read: {error}") from error
        plan = _Ways(policy, account_id, used, now)
        counted: dict[tuple[int, str, int], list[int]] = {}
        for pool_id, domain, due_at, is_own, count in rows:
            key = (pool_id, plan.provider(domain), max(due_at, now))
            both = counted.setdefault(key, [0, 0])
            both[not is_own] += count
        waiting = [Waiting(*key, *both) for key, both in counted.items()]
        queues = {(one.pool_id, one.provider) for one in waiting}
        parts = estimate(waiting, {queue: plan.ways(*queue) for queue in queues}, now)
        pools = {pool.pool_id: pool.name for pool in policy.pools}
        account = plan.account
        return Outlook(campaign_id, now, parts, pools, account.suspended if account else "")


def reason(part: Part) -> str:
    """Return what holds a part, as one says it; "" for nothing."""
    at = f" at {_name(part.provider)}"
    on = f" on {', '.join(part.sending_ips)}" if part.sending_ips else ""
    count, wait = _messages(part.messages), _verb(part.messages)
    match part.held:
        case Held.NOTHING:
            words = ""
        case Held.ALLOWANCE if part.for_tomorrow:
            later = part.for_tomorrow
            words = f"{later:,} {_verb(later)} for tomorrow's allowance{at}{on}"
        case Held.ALLOWANCE:
            words = f"{count} {wait} for the allowance{at}{on}"
        case Held.PACE:
            words = f"{count} {wait} for the pace{at}{on}"
        case Held.ORDER:
            words = f"{count}{at} {wait} by order{on}"
        case Held.NO_WAY:
            words = f"{count}{at} {wait} for a sending IP"
        case Held.SCHEDULE:
            until = f", the last for {_moment(part.last_at)}" if part.last_at else ""
            words = f"{count}{at} {'is' if part.messages == 1 else 'are'} scheduled{until}"
        case _:
            assert_never(part.held)
    return words


def document(found: Outlook) -> dict[str, Any]:
    """Return an outlook as JSON has it."""
    return {
        "campaign_id": found.campaign_id,
        "waiting": found.messages,
        "last_at": _iso(found.last_at),
        "sentence": found.sentence(),
        "parts": [_part(found, part) for part in found.parts],
    }


class _Ways:
    """The ways that a policy gives an account's mail, as of a moment."""

    def __init__(self, policy: SendingPolicy, account_id: int, used: Used, now: int) -> None:
        self.account = next((a for a in policy.accounts if a.account_id == account_id), None)
        self._policy = policy
        self._pools = {one.pool_id: one for one in policy.pools if one.account_id == account_id}
        self._routes = {route.pattern.lower(): route for route in policy.routes}
        self._through: dict[str, Route] = {}
        self._used = used
        self._now = now

    def provider(self, domain: str) -> str:
        """Return who takes a domain's mail, or the static route it takes."""
        route = _route(self._routes, domain)
        if route is None:
            known = directory().hint(domain)
            return known.id if known is not None else domain
        name = f"route {route.pattern}"
        self._through[name] = route
        return name

    def ways(self, pool_id: int, provider: str) -> list[Way]:
        """Return the sending IPs that a pool's mail to a provider may use, the pool's own first."""
        default = self.account.default_pool_id if self.account is not None else 0
        pool = self._pools.get(pool_id) or self._pools.get(default)
        if pool is None:
            return []
        overflow = self._pools.get(pool.overflow_pool_id or 0)
        return [
            self._way(pool, ip, provider)
            for ip in [*pool.ips, *(overflow.ips if overflow is not None else ())]
        ]

    def _way(self, pool: Pool, ip: SendingIp, provider: str) -> Way:
        route = self._through.get(provider)
        pace = route or directory().pace(provider)
        is_relieved = any(
            one.pool_id == pool.pool_id and (one.paused or one.on_spent is OnSpent.OLD)
            for one in self._policy.migrations
        )
        return Way(
            address=ip.address,
            levels=() if is_relieved else _levels(ip, provider),
            per_day=None if is_relieved else ip.messages_per_day,
            used=self._used.get((ip.address, provider), 0),
            used_in_all=self._used.get((ip.address, ""), 0),
            per_minute=pace.messages_per_minute,
            closed_until=_closed_until(self._policy.orders, pool, provider, ip.address),
        )


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


def _name(provider: str) -> str:
    known = directory().get(provider)
    return known.name if known is not None else provider


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _verb(count: int, verb: str = "wait") -> str:
    return f"{verb}s" if count == 1 else verb


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%a %-d %b %H:%M} UTC"


def _part(found: Outlook, part: Part) -> dict[str, Any]:
    return {
        "ip_pool": found.pools.get(part.pool_id, str(part.pool_id)),
        "provider": part.provider,
        "waiting": part.messages,
        "last_at": None if found.stopped else _iso(part.last_at),
        "held_by": part.held,
        "sending_ips": list(part.sending_ips),
        "for_tomorrow": part.for_tomorrow,
        "sentence": reason(part) or None,
    }


def _iso(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
