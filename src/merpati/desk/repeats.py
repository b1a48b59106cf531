"""Requests that may come again with the same key: each is done once.

A repeat gets the case as it stands by then; the same key with another request is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from merpati.desk.models import AnsweredRequest, Case
from merpati.spool.errors import IdempotencyConflict


@dataclass(frozen=True, slots=True)
class Request:
    """A request by the key that its sender gave it. fingerprint: of all that it asks."""

    account_id: int
    key: str
    fingerprint: str


def once(request: Request | None, act: Callable[[], Case]) -> Case:
    """Do what a request asks unless it was done before; None: there is no telling.

    Raises IdempotencyConflict, and what `act` raises: then nothing is remembered.
    """
    if request is None:
        return act()
    with transaction.atomic():
        # The row is the lock: of two at once the second waits for it, and finds the first's case.
        row, is_new = AnsweredRequest.objects.select_related(*_CASE).get_or_create(
            account_id=request.account_id,
            key=request.key,
            defaults={"fingerprint": request.fingerprint},
        )
        if row.fingerprint != request.fingerprint:
            raise IdempotencyConflict(request.key)
        if not is_new and row.case is not None:
            return row.case
        case = act()
        AnsweredRequest.objects.filter(pk=row.pk).update(case=case)
    return case


_CASE = ("case", "case__account", "case__representative", "case__opened_by")
