"""Splits: which share of a pool's mail goes our way, the rest by the old provider's egress.

A recipient who has moved stays moved: shares only rise, and fall by `roll_back` alone. The plans
decide (`plans/migration/`), this module is the only writer. Each action is one transaction with a
new policy version; the plan that asks for it writes the audit entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent
from merpati.sending import policy
from merpati.sending.errors import PoolSplit, ShareWouldFall
from merpati.sending.models import Egress, IpPool, Split, SplitShare


def open_split(
    pool: IpPool,
    egress: Egress,
    *,
    on_spent: OnSpent,
    on_block: OnBlock,
    when_old_fails: OnOldFailure,
    now: datetime,
) -> Split:
    """Send all mail of a pool by the old provider, from now on. Raises PoolSplit."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                split = Split.objects.create(
                    account_id=pool.account_id,
                    pool=pool,
                    egress=egress,
                    on_spent=on_spent,
                    on_block=on_block,
                    when_old_fails=when_old_fails,
                    created_at=now,
                )
        except IntegrityError:
            raise PoolSplit(pool.slug) from None
        policy.bump()
    return split


def shares_of(split: Split) -> dict[str, int]:
    """Return the share of each provider, "" for all that are not named."""
    return dict(split.shares.values_list("provider", "share"))


def raise_shares(split: Split, shares: Mapping[str, int]) -> None:
    """Let more recipients go our way, by provider. Raises ShareWouldFall, and changes nothing."""
    with transaction.atomic():
        before = shares_of(split)
        for provider, share in shares.items():
            if share < before.get(provider, 0):
                raise ShareWouldFall(provider, before[provider], share)
        _write(split, before, shares)


def roll_back(split: Split, shares: Mapping[str, int]) -> None:
    """Let fewer recipients go our way, by provider: the only way back to the old provider."""
    with transaction.atomic():
        _write(split, shares_of(split), shares)


def pause_split(split: Split, reason: str) -> None:
    """Keep the split as it is; what would wait for an allowance goes the old way. "": go on."""
    with transaction.atomic():
        Split.objects.filter(pk=split.pk).update(paused=reason[:500])
        policy.bump()


def close_split(split: Split) -> None:
    """Send all mail of the pool our way, within what its sending IPs may."""
    with transaction.atomic():
        split.delete()
        policy.bump()


def _write(split: Split, before: Mapping[str, int], shares: Mapping[str, int]) -> None:
    changed = {name: share for name, share in shares.items() if share != before.get(name)}
    for provider, share in changed.items():
        SplitShare.objects.update_or_create(
            split=split, provider=provider, defaults={"share": share}
        )
    if changed:
        policy.bump()
