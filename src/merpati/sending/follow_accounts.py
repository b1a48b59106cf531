"""What this room does when an account is made or changed, in the same transaction.

The arrows between rooms point here from accounts never: it announces, this room follows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from merpati.accounts.models import Account
from merpati.accounts.signals import account_changed, account_created
from merpati.sending import policy
from merpati.sending.models import DEFAULT_POOL, IpPool


def connect() -> None:
    """Follow accounts from now on; called once, when Django is set up."""
    account_created.connect(_make_default_pool)
    account_changed.connect(_count_change)


def _make_default_pool(*, account: Account, now: datetime, **_: Any) -> None:
    IpPool.objects.create(account=account, slug=DEFAULT_POOL, name="Default", created_at=now)


def _count_change(**_: Any) -> None:
    policy.bump()
