"""What each request needs to know of its caller, kept in memory as long as nothing changes.

Every action that changes an account, a key, a domain or a pool counts up the policy version. It is
read at most every half second, and what was remembered under another version is dropped whole: so
a revoked key or a new domain takes effect within a second, at no cost to the requests between. What
this process itself changed counts at once: who made a pool by a call may name it in the next.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field

from merpati.accounts.keys import KeyIdentity, authenticate
from merpati.accounts.models import Account, ServiceTimeZone
from merpati.accounts.trusted_networks import TrustedNetworks, trusted_networks
from merpati.adapters.clock import Clock
from merpati.sending import policy
from merpati.sending.engagement import knows_engagement
from merpati.sending.models import DEFAULT_POOL, IpPool, SendingDomain, SendingIp

LOOKED_AFTER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PoolEntry:
    """An IP pool as injection sees it."""

    pool_id: int
    slug: str
    has_ips: bool


@dataclass(frozen=True, slots=True)
class SendingAccount:
    """What an account may send with, under one policy version.

    knows_engagement: its messages have tiers (`engagement.py`); else nothing is looked up.
    time_zone: IANA name, of its Service Time Zone.
    """

    account_id: int
    shard: int
    policy_version: int
    is_suspended: bool
    verified_domains: frozenset[str]
    pools: dict[str, PoolEntry]  # by slug
    knows_engagement: bool = False
    time_zone: str = "UTC"

    def pool(self, name: str | None) -> PoolEntry | None:
        """Return the pool a request names, `default` for None; None when there is no such pool."""
        return self.pools.get(DEFAULT_POOL if name is None else name.strip().lower())

    def owns(self, domain: str) -> bool:
        """Return whether a domain is a verified one or lies below one, as `bounces.acme.example`.

        So far a return path may be used; a sender's address must be in the very domain.
        """
        while domain:
            if domain in self.verified_domains:
                return True
            domain = domain.partition(".")[2]
        return False


@dataclass(slots=True)
class _Remembered:
    version: int
    identities: dict[bytes, KeyIdentity] = field(default_factory=dict)
    trusted: TrustedNetworks | None = None
    accounts: dict[int, SendingAccount] = field(default_factory=dict)


class Directory:
    """The accounts and keys of one process; any thread may ask. Database errors pass through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looking = threading.Lock()
        self._next_look = 0.0
        self._changes_seen = 0  # of those this process made
        self._remembered = _Remembered(version=-1)

    def identity(self, key: str) -> KeyIdentity | None:
        """Return whom an API key belongs to and what it may do; None for an unknown key."""
        remembered = self._current()
        key_hash = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        identity = remembered.identities.get(key_hash)
        if identity is None:
            identity = authenticate(key)
            if identity is not None:  # unknown keys would fill the memory
                remembered.identities[key_hash] = identity
        return identity

    def trusted_networks(self) -> TrustedNetworks:
        """Return whose SMTP clients need no password."""
        remembered = self._current()
        if remembered.trusted is None:
            remembered.trusted = trusted_networks()
        return remembered.trusted

    def account(self, account_id: int) -> SendingAccount:
        """Return what an account may send with. Raises Account.DoesNotExist."""
        remembered = self._current()
        account = remembered.accounts.get(account_id)
        if account is None:
            account = _load(account_id, remembered.version)
            remembered.accounts[account_id] = account
        return account

    def _current(self) -> _Remembered:
        """Return what is remembered under the present version, at most half a second old."""
        # One thread looks; the others use what there is, unless there is nothing yet.
        changed = policy.changes_here() != self._changes_seen
        if not changed and self._clock.elapsed() < self._next_look:
            return self._remembered
        if not self._looking.acquire(blocking=changed or self._remembered.version < 0):
            return self._remembered
        try:
            changes = policy.changes_here()
            if changes != self._changes_seen or self._clock.elapsed() >= self._next_look:
                # Read before anything is loaded under it: a change in between is seen next time.
                version = policy.current_version()
                if version != self._remembered.version:
                    self._remembered = _Remembered(version)
                self._changes_seen = changes
                self._next_look = self._clock.elapsed() + LOOKED_AFTER_SECONDS
            return self._remembered
        finally:
            self._looking.release()


def _load(account_id: int, version: int) -> SendingAccount:
    account = Account.objects.get(pk=account_id)
    with_ips = set(
        SendingIp.objects.filter(account_id=account_id).values_list("pool_id", flat=True)
    )
    pools = {
        slug: PoolEntry(pool_id, slug, pool_id in with_ips)
        for pool_id, slug in IpPool.objects.filter(account_id=account_id).values_list("id", "slug")
    }
    domains = SendingDomain.objects.filter(account_id=account_id, verified_at__isnull=False)
    return SendingAccount(
        account_id=account_id,
        shard=account.shard,
        policy_version=version,
        is_suspended=account.suspended_at is not None or account.closed_at is not None,
        verified_domains=frozenset(domains.values_list("domain", flat=True)),
        pools=pools,
        knows_engagement=knows_engagement(account_id),
        time_zone=ServiceTimeZone(account.service_time_zone).iana,
    )
