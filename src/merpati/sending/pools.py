"""IP pools: groups of an account's sending IPs, and where a warming pool's excess goes.

Each action is one transaction with its audit entry and a new policy version. A pool's id (slug) is
made from its first name and stays; ids are matched in any case, as SparkPost does.

Source: sparkpost-api 13, whose error texts are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet

from merpati.accounts import audit
from merpati.sending import policy
from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import (
    InvalidValue,
    OverflowRefused,
    PoolExists,
    PoolNotFound,
    PoolReserved,
    PoolSplit,
)
from merpati.sending.models import DEFAULT_POOL, IpPool, SendingIp, Split


def slug_of(name: str) -> str:
    """Return the id of a pool of this name: lower case, all but letters and digits to `_`."""
    return re.sub(r"[^a-z0-9]", "_", name.strip().lower())


def pools_of(account_id: int) -> QuerySet[IpPool]:
    """Return an account's pools with their IPs and overflow pools, in two queries."""
    return (
        IpPool.objects.filter(account_id=account_id)
        .select_related("overflow_pool")
        .prefetch_related(Prefetch("sending_ips", SendingIp.objects.order_by("slot")))
        .order_by("id")
    )


def find_pool(account_id: int, slug: str) -> IpPool:
    """Return one of the account's pools. Raises PoolNotFound."""
    pool = pools_of(account_id).filter(slug=slug.lower()).first()
    if pool is None:
        raise PoolNotFound(slug)
    return pool


def create_pool(
    account_id: int,
    name: str,
    *,
    by: str,
    now: datetime,
    signing_domain: str = "",
    fbl_signing_domain: str = "",
    overflow: str = "",
) -> IpPool:
    """Make a pool; `overflow` is the id of another pool of the account, or "".

    Raises InvalidValue, PoolExists, OverflowRefused.
    """
    name = _checked_name(name)
    pool = IpPool(account_id=account_id, slug=slug_of(name), name=name, created_at=now)
    with transaction.atomic():
        _change(pool, signing_domain, fbl_signing_domain, overflow)
        try:
            with transaction.atomic():
                pool.save(force_insert=True)
        except IntegrityError:
            raise PoolExists(pool.slug) from None
        audit.record("create_pool", pool.slug, by=by, now=now, account_id=account_id, name=name)
        policy.bump()
    return pool


def update_pool(
    account_id: int,
    slug: str,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
    signing_domain: str | None = None,
    fbl_signing_domain: str | None = None,
    overflow: str | None = None,
) -> IpPool:
    """Change a pool: None leaves a value as it is, "" clears it (a name cannot be cleared).

    Raises PoolReserved for `default`, PoolNotFound, InvalidValue, OverflowRefused.
    """
    if slug.lower() == DEFAULT_POOL:
        raise PoolReserved("IP Pool default is reserved and cannot be updated.", "pool")
    with transaction.atomic():
        pool = find_pool(account_id, slug)
        if name is not None:
            pool.name = _checked_name(name)
        _change(pool, signing_domain, fbl_signing_domain, overflow)
        pool.save()
        audit.record(
            "update_pool",
            pool.slug,
            by=by,
            now=now,
            account_id=account_id,
            **_given(name=name, signing_domain=signing_domain, overflow=overflow),
            **_given(fbl_signing_domain=fbl_signing_domain),
        )
        policy.bump()
    return pool


def delete_pool(account_id: int, slug: str, *, by: str, now: datetime) -> None:
    """Remove a pool: its IPs go to `default`, pools that overflowed into it do so no more.

    Raises PoolReserved for `default`, PoolNotFound, PoolSplit while a migration moves its mail.
    """
    if slug.lower() == DEFAULT_POOL:
        raise PoolReserved("IP Pool default is reserved.", "pool")
    with transaction.atomic():
        pool = IpPool.objects.filter(account_id=account_id, slug=slug.lower()).first()
        if pool is None:
            raise PoolNotFound(slug, f"IP Pool {slug} does not exist.")
        if Split.objects.filter(pool=pool).exists():
            raise PoolSplit(pool.slug)
        default = IpPool.objects.get(account_id=account_id, slug=DEFAULT_POOL)
        moved = sorted(pool.sending_ips.values_list("address", flat=True))
        pool.sending_ips.update(pool=default)
        pool.overflows_of.update(overflow_pool=None)
        pool.delete()
        audit.record("delete_pool", slug, by=by, now=now, account_id=account_id, moved=moved)
        policy.bump()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidValue("A pool's name has 1 to 100 printable characters.", "name")
    return name


def _change(
    pool: IpPool, signing: str | None, fbl_signing: str | None, overflow: str | None
) -> None:
    if signing is not None:
        pool.signing_domain = signing and checked_domain(signing, "signing_domain")
    if fbl_signing is not None:
        pool.fbl_signing_domain = fbl_signing and checked_domain(fbl_signing, "fbl_signing_domain")
    if overflow is not None:
        pool.overflow_pool = _checked_overflow(pool, overflow) if overflow else None


def _checked_overflow(pool: IpPool, wanted: str) -> IpPool:
    """Return the pool that may take the excess of `pool`; one step only, never a chain."""
    target = IpPool.objects.filter(account_id=pool.account_id, slug=wanted.lower()).first()
    if target is None:  # "shared pool", the operator's own IPs, is nowhere set up either
        raise OverflowRefused(f"Auto Warmup Overflow Pool {wanted} does not exist.")
    if target.pk == pool.pk:
        raise OverflowRefused(f"{pool.slug} cannot be its own overflow pool")
    if target.overflow_pool_id is not None:
        raise OverflowRefused(f"{target.slug} has an overflow pool and cannot be an overflow pool")
    if not pool._state.adding and pool.overflows_of.exists():
        raise OverflowRefused(f"{pool.slug} is an overflow pool and cannot have an overflow pool")
    return target


def _given(**values: Any) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
