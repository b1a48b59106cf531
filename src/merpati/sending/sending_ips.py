"""Dedicated sending IPs: up to six per account, each in one of its pools.

The limit is six numbered slots: the lowest free one is taken, and the database gives each out
once, so of two requests that race for the last place one is refused. Each action is one
transaction with its audit entry and a new policy version.

Source: mission clause C1; sparkpost-api 13, whose error texts are kept.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from merpati.accounts import audit
from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import Account
from merpati.reputation.sparkpost_stages import FIRST_STAGE
from merpati.reputation.warmup import RESTART_AFTER
from merpati.sending import policy
from merpati.sending.domain_names import checked_hostname
from merpati.sending.errors import (
    InvalidValue,
    SendingIpInUse,
    SendingIpLimitReached,
    SendingIpNotFound,
)
from merpati.sending.models import DEFAULT_POOL, SENDING_IPS_PER_ACCOUNT, SendingIp
from merpati.sending.pools import find_pool
from merpati.sending.warmup_stages import changed_stage

LONGEST_ENGAGEMENT_DAYS = 365


def sending_ips_of(account_id: int) -> QuerySet[SendingIp]:
    """Return an account's sending IPs with their pools, in one query."""
    return SendingIp.objects.filter(account_id=account_id).select_related("pool").order_by("slot")


def find_sending_ip(account_id: int, address: str) -> SendingIp:
    """Return one of the account's IPs. Raises InvalidValue for no address, SendingIpNotFound."""
    ip = sending_ips_of(account_id).filter(address=checked_address(address)).first()
    if ip is None:
        raise SendingIpNotFound(address)
    return ip


def owner_of(address: str) -> int:
    """Return the account an address serves. Raises InvalidValue, SendingIpNotFound."""
    found = SendingIp.objects.filter(address=checked_address(address))
    owner = found.values_list("account_id", flat=True).first()
    if owner is None:
        raise SendingIpNotFound(address)
    return owner


def checked_address(text: str) -> str:
    """Return an IPv4 address in its one spelling. Raises InvalidValue."""
    try:
        address = ipaddress.IPv4Address(text.strip())
    except ValueError:
        raise InvalidValue("external ip must be a valid IPv4 address", "address") from None
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        raise InvalidValue(f"{address} is no address that mail can leave from.", "address")
    return str(address)


def add_sending_ip(
    account_id: int,
    address: str,
    hostname: str,
    *,
    by: str,
    now: datetime,
    pool: str | None = None,
    warm_up: bool = False,
) -> SendingIp:
    """Assign an address to an account; it says `hostname` in EHLO.

    pool: its id, None for `default`. warm_up: begin at stage 1; else the IP counts as warm.
    Raises InvalidValue, AccountNotFound, PoolNotFound, SendingIpInUse, SendingIpLimitReached.
    """
    ip = SendingIp(
        account_id=account_id,
        address=checked_address(address),
        hostname=checked_hostname(hostname),
        auto_warmup_enabled=warm_up,
        auto_warmup_stage=FIRST_STAGE if warm_up else None,
        auto_warmup_stage_on=now.date() if warm_up else None,
        created_at=now,
    )
    with transaction.atomic():
        account = Account.objects.filter(pk=account_id).first()
        if account is None:
            raise AccountNotFound(str(account_id))
        ip.pool = find_pool(account_id, pool or DEFAULT_POOL)
        _take_place(ip, account)
        audit.record(
            "add_sending_ip",
            ip.address,
            by=by,
            now=now,
            account_id=account_id,
            hostname=ip.hostname,
            pool=ip.pool.slug,
            slot=ip.slot,
            warm_up=warm_up,
        )
        policy.bump()
    return ip


def _take_place(ip: SendingIp, account: Account) -> None:
    """Save the IP in the lowest free slot; where another request takes that first, in the next."""
    # Each round lost is a place another request won, so six rounds decide. SQLite needs one: its
    # writers queue. The savepoint keeps PostgreSQL's transaction usable after the refusal.
    for _ in range(SENDING_IPS_PER_ACCOUNT):
        if SendingIp.objects.filter(address=ip.address).exists():
            raise SendingIpInUse(ip.address)
        slot = _free_slot(ip.account_id)
        if slot is None:
            break
        ip.slot = slot
        try:
            with transaction.atomic():
                ip.save(force_insert=True)
        except IntegrityError:
            continue
        return
    raise SendingIpLimitReached(account.name)


def _free_slot(account_id: int) -> int | None:
    taken = set(SendingIp.objects.filter(account_id=account_id).values_list("slot", flat=True))
    return next((n for n in range(1, SENDING_IPS_PER_ACCOUNT + 1) if n not in taken), None)


def update_sending_ip(
    account_id: int,
    address: str,
    *,
    by: str,
    now: datetime,
    pool: str | None = None,
    auto_warmup_enabled: bool | None = None,
    auto_warmup_stage: int | None = None,
) -> SendingIp:
    """Move an IP to another pool of its account, or change its warm-up; None leaves as it is.

    Raises InvalidValue, SendingIpNotFound, PoolNotFound, WarmupStageRefused.
    """
    with transaction.atomic():
        ip = find_sending_ip(account_id, address)
        before = (ip.pool.slug, ip.auto_warmup_enabled, ip.auto_warmup_stage)
        if pool is not None:
            ip.pool = find_pool(account_id, pool)
        enabled, stage = changed_stage(
            ip.auto_warmup_enabled, ip.auto_warmup_stage, auto_warmup_enabled, auto_warmup_stage
        )
        _take_stage(ip, enabled, stage, now)
        ip.save()
        after = (ip.pool.slug, ip.auto_warmup_enabled, ip.auto_warmup_stage)
        names = ("pool", "auto_warmup_enabled", "auto_warmup_stage")
        audit.record(
            "update_sending_ip",
            ip.address,
            by=by,
            now=now,
            account_id=account_id,
            before=dict(zip(names, before, strict=True)),
            after=dict(zip(names, after, strict=True)),
        )
        policy.bump()
    return ip


def choose_warmup(
    account_id: int,
    address: str,
    *,
    by_provider: bool = False,
    by_stages: bool = False,
    engaged_within_days: int | None = None,
    by: str,
    now: datetime,
) -> SendingIp:
    """Have an IP warm up by provider, by SparkPost's stages, by both, or no more.

    A stage that an IP had is kept; without one it begins at 1. engaged_within_days: until it is
    warm only who engaged so lately is mailed from here; None: everybody.
    Raises InvalidValue, SendingIpNotFound.
    """
    if engaged_within_days is not None and not 1 <= engaged_within_days <= LONGEST_ENGAGEMENT_DAYS:
        raise InvalidValue(
            f"an engagement age is 1 to {LONGEST_ENGAGEMENT_DAYS} days", "engaged_within_days"
        )
    names = ("warms_by_provider", "auto_warmup_enabled", "auto_warmup_stage", "engaged_within_days")
    with transaction.atomic():
        ip = find_sending_ip(account_id, address)
        before = {name: getattr(ip, name) for name in names}
        if by_provider and not ip.warms_by_provider:
            # Providers have forgotten such levels; nobody looked after them meanwhile.
            ip.provider_allowances.filter(day__lt=now.date() - RESTART_AFTER).delete()
        ip.warms_by_provider = by_provider
        enabled, stage = changed_stage(
            ip.auto_warmup_enabled, ip.auto_warmup_stage, by_stages, None
        )
        _take_stage(ip, enabled, stage, now)
        ip.engaged_within_days = engaged_within_days
        ip.save()
        audit.record(
            "choose_warmup",
            ip.address,
            by=by,
            now=now,
            account_id=account_id,
            before=before,
            after={name: getattr(ip, name) for name in names},
        )
        policy.bump()
    return ip


def follow_stage(
    ip: SendingIp, stage: int, *, is_enabled: bool = True, by: str, now: datetime
) -> bool:
    """Move an IP that warms up by stages to its next one, or end that; return whether it was so.

    False when somebody else changed it meanwhile: then their word holds.
    """
    with transaction.atomic():
        changed = SendingIp.objects.filter(
            pk=ip.pk, auto_warmup_enabled=True, auto_warmup_stage=ip.auto_warmup_stage
        ).update(
            auto_warmup_enabled=is_enabled,
            auto_warmup_stage=stage,
            auto_warmup_stage_on=now.date(),
        )
        if changed:
            audit.record(
                "follow_warmup_stage",
                ip.address,
                by=by,
                now=now,
                account_id=ip.account_id,
                before=ip.auto_warmup_stage,
                after=stage,
                auto_warmup_enabled=is_enabled,
            )
            policy.bump()
    return bool(changed)


def _take_stage(ip: SendingIp, enabled: bool, stage: int | None, now: datetime) -> None:
    """Note since when a stage stands, if it is another or begins anew."""
    if (enabled, stage) != (ip.auto_warmup_enabled, ip.auto_warmup_stage):
        ip.auto_warmup_stage_on = now.date()
    ip.auto_warmup_enabled, ip.auto_warmup_stage = enabled, stage


def move_sending_ip(
    account_id: int, address: str, pool: str, *, by: str, now: datetime
) -> SendingIp:
    """Move an IP to another pool of its account. Raises as `update_sending_ip`."""
    return update_sending_ip(account_id, address, pool=pool, by=by, now=now)


def remove_sending_ip(account_id: int, address: str, *, by: str, now: datetime) -> None:
    """Take an address from an account; its place is free at once, queued mail leaves by others.

    Raises InvalidValue, SendingIpNotFound.
    """
    with transaction.atomic():
        ip = find_sending_ip(account_id, address)
        ip.delete()
        audit.record(
            "remove_sending_ip",
            ip.address,
            by=by,
            now=now,
            account_id=account_id,
            hostname=ip.hostname,
            pool=ip.pool.slug,
            slot=ip.slot,
        )
        policy.bump()
