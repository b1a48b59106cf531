"""The audit trail: one line per change, written in the change's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from merpati.accounts.models import AuditEntry

ACTOR_CHARACTERS, SUBJECT_CHARACTERS = 200, 300


def record(
    action: str, subject: str, *, by: str, now: datetime, account_id: int | None, **detail: Any
) -> None:
    """Write who did what to what; `detail` holds plain JSON values, never a secret."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an audit entry belongs to its change")
    AuditEntry.objects.create(
        at=now,
        actor=by[:ACTOR_CHARACTERS],
        action=action,
        account_id=account_id,
        subject=subject[:SUBJECT_CHARACTERS],  # an address may be longer
        detail=detail,
    )
