"""Cancelling a campaign or a transmission: what is scheduled, or waits, is not sent any more.

Source: sparkpost-api 3.5.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from django.db import transaction

from merpati.accounts import audit
from merpati.sending.directory import SendingAccount


class Spool(Protocol):
    """What cancelling needs of the spool's client."""

    def cancel(
        self, shard: int, account_id: int, campaign_id: str, transmission_id: str = ""
    ) -> None:
        """Return once it is sure to happen. Raises SpoolUnavailable."""


def cancel_campaign(
    account: SendingAccount, campaign_id: str, spool: Spool, *, by: str, now: datetime
) -> None:
    """Have all mail of a campaign cancelled that was accepted and not sent yet.

    Returns once that is durable; the worker does it in steps. Each such message becomes a bounce of
    class 25. Raises SpoolUnavailable: then nothing is sure.
    """
    with transaction.atomic():  # who asked is kept even if the worker cannot be reached
        audit.record("cancel_campaign", campaign_id, by=by, now=now, account_id=account.account_id)
    spool.cancel(account.shard, account.account_id, campaign_id)


def cancel_transmission(
    account: SendingAccount, transmission_id: str, spool: Spool, *, by: str, now: datetime
) -> None:
    """Have all mail of a transmission cancelled that was not sent yet; as `cancel_campaign`."""
    with transaction.atomic():
        audit.record(
            "cancel_transmission", transmission_id, by=by, now=now, account_id=account.account_id
        )
    spool.cancel(account.shard, account.account_id, "", transmission_id)
